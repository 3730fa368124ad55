"""Many participants at once, written in bulk: for tests that count statements."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from proapp.db.models import (
    Assessment,
    Contact,
    ContactAttempt,
    MissedReason,
    Participant,
    ParticipantEvent,
    ResponseSet,
)
from proapp.study.schedule import Anchors, plan

CONSENT_ON, RANDOMIZED_ON = date(2026, 5, 1), date(2026, 5, 12)
DATES = ("anchor_on", "target_on", "opens_on", "closes_on", "late_until")


def crowd(runtime: Any, numbers: Iterable[int]) -> None:
    """Participants UME-0001…: the baseline answered, three months missed (every other with a reason), six months due
    and tried once, the rest to come."""
    study, now, numbers = runtime.study, runtime.clock(), list(numbers)
    planned = plan(study, Anchors(consent_on=CONSENT_ON, randomized_on=RANDOMIZED_ON, arm=study.arms[0].code))
    tables: list[tuple[Any, list[dict[str, Any]]]] = [
        (Participant, [_participant(number, now) for number in numbers]),
        (ParticipantEvent, [event for number in numbers for event in _events(number, study.arms[0].code, now)]),
        (Assessment, [_assessment(n, place, one, study, now) for n in numbers for place, one in enumerate(planned)]),
        (ResponseSet, [_responses(number, study, now) for number in numbers]),
        (MissedReason, [_reason(number, now) for number in numbers if number % 2]),
        (ContactAttempt, [_attempt(number, now) for number in numbers]),
    ]
    with runtime.writing.begin() as session:
        for table, rows in tables:
            if rows:
                session.execute(insert(table), rows)


def reachable_crowd(runtime: Any, number: int, first: int = 1) -> None:
    """A crowd with telephones, of whom nothing is due at the moment of the tests."""
    crowd(runtime, range(first, first + number))
    contacts = [
        {
            "participant_id": one,
            "sealed": runtime.vault.seal({"mobile": "+46701740605", "email": None}, bound_to=f"contact:{one}"),
            "channel": "sms",
            "updated_at": runtime.clock() - timedelta(days=300),
        }
        for one in range(first, first + number)
    ]
    with runtime.writing.begin() as session:
        session.execute(insert(Contact), contacts)


def _id(number: int, place: int) -> int:
    return number * 100 + place


def _participant(number: int, now: datetime) -> dict[str, Any]:
    return {"id": number, "study_id": f"UME-{number:04d}", "site_code": "UME", "language": "sv", "enrolled_at": now}


def _events(number: int, arm: str, now: datetime) -> list[dict[str, Any]]:
    return [
        {"participant_id": number, "type": type_, "effective_on": on, "payload": payload, "recorded_at": now}
        for type_, on, payload in (("pro_consent", CONSENT_ON, {}), ("randomized", RANDOMIZED_ON, {"arm": arm}))
    ]


def _assessment(number: int, place: int, planned: Any, study: Any, now: datetime) -> dict[str, Any]:
    return {
        "id": _id(number, place),
        "participant_id": number,
        "timepoint": planned.timepoint,
        "occurrence": planned.occurrence,
        "protocol_version": study.number,
        "planned_at": now,
        **{name: getattr(planned, name) for name in DATES},
    }


def _responses(number: int, study: Any, now: datetime) -> dict[str, Any]:
    return {
        "assessment_id": _id(number, 0),
        "mode": "self_remote",
        "respondent": "self",
        "protocol_version": study.number,
        "packs": {},
        "started_at": now,
        "submitted_at": now,
        "completed_on": CONSENT_ON,
        "receipt": f"R{number}",
        "answered_items": 74,
        "valid": True,
    }


def _reason(number: int, now: datetime) -> dict[str, Any]:
    flags = {"health_related": "Y", "avoidable": "N"}
    return {"assessment_id": _id(number, 1), "code": "too_ill", **flags, "source": "staff", "recorded_at": now}


def _attempt(number: int, now: datetime) -> dict[str, Any]:
    return {
        "participant_id": number, "assessment_id": _id(number, 2), "method": "phone", "outcome": "no_answer", "at": now,
    }  # fmt: skip
