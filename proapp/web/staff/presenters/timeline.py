"""The time line of one participant in words: every window, what came of it, and who did what about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flask import url_for
from flask_babel import format_date, gettext, ngettext

from proapp.clock import local_date
from proapp.services import clinic, extension, missing
from proapp.services.cohort import Attempt, Expected, Member
from proapp.services.explaining import Sent
from proapp.services.overview import Tablet
from proapp.study.status import days_left, is_closing, is_waiting, may_undo_decline
from proapp.web.context import day, moment
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import delivery, words
from proapp.web.staff.presenters.words import Background
from proapp.web.staff.presenters.work import Action, time_left
from proapp.web.transactions import now


@dataclass(frozen=True, slots=True)
class LogLine:
    """One attempt to reach the participant."""

    when: str
    iso: str
    about: str
    method: str
    outcome: str
    who: str
    note: str
    next_on: str


@dataclass(frozen=True, slots=True)
class Stop:
    """One assessment. `facts` are sentences about what came of it; `quiet` is one that nobody has to look at yet."""

    anchor: str
    label: str
    tone: str
    icon: str
    status: str
    window: str
    accent: str
    facts: tuple[str, ...]
    note: str
    attempts: tuple[LogLine, ...]
    messages: tuple[str, ...]
    actions: tuple[Action, ...]
    undo: str
    end_tablet: str
    quiet: bool


def stops(
    member: Member,
    names: Mapping[int, str],
    on: Background,
    sent: Sequence[Sent] = (),
    tablets: Mapping[int, Tablet] = MappingProxyType({}),
) -> list[Stop]:
    """Every assessment, with what became of the messages about it (`sent`, all to the participant), and whether the
    clinic's tablet is out with it."""
    return [
        _stop(one, names, on, [message for message in sent if message.assessment_id == one.id], tablets.get(one.id))
        for one in member.assessments
    ]


def log(member: Member, names: Mapping[int, str], on: Background) -> list[LogLine]:
    """Every attempt, the newest first."""
    labels = {one.id: on.name(one) for one in member.assessments}
    return [
        attempt_line(attempt, names, on, member, labels.get(attempt.assessment_id or 0, ""))
        for attempt in reversed(member.attempts)
    ]


def attempt_line(
    attempt: Attempt, names: Mapping[int, str], on: Background, member: Member, about: str = ""
) -> LogLine:
    local = local_date(attempt.at, on.study.zone(member.site_code))
    return LogLine(
        when=moment(attempt.at),
        iso=local.isoformat(),
        about=about,
        method="" if attempt.method == "none" else str(words.METHODS.get(attempt.method, attempt.method)),
        outcome=str(words.OUTCOMES.get(attempt.outcome, attempt.outcome)),
        who=names.get(attempt.recorded_by_id or 0, ""),
        note=attempt.note or "",
        next_on=format_date(attempt.next_on, "EEEE d MMMM y") if attempt.next_on else "",
    )


def window(one: Expected) -> str:
    """The window of an assessment, with the day it aims at."""
    facts = one.facts
    if facts.opens_on is None or facts.target_on is None:
        if facts.kind == "event":
            return gettext("Gets its date when what it follows from is recorded.")
        return gettext("No date until the participant is randomised.")
    if facts.kind == "baseline":
        if facts.closes_on is None:
            return gettext("Open from %(day)s until randomisation.", day=day(facts.opens_on))
        return gettext(
            "%(opens)s to %(closes)s, the day of randomisation.", opens=day(facts.opens_on), closes=day(facts.closes_on)
        )
    opens, closes = (format_date(one, "EEE d MMM y") for one in (facts.opens_on, facts.closes_on))
    if facts.kind == "unscheduled":
        text = gettext("%(opens)s to %(closes)s, opened outside the plan.", opens=opens, closes=closes)
    else:
        target = format_date(facts.target_on, "EEE d MMM y")
        text = gettext("%(opens)s to %(closes)s, aimed at %(target)s.", opens=opens, closes=closes, target=target)
    if facts.extension_until:
        return text + " " + gettext("Extended until %(day)s.", day=day(facts.extension_until))
    if facts.late_until and facts.late_until != facts.closes_on and one.state.collection != "SUBMITTED":
        late = day(facts.late_until)
        over = one.state.phase == "CLOSED"
        return f"{text} " + (
            gettext("A late answer was taken until %(day)s.", day=late)
            if over
            else gettext("A late answer is taken until %(day)s.", day=late)
        )
    return text


def reason_sentence(one: Expected, names: Mapping[int, str]) -> str:
    """The recorded reason with its flags and who recorded it; of a derived one its words only."""
    code = one.state.reason_code
    if code is None:
        return ""
    found = one.reason
    if found is None or found.code != code:
        return gettext("Reason: %(reason)s.", reason=words.reason(code))
    who = {"patient": gettext("the participant"), "system": gettext("the system")}.get(
        found.source, names.get(found.recorded_by_id or 0, "")
    )
    return gettext(
        "Reason: %(reason)s. Health-related: %(health)s. Avoidable: %(avoidable)s. Recorded %(when)s by %(who)s.",
        reason=words.reason(code),
        health=words.yes_no(found.health_related),
        avoidable=words.yes_no(found.avoidable),
        when=moment(found.recorded_at),
        who=who or gettext("staff"),
    )


