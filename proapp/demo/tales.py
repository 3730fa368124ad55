"""The tales the demonstration tells: one for every state a participant or an assessment can be in, so that each list,
colour and sentence of the product has somebody behind it. Everybody else takes an ordinary course."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from proapp.demo.steps import Life
from proapp.demo.story import BY_HAND, Story, Window
from proapp.study.model import Study
from proapp.study.schedule import add_months

Tale = Callable[[Story], None]
SITES = ("UME", "UME", "UME", "GOT", "GOT", "GOT", "KAR", "KAR", "KAR", "KAR", "LIN", "LIN", "LUN", "LUN", "UPP", "UPP")
YEARS = 5
TALES: dict[str, Tale] = {}
TOO_LITTLE = (1,)  # of five items of its scale: nothing can be scored


def tale(name: str) -> Callable[[Tale], Tale]:
    def keep(function: Tale) -> Tale:
        TALES[name] = function
        return function

    return keep


def days(number: int) -> timedelta:
    return timedelta(days=number)


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


def _due(story: Story, timepoint: str, since_target: int, **beginning: str) -> Window:
    """Randomised so that the target of `timepoint` was `since_target` days ago, everything before it as usual."""
    target = story.today - days(since_target)
    day = story.randomized_so_that(timepoint, lambda one: abs((one.target_on - target).days) <= 1)
    return _reached(story, timepoint, day, **beginning)


def _reached(story: Story, timepoint: str, randomized_on: date, **beginning: str) -> Window:
    story.start(randomized_on, **beginning)
    later = [one.timepoint for one in story.windows() if one.target_on >= story.window(timepoint).target_on]
    story.go_on(but=later)
    return story.window(timepoint)


# --- who signs in -----------------------------------------------------------------------------------------------------


@tale("a questionnaire to answer")
def _open_questionnaire(story: Story) -> None:
    story.language = "sv"
    _due(story, "m06", 1, channel="sms")


@tale("sheet just printed")
def _sheet_just_printed(story: Story) -> None:
    story.language = "sv"
    story.enrol(story.today - days(1), channel="sms")


# --- before randomisation ---------------------------------------------------------------------------------------------


@tale("not activated")
def _not_activated(story: Story) -> None:
    story.enrol(story.today - days(5))


@tale("code run out")
def _code_run_out(story: Story) -> None:
    story.enrol(story.today - days(20))


@tale("new code")
def _new_code(story: Story) -> None:
    story.enrol(story.today - days(18))
    story.replace_code(story.today - days(6))


@tale("baseline open")
def _baseline_open(story: Story) -> None:
    story.enrol(story.today - days(2))
    story.activate()


@tale("baseline begun")
def _baseline_begun(story: Story) -> None:
    story.enrol(story.today - days(3))
    story.activate()
    story.begin("baseline", story.at(story.today - days(1), 19, 21), items=31)


@tale("baseline idle")
def _baseline_idle(story: Story) -> None:
    story.enrol(story.today - days(7))
    story.activate()
    story.begin("baseline", story.at(story.today - days(4), 19, 21), items=12)


@tale("baseline sent")
def _baseline_sent(story: Story) -> None:
    story.enrol(story.today - days(6))
    story.activate()
    story.fill("baseline", story.today - days(4))


@tale("stopped before randomisation")
def _stopped_early(story: Story) -> None:
    story.enrol(story.today - days(60))
    story.activate()
    story.happen("trial_withdrawal", story.today - days(50), data_use="delete_if_lawful")


@tale("baseline overridden")
def _overridden(story: Story) -> None:
    consent_on = story.today - days(150)
    story.enrol(consent_on)
    story.randomize(consent_on + days(4), reason="Svarade på papper som kom bort; operationstid redan bokad.")
    story.activate(consent_on + days(6))
    story.go_on()


@tale("on paper, never activated")
def _never_activated(story: Story) -> None:
    consent_on = story.today - days(30)
    story.enrol(consent_on)
    story.fill("baseline", consent_on + days(3), mode="paper")
    story.randomize(consent_on + days(9))


# --- a window that is open --------------------------------------------------------------------------------------------


@tale("open")
def _open(story: Story) -> None:
    _due(story, "m03", -8)


@tale("overdue")
def _overdue(story: Story) -> None:
    _due(story, "m06", 9)


@tale("overdue for longer")
def _overdue_longer(story: Story) -> None:
    _due(story, "m03", 12)


@tale("call again today")
def _call_again(story: Story) -> None:
    one = _due(story, "m06", 16)
    story.contact(one.timepoint, story.today - days(7), "left_message", next_on=story.today)


@tale("call again later")
def _call_later(story: Story) -> None:
    one = _due(story, "m12", 14)
    note = "Ber oss ringa efter läkarbesöket."
    story.contact(one.timepoint, story.today - days(6), "reached_will_answer", next_on=story.today + days(3), note=note)


@tale("postponed")
def _postponed(story: Story) -> None:
    one = _due(story, "m03", 11)
    story.contact(
        one.timepoint,
        story.today - days(6),
        "postponed",
        method="none",
        next_on=story.today + days(2),
        note="På resa hela veckan.",
    )


@tale("closing")
def _closing(story: Story) -> None:
    day = story.randomized_so_that("m03", lambda one: 0 <= (one.closes_on - story.today).days <= 1)
    one = _reached(story, "m03", day)
    story.contact(one.timepoint, one.target_on + days(6), "no_answer")


@tale("late")
def _late(story: Story) -> None:
    day = story.randomized_so_that("m06", lambda one: 5 <= (one.late_until - story.today).days <= 8)
    one = _reached(story, "m06", day)
    story.contact(one.timepoint, one.closes_on - days(9), "hospitalised")


@tale("extended")
def _extended(story: Story) -> None:
    day = story.randomized_so_that("m06", lambda one: 3 <= (story.today - one.late_until).days <= 6)
    one = _reached(story, "m06", day)
    story.extend(one.timepoint, one.closes_on - days(4), one.late_until + days(25))


@tale("begun yesterday")
def _begun(story: Story) -> None:
    one = _due(story, "m03", 4)
    story.begin(one.timepoint, story.at(story.today - days(1), 19, 21), items=44)


@tale("idle")
def _idle(story: Story) -> None:
    one = _due(story, "m12", 1)
    story.begin(one.timepoint, story.at(story.today - days(3), 18, 21), items=17)


@tale("declined now")
def _declined_now(story: Story) -> None:
    one = _due(story, "m06", 12)
    story.decline(one.timepoint, story.today - days(3), reason="refused_burden")


@tale("decline taken back")
def _decline_undone(story: Story) -> None:
    one = _due(story, "m03", 10)
    story.decline(one.timepoint, story.today - days(6), reason="no_time")
    story.undo_decline(one.timepoint, story.today - days(4))


@tale("sent yesterday")
def _sent(story: Story) -> None:
    one = _due(story, "m03", 3)
    story.fill(one.timepoint, story.today - days(1))


# --- windows that closed ----------------------------------------------------------------------------------------------


def _closed(story: Story, timepoint: str, ago: int) -> Window:
    day = story.randomized_so_that(timepoint, lambda one: abs((story.today - one.late_until).days - ago) <= 1)
    return _reached(story, timepoint, day)


@tale("missed, no reason yet")
def _missed(story: Story) -> None:
    story.miss(_closed(story, "m06", 3), explained=False)


@tale("missed, no reason for long")
def _missed_long(story: Story) -> None:
    story.miss(_closed(story, "m03", 17), explained=False)


@tale("missed twice")
def _missed_twice(story: Story) -> None:
    one = _closed(story, "m12", 8)
    story.miss(one, explained=False)


@tale("left yesterday")
def _left_yesterday(story: Story) -> None:
    """The window closed yesterday; the worker submits what was begun when the sitting's grace is over."""
    day = story.randomized_so_that("m03", lambda one: 1 <= (story.today - one.late_until).days <= 2)
    one = _reached(story, "m03", day)
    swept = one.late_until < story.today - days(1)
    story.begin(one.timepoint, story.at(one.late_until - days(2), 9, 21), items=52, auto=swept)


