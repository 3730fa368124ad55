"""The head of the participant page: who this is, whether the phone works, and what whoever rings must know first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from flask import url_for
from flask_babel import gettext

from proapp.clock import local_date
from proapp.services import unscheduled
from proapp.services.cohort import Event, Member
from proapp.services.work_cases import fault
from proapp.study.status import stop_of
from proapp.study.worklist import Case
from proapp.web.context import day, in_language, moment
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import delivery, words
from proapp.web.staff.presenters.history import DATA_USE
from proapp.web.staff.presenters.words import Background
from proapp.web.staff.presenters.work import Action


@dataclass(frozen=True, slots=True)
class Head:
    site: str
    status: str
    tone: str
    randomised: str
    arm: str
    language: str
    device: str
    channel: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence above everything else; `is_problem` where somebody has to do something."""

    text: str
    more: str = ""
    is_problem: bool = False


def head(member: Member, last_seen_at: datetime | None, on: Background) -> Head:
    facts = member.facts
    status, tone = _status(member, on)
    arms = {arm.code: arm.label for arm in on.study.arms}
    return Head(
        site=on.site_name(member.periods[-1].site if member.periods else member.site_code),
        status=status,
        tone=tone,
        randomised=day(facts.randomized_on) or gettext("not yet"),
        arm=str(in_language(arms[facts.arm])) if facts.arm in arms else "",
        language=str(words.LANGUAGES.get(member.language, member.language)),
        device=_device(member, last_seen_at),
        channel=str(words.METHODS[member.channel]) if member.channel else gettext("none"),
        actions=tuple(_actions(member, on)),
    )


def notices(member: Member, names: Mapping[int, str], on: Background) -> Iterator[Notice]:
    """Death, withdrawal, stop and lost contact; a pause, a former site; a corrected randomisation; and what is lacking
    at the start. For a former site only that the participant has moved on."""
    if member.periods is not None:
        yield _moved_on(member, on)
        return
    _, stop = stop_of(member.facts, today=on.today)
    yield from _paused(member, on)
    yield from _came(member, on)
    for event in member.events:
        if event.type in ("death", "trial_withdrawal", "pro_stop", "lost_to_follow_up"):
            yield _stopped(event)
    yield from _corrected(member, names, on)
    if stop is None:
        yield from _unreachable(member, on)
    if stop is None and member.facts.randomized_on is None:
        yield Notice(
            gettext("Not randomised yet."),
            gettext("The time points after the first get their dates when the randomisation is recorded."),
        )
    if stop is None and member.activated_at is None:
        yield Notice(
            gettext("Has not signed in on a phone yet."),
            gettext("The activation sheet shows how; a new one can be printed."),
            is_problem=(on.today - member.enrolled_at.date()).days >= 3,
        )


def correction_waits(what: str) -> Notice:
    return Notice(
        gettext("A correction has been proposed: %(what)s.", what=what),
        gettext("Nothing has been moved yet: a second person has to approve it."),
    )


def asked(case: Case) -> Iterator[Notice]:
    """What the participant asked for on the phone, and nobody has been in touch about."""
    if case.asked_on is not None:
        yield Notice(gettext("Asked on %(day)s to be called by the clinic.", day=day(case.asked_on)), is_problem=True)
    if case.stop_asked_on is not None:
        said = gettext("Said on the phone on %(day)s: no more questionnaires.", day=day(case.stop_asked_on))
        yield Notice(said, gettext("Call to confirm; nothing more is sent."), is_problem=True)


def _unreachable(member: Member, on: Background) -> Iterator[Notice]:
    """Messages go nowhere until somebody has asked for the right number or address."""
    what, since = fault(member)
    if since is None:
        return
    more = gettext("Nothing is sent until the contact details are changed.")
    when = day(local_date(since, on.study.zone(member.site_code)))
    if what == "wrong_number":
        yield Notice(gettext("The number turned out to be wrong on %(day)s.", day=when), more, is_problem=True)
    else:
        yield Notice(gettext("Messages have not arrived since %(day)s.", day=when), more, is_problem=True)


def contact_state(member: Member, on: Background) -> Iterator[str]:
    """What is known of the contact details, without saying what they are."""
    contact = member.contact
    if contact is None:
        return
    zone = on.study.zone(member.site_code)
    if contact.confirmed_at is not None:
        yield gettext("Confirmed by the participant on %(day)s.", day=day(local_date(contact.confirmed_at, zone)))
    elif contact.channel != "letter":
        yield gettext("Not confirmed by the participant yet.")
    if contact.verified_at is not None:
        yield gettext("A message has arrived, last on %(day)s.", day=day(local_date(contact.verified_at, zone)))
    if contact.undeliverable_at is not None:
        why = delivery.why_not(contact.undeliverable_reason or "not_known")
        since = day(local_date(contact.undeliverable_at, zone))
        yield gettext("Messages have not arrived since %(day)s: %(why)s.", day=since, why=why)