def _stop(one: Expected, names: Mapping[int, str], on: Background, sent: Sequence[Sent], tablet: Tablet | None) -> Stop:
    mark = words.mark_of(one)
    status = str(mark.words)
    if one.state.shown == "completed" and one.state.timing:
        status = str(words.TIMINGS[one.state.timing])
    if one.state.not_expected_reason:
        why = str(words.NOT_EXPECTED.get(one.state.not_expected_reason, one.state.not_expected_reason))
        status = gettext("Not asked for: %(why)s", why=why)
    closing = is_closing(one.state, one.facts, today=on.today)
    left = days_left(one.facts, today=on.today) if is_waiting(one.state) else None
    about = [a for a in reversed(one.member.attempts) if a.assessment_id == one.id]
    return Stop(
        anchor=f"a{one.id}",
        label=on.name(one),
        tone=mark.tone,
        icon=mark.icon,
        status=status,
        window=window(one),
        accent=time_left(left) if closing else "",
        facts=(*_facts(one, names, on), *_where(tablet)),
        note=(one.reason.note if one.reason else None) or one.decline_reason or "",
        attempts=tuple(attempt_line(a, names, on, one.member) for a in about),
        messages=tuple(_message(message, one, on) for message in reversed(sent)),
        actions=tuple(_actions(one, on)) if one.member.periods is None else (),
        undo=_undo(one),
        end_tablet=url_for("staff.end_tablet", assessment_id=one.id) if tablet and may_open("staff.end_tablet") else "",
        quiet=one.state.shown in ("upcoming", "unscheduled", "not_expected"),
    )


def _message(message: Sent, one: Expected, on: Background) -> str:
    """SMS, 3 days after the target day: delivered, with the times."""
    way = str(words.METHODS.get(message.channel, message.channel))
    what = delivery.message_line(message, on.study.zone(one.member.site_code))
    return " · ".join(part for part in (way, delivery.step_words(message.step or ""), what) if part)


def _facts(one: Expected, names: Mapping[int, str], on: Background) -> Iterator[str]:
    for number, responses in enumerate(one.sets):
        mode = str(words.MODES.get(responses.mode, responses.mode))
        who = str(words.RESPONDENTS.get(responses.respondent, responses.respondent))
        counted = gettext(
            "%(answered)s of %(items)s answered", answered=responses.answered_items, items=on.item_count(one.timepoint)
        )
        if responses.submitted_at is None:
            last = moment(responses.last_answer_at or responses.started_at)
            yield gettext("%(counted)s so far, %(mode)s, last on %(when)s.", counted=counted, mode=mode, when=last)
            continue
        yield gettext(
            "%(counted)s on %(day)s, %(mode)s; %(who)s.",
            counted=counted,
            day=day(responses.completed_on),
            mode=mode,
            who=who,
        )
        if responses.receipt:
            yield gettext(
                "Received %(when)s, receipt %(receipt)s.",
                when=moment(responses.submitted_at),
                receipt=responses.receipt,
            )
        if responses.auto_submitted:
            yield gettext("Left unfinished by the participant; sent by the system when the time was up.")
        if responses.clock_trusted is False:
            yield gettext("It had been kept on a phone whose clock was wrong; the day it was received counts.")
        if responses.conflicts:
            yield ngettext(
                "%(num)s other answer came later from another phone. It is kept in the history and does not count.",
                "%(num)s other answers came later from another phone. They are kept in the history and do not count.",
                responses.conflicts,
            )
        if number > 0:
            yield gettext("Kept, but the first one counts.")
    if one.state.reason_code and one.state.collection != "SUBMITTED":
        yield reason_sentence(one, names)


def _where(tablet: Tablet | None) -> Iterator[str]:
    """By what way it is being answered at this moment, when that is not the participant's phone."""
    if tablet is not None:
        yield gettext(
            "On the clinic's tablet since %(when)s, handed over by %(who)s.", when=moment(tablet.since), who=tablet.by
        )


def _actions(one: Expected, on: Background) -> Iterator[Action]:
    if may_open("staff.hand_over") and clinic.can_be_filled_in(one, study=on.study, now=now()):
        yield Action(gettext("Fill in here"), url_for("staff.hand_over", assessment_id=one.id))
    if is_waiting(one.state) and may_open("staff.log_contact"):
        address = url_for("staff.log_contact", study_id=one.member.study_id, assessment=one.id)
        yield Action(gettext("Log a contact"), address)
        yield Action(gettext("Will not answer"), url_for("staff.reason", assessment_id=one.id))
    elif may_open("staff.reason") and missing.obstacle(one) is None:
        needed = one.state.shown == "missed_unexplained"
        label = gettext("Record the reason") if needed else gettext("Change the reason")
        yield Action(label, url_for("staff.reason", assessment_id=one.id), main=needed)
    yield from _windows(one, on)


def _windows(one: Expected, on: Background) -> Iterator[Action]:
    """More time from the target day on; and for one that staff opened, that it was a mistake."""
    reached = one.facts.target_on is not None and one.facts.target_on <= on.today
    if reached and may_open("staff.extend") and extension.obstacle(one, today=on.today, study=on.study) is None:
        yield Action(gettext("More time to answer"), url_for("staff.extend", assessment_id=one.id))
        if one.facts.extension_until is not None:
            yield Action(gettext("Take back the longer window"), url_for("staff.end_extension", assessment_id=one.id))
    opened = one.facts.kind == "unscheduled" and not one.sets and one.facts.cancelled_reason is None
    if opened and may_open("staff.take_back"):
        yield Action(gettext("Take back"), url_for("staff.take_back", assessment_id=one.id))


def _undo(one: Expected) -> str:
    """The address that takes back a refusal, while the window is open."""
    if one.member.periods is None and may_undo_decline(one.state) and may_open("staff.undo_decline"):
        return url_for("staff.undo_decline", assessment_id=one.id)
    return ""


def tried(attempts: int) -> str:
    """How often somebody was asked, for the page where the reason is recorded."""
    if not attempts:
        return gettext("Nobody was in touch about this assessment.")
    return ngettext("%(num)s contact about this assessment", "%(num)s contacts about this assessment", attempts)