@tale("submitted by the worker")
def _auto(story: Story) -> None:
    one = _closed(story, "m06", 30)
    story.begin(one.timepoint, story.at(one.closes_on - days(3), 9, 21), items=60, auto=True)


@tale("submitted by the worker, too little")
def _auto_unscorable(story: Story) -> None:
    one = _closed(story, "m03", 24)
    story.begin(one.timepoint, story.at(one.closes_on - days(3), 9, 21), items=1, auto=True)


@tale("sent, not to be scored")
def _unscorable(story: Story) -> None:
    one = _closed(story, "m06", 40)
    story.fill(one.timepoint, one.target_on, only=TOO_LITTLE)


@tale("declined by patient")
def _declined(story: Story) -> None:
    one = _closed(story, "m06", 50)
    story.decline(one.timepoint, one.target_on + days(2), reason="upset_or_irrelevant")


@tale("declined through staff")
def _declined_by_staff(story: Story) -> None:
    one = _closed(story, "m03", 60)
    story.contact(one.timepoint, one.target_on + days(5), "declined")
    story.decline(one.timepoint, one.target_on + days(6), by_staff=True)


@tale("done late")
def _done_late(story: Story) -> None:
    one = _closed(story, "m12", 35)
    story.fill(one.timepoint, one.closes_on + days(6))


@tale("paper, too early")
def _paper(story: Story) -> None:
    one = _closed(story, "m12", 45)
    story.fill(one.timepoint, one.opens_on - days(3), mode="paper", typed_on=one.opens_on)


@tale("paper, long after")
def _paper_late(story: Story) -> None:
    one = _closed(story, "m06", 30)
    story.fill(one.timepoint, one.late_until + days(5), mode="paper")