def _moved_on(member: Member, on: Background) -> Notice:
    assert member.periods
    left = member.periods[-1]
    return Notice(
        gettext("Transferred from %(site)s on %(day)s.", site=on.site_name(left.site), day=day(left.until_on)),
        gettext("You see what belongs to the time at %(site)s, and cannot change it.", site=on.site_name(left.site)),
    )


def _came(member: Member, on: Background) -> Iterator[Notice]:
    """Where a participant was before, for the site that has taken over."""
    if len(member.stays) > 1:
        before, here = member.stays[-2:]
        yield Notice(
            gettext("Transferred from %(site)s on %(day)s.", site=on.site_name(before.site), day=day(here.from_on)),
            gettext("Assessments with an earlier target day count for that site."),
        )


def _paused(member: Member, on: Background) -> Iterator[Notice]:
    for event in member.events:
        if event.type != "contact_pause":
            continue
        until = event.payload.get("until")
        if until is not None and date.fromisoformat(until) < on.today:
            continue
        more = gettext("Nobody reminds or rings meanwhile. The windows go on.")
        if until is None:
            yield Notice(
                gettext("Contact is paused from %(day)s until further notice.", day=day(event.effective_on)), more
            )
        else:
            last = day(date.fromisoformat(until))
            yield Notice(
                gettext("Contact is paused from %(first)s to %(last)s.", first=day(event.effective_on), last=last), more
            )


def _status(member: Member, on: Background) -> tuple[str, str]:
    if member.periods is not None:
        return gettext("Transferred"), "na"
    _, stop = stop_of(member.facts, today=on.today)
    if stop:
        named = {
            "death": gettext("Died"),
            "trial_withdrawal": gettext("Left the trial"),
            "pro_stop": gettext("No more questionnaires"),
        }
        return named[stop], "na"
    if member.facts.randomized_on is None:
        return gettext("Not randomised"), "open"
    return gettext("Taking part"), "done"


def _device(member: Member, last_seen_at: datetime | None) -> str:
    if member.activated_at is None:
        return gettext("not activated")
    return gettext("last seen %(when)s", when=moment(last_seen_at or member.activated_at))


def _actions(member: Member, on: Background) -> Iterator[Action]:
    """What can be done from here, the most likely first; only what the reader may do and what makes sense now."""
    if member.periods is not None:
        return
    _, stop = stop_of(member.facts, today=on.today)
    outside = stop is None and unscheduled.offered(on.study, member)
    offers = [
        ("staff.randomise", gettext("Randomise"), stop is None and member.facts.randomized_on is None),
        ("staff.log_contact", gettext("Log a contact"), True),
        ("staff.participant_follow_up", gettext("Reminders"), True),
        ("staff.sheet", gettext("Activation sheet"), stop is None),
        ("staff.events", gettext("Record an event"), True),
        ("staff.open_assessment", gettext("Open an assessment"), bool(outside)),
        ("staff.contact", gettext("Contact details"), True),
        ("staff.correct_randomisation", gettext("Correct randomisation"), member.facts.randomized_on is not None),
    ]
    wanted = [(endpoint, label) for endpoint, label, sensible in offers if sensible and may_open(endpoint)]
    for place, (endpoint, label) in enumerate(wanted):
        yield Action(label, url_for(endpoint, study_id=member.study_id), main=place == 0)


def _stopped(event: Event) -> Notice:
    on = day(event.effective_on)
    if event.type == "death":
        return Notice(gettext("Died on %(day)s.", day=on), gettext("Nobody is asked and nobody is reminded any more."))
    if event.type == "pro_stop":
        return Notice(
            gettext("No more questionnaires since %(day)s.", day=on),
            gettext("Still in the trial. Answers given before are kept."),
        )
    if event.type == "lost_to_follow_up":
        return Notice(gettext("Lost to follow-up since %(day)s.", day=on), gettext("Not on the worklist for calls."))
    use = DATA_USE.get(str(event.payload.get("data_use")))
    return Notice(gettext("Left the trial on %(day)s.", day=on), str(use) if use else "")


def _corrected(member: Member, names: Mapping[int, str], on: Background) -> Iterator[Notice]:
    """The date or arm that was in force before, who put it right, and why."""
    current = next((event for event in member.events if event.type == "randomized"), None)
    before = [event for event in member.superseded if event.type == "randomized"]
    if current is None or not before:
        return
    who = names.get(current.recorded_by_id or 0, gettext("staff"))
    text = gettext(
        "The randomisation date was corrected from %(old)s to %(new)s.",
        old=day(before[-1].effective_on),
        new=day(current.effective_on),
    )
    old, new = before[-1].payload.get("arm"), current.payload.get("arm")
    if old != new:
        arms = {arm.code: str(in_language(arm.label)) for arm in on.study.arms}
        text = gettext("The arm was corrected from %(old)s to %(new)s.", old=arms.get(old, old), new=arms.get(new, new))
    more = gettext("%(when)s by %(who)s.", when=moment(current.recorded_at), who=who)
    yield Notice(text, f"{more} {current.reason}" if current.reason else more)
