"""The tales the demonstration tells: one for every state a participant or an assessment can be in, so that each list,
colour and sentence of the product has somebody behind it. Everybody else takes an ordinary course."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from proapp.demo import tales_closed, tales_moves, tales_open, tales_people
from proapp.demo.steps import Life
from proapp.demo.story import Story
from proapp.demo.telling import Tale, days
from proapp.study.model import Study
from proapp.study.schedule import add_months

SITES = ("UME", "UME", "UME", "GOT", "GOT", "GOT", "KAR", "KAR", "KAR", "KAR", "LIN", "LIN", "LUN", "LUN", "UPP", "UPP")
YEARS = 5
# In this order: where few participants are asked for, only the first are told.
TALES: dict[str, Tale] = {**tales_open.TALES, **tales_people.TALES, **tales_closed.TALES, **tales_moves.TALES}


def lives(study: Study, today: date, *, participants: int, seed: int) -> Iterator[Life]:
    """As many lives as asked for: first one for each tale, then ordinary ones over the years up to `today`."""
    begins = _begins(study, today)
    reach = (today - begins).days
    ordinary = max(1, participants - len(TALES))
    for number in range(participants):
        name, told = (list(TALES.items())[number]) if number < len(TALES) else ("ordinary", _ordinary)
        site = _site(study, number)
        arm = study.arms[(number * 7 // 3) % len(study.arms)].code
        story = Story(study, today, number, seed=seed, site=site, arm=arm)
        if name == "ordinary":
            place = (number - len(TALES) + story.rng.random()) / ordinary
            story.consent_on = begins + days(int(place * reach))
        told(story)
        yield story.life(name)


def _site(study: Study, number: int) -> str:
    """Every other tale happens at the first site, whose nurse signs in; the rest are spread as clinics are large."""
    known = [site.code for site in study.sites]
    if number < len(TALES) and number % 2 == 0 or number in (0, 1):
        return known[0]
    wanted = SITES[(number * 5) % len(SITES)]
    return wanted if wanted in known else known[number % len(known)]


def _begins(study: Study, today: date) -> date:
    """Enrolment began with the protocol, or five years ago if that is later (or the protocol is yet to come)."""
    years_ago = add_months(today, -12 * YEARS)
    return study.effective_from if years_ago < study.effective_from < today - days(365) else years_ago


def _ordinary(story: Story) -> None:
    """Consent, baseline, randomisation if there was time for it, and what life brings."""
    rng, consent_on = story.rng, story.consent_on
    story.enrol(consent_on)
    story.activate()
    randomized_on = consent_on + days(rng.randrange(6, 15))
    if not story.fill("baseline", consent_on + days(rng.randrange(0, 4))) or randomized_on >= story.today:
        return
    story.randomize(randomized_on)
    if story.arm == story.study.arms[0].code:
        story.happen("surgery", randomized_on + days(rng.randrange(14, 40)))
    if rng.random() < 0.45:
        progressed = randomized_on + days(rng.randrange(90, 1000))
        story.happen("progression", progressed)
        if rng.random() < 0.5:
            story.happen("off_treatment", progressed + days(rng.randrange(20, 60)))
    _end(story, randomized_on)
    story.go_on()


def _end(story: Story, randomized_on: date) -> None:
    rng, fate = story.rng, story.rng.random()
    day = randomized_on + days(rng.randrange(60, 1300))
    if fate < 0.30:
        story.happen("death", day, recorded=day + days(rng.randrange(1, 25)))
    elif fate < 0.34:
        story.happen("pro_stop", day)
    elif fate < 0.37:
        story.happen("trial_withdrawal", day, data_use="keep")
    elif fate < 0.39:
        story.happen("lost_to_follow_up", day)