@tale("by telephone")
def _telephone(story: Story) -> None:
    one = _closed(story, "m03", 33)
    story.contact(one.timepoint, one.target_on + days(8), "answered_by_phone")
    story.fill(one.timepoint, one.target_on + days(8), mode="phone")


@tale("interview")
def _interview(story: Story) -> None:
    one = _closed(story, "m03", 80)
    story.fill(one.timepoint, one.target_on + days(2), mode="interview")


@tale("on the clinic's tablet")
def _clinic(story: Story) -> None:
    one = _closed(story, "m06", 70)
    story.fill(one.timepoint, one.target_on + days(3), mode="self_clinic")


@tale("somebody else answered")
def _proxy(story: Story) -> None:
    one = _closed(story, "m12", 20)
    story.fill(one.timepoint, one.target_on + days(4), mode="proxy", respondent="proxy")


@tale("answered twice")
def _twice(story: Story) -> None:
    one = _closed(story, "m03", 90)
    story.fill(one.timepoint, one.target_on + days(1))
    story.fill(one.timepoint, one.target_on + days(3), mode="paper")


@tale("voided")
def _voided(story: Story) -> None:
    one = _closed(story, "m06", 55)
    reason = "Ifyllt av en annan patient på mottagningens surfplatta."
    story.fill(one.timepoint, one.target_on, mode="self_clinic")
    story.void(one.timepoint, one.target_on + days(9), reason)
    story.explain(one.timepoint, "staff_oversight", one.late_until + days(4))


@tale("registered too late")
def _registered_late(story: Story) -> None:
    consent_on = story.today - days(230)
    story.enrol(consent_on)
    story.activate()
    story.fill("baseline", consent_on + days(2))
    recorded = story.office(story.today - days(60))
    story.randomize(consent_on + days(8), recorded=recorded)
    story.go_on(but=["m03"])


# --- what happens to people -------------------------------------------------------------------------------------------


@tale("died before the window")
def _died(story: Story) -> None:
    randomized_on = story.today - days(400)
    story.start(randomized_on)
    died = story.window("m12").opens_on - days(20)
    story.happen("death", died, recorded=died + days(9))
    story.go_on()


@tale("died in the window")
def _died_in_window(story: Story) -> None:
    story.start(story.today - days(300))
    died = story.window("m06").target_on + days(9)
    story.happen("death", died, recorded=died + days(4))
    story.go_on(but=["m06"])


@tale("stopped the questionnaires")
def _pro_stop(story: Story) -> None:
    story.start(story.today - days(420))
    story.happen("pro_stop", story.window("m12").opens_on - days(12))
    story.go_on()


@tale("stopped in the window")
def _pro_stop_in_window(story: Story) -> None:
    story.start(story.today - days(150))
    story.happen("pro_stop", story.window("m03").target_on + days(3))
    story.go_on(but=["m03"])


@tale("left the trial, keep the data")
def _withdrew(story: Story) -> None:
    story.start(story.today - days(500))
    story.happen("trial_withdrawal", story.window("m12").opens_on - days(40), data_use="keep")
    story.go_on()


@tale("left the trial, keep until a day")
def _withdrew_until(story: Story) -> None:
    story.start(story.today - days(330))
    day = story.window("m06").closes_on + days(30)
    until = (day - days(45)).isoformat()
    story.happen("trial_withdrawal", day, data_use="keep_until", until=until)
    story.go_on()


@tale("lost to follow-up")
def _lost(story: Story) -> None:
    story.start(story.today - days(280))
    story.happen("lost_to_follow_up", story.window("m06").target_on - days(15))
    story.go_on(but=["m06"])
    story.miss(story.window("m06"), code="unreachable")


@tale("corrected randomisation")
def _corrected(story: Story) -> None:
    consent_on = story.today - days(190)
    story.enrol(consent_on)
    story.activate()
    story.fill("baseline", consent_on + days(2))
    wrong, right = consent_on + days(20), consent_on + days(13)
    story.randomize(wrong)
    story.correct(right, wrong + days(3), "Fel datum avläst; lottningsbekräftelsen visar en vecka tidigare.")
    story.go_on()


@tale("a letter only")
def _letter(story: Story) -> None:
    _due(story, "m06", 20, channel="letter")


@tale("a number that is shared")
def _shared(story: Story) -> None:
    _due(story, "m03", 25, channel="sms", shared="Makar som delar telefon.")


@tale("progression")
def _progression(story: Story) -> None:
    story.start(story.today - days(520))
    story.happen("progression", story.today - days(200))
    story.happen("off_treatment", story.today - days(170))
    story.go_on()


def _reason_tale(code: str) -> Tale:
    """Somebody who missed an assessment for this reason."""

    def told(story: Story) -> None:
        timepoint = ("m03", "m06", "m12", "m18")[BY_HAND.index(code) % 4]
        story.miss(_closed(story, timepoint, 40 + 11 * BY_HAND.index(code)), code=code)

    return told


TALES.update({f"missed: {code}": _reason_tale(code) for code in BY_HAND})
