"""Material of the follow-up tests: a study with any policy, and a participant of whom anything can be known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from proapp.study.follow_up import Decision, Reach, Sent, Subject, decide
from proapp.study.model import FollowUp, Reminder, Study, TimePoint
from proapp.study.status import AssessmentFacts, ParticipantFacts

STOCKHOLM = ZoneInfo("Europe/Stockholm")
TARGET = date(2026, 9, 16)  # a Wednesday, far from holidays and changes of the clock
OPENS, CLOSES, LATE = TARGET - timedelta(days=14), TARGET + timedelta(days=28), TARGET + timedelta(days=42)
REACHED = Reach("sms", has_mobile=True)
RANDOMIZED = ParticipantFacts(consent_on=date(2026, 6, 1), randomized_on=date(2026, 6, 16), arm="SURG")


def step(relative_to: str, days: int, channel: str = "message", at: str | None = None) -> Reminder:
    said = {"relative_to": relative_to, "days": days, "channel": channel} | ({"at": at} if at else {})
    return Reminder.model_validate(said)


PLAN = (
    step("opens", 0),
    step("target", 3),
    step("target", 10, "task"),
    step("closes", -8, "digest"),
    step("closes", -7),
)


def policy(**said: object) -> FollowUp:
    return FollowUp.model_validate(said)


def study_with(study: Study, **said: object) -> Study:
    """`study` with that policy."""
    return study.model_copy(update={"follow_up": policy(**said)})


def planned(study: Study, *reminders: Reminder, code: str = "m03") -> TimePoint:
    return study.timepoint(code).model_copy(update={"reminders": reminders or PLAN})


def facts(target: date | None = TARGET, **said: object) -> AssessmentFacts:
    """The window of m03 of BreCLIM-2 round `target`."""
    days = (-14, 0, 28, 42)
    opens, on, closes, late = (target and target + timedelta(days=number) for number in days)
    window = AssessmentFacts("m03", "scheduled", on, opens, closes, late)
    return window._replace(**said)


def subject(
    assessment: AssessmentFacts | None = None,
    person: ParticipantFacts = RANDOMIZED,
    reach: Reach = REACHED,
    **said: object,
) -> Subject:
    return Subject(assessment or facts(), person, reach, **said)


def at(text: str, zone: ZoneInfo = STOCKHOLM) -> datetime:
    """An instant by the clock on the wall."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def on(day: date, clock: str = "12:00", zone: ZoneInfo = STOCKHOLM) -> datetime:
    return at(f"{day}T{clock}", zone)


def decided(study: Study, known: Subject, now: datetime, *reminders: Reminder, **said: object) -> dict[str, Decision]:
    """By step and, where a step is taken twice, channel."""
    found = decide(study, planned(study, *reminders), known, now=now, zone=STOCKHOLM, **said)
    keys = [decision.step for decision in found]
    return {d.step if keys.count(d.step) == 1 else f"{d.step} {d.channel}": d for d in found}


def told(decision: Decision) -> str:
    return f"{decision.verdict} {decision.reason}"


def row(key: str, when: datetime, state: str = "sent", channel: str = "sms") -> Sent:
    return Sent(key, channel, state, when)
