"""An export asks the database the same number of questions for twenty participants and for two thousand."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import insert

from proapp.db.models import Answer, Assessment, Participant, ParticipantEvent, ResponseSet
from tests.export.trial import CONSENT, RANDOMIZED, at


def crowd(runtime: Any, first: int, count: int) -> None:
    """Randomised participants, one in ten with an answered baseline, inserted in bulk."""
    numbers = range(first, first + count)
    some = [n for n in numbers if n % 10 == 0]  # enough to stream; every answer costs time and no statement
    packs = {code: {} for code in runtime.study.instruments}
    with runtime.writing.begin() as session:
        session.execute(
            insert(Participant),
            [
                {"id": n, "study_id": f"UME-{n:05d}", "site_code": "UME", "language": "sv", "enrolled_at": at(CONSENT)}
                for n in numbers
            ],
        )
        events = [
            {"participant_id": n, "type": type_, "effective_on": day, "payload": payload, "recorded_at": at(CONSENT)}
            for n in numbers
            for type_, day, payload in (
                ("pro_consent", CONSENT, {}),
                ("randomized", RANDOMIZED, {"arm": ("SURG", "ONC")[n % 2]}),
            )
        ]
        session.execute(insert(ParticipantEvent), events)
        dates = dict.fromkeys(("anchor_on", "target_on", "opens_on"), CONSENT)
        plan = {"timepoint": "baseline", "occurrence": 1, "protocol_version": "1", **dates, "closes_on": RANDOMIZED}
        session.execute(
            insert(Assessment),
            [
                {"id": n, "participant_id": n, **plan, "late_until": RANDOMIZED, "planned_at": at(CONSENT)}
                for n in numbers
            ],
        )
        sent = {"mode": "self_remote", "respondent": "self", "protocol_version": "1", "packs": packs, "valid": True}
        times = {"started_at": at(CONSENT), "submitted_at": at(CONSENT, 9), "completed_on": CONSENT}
        session.execute(
            insert(ResponseSet),
            [{"id": n, "assessment_id": n, **sent, **times, "receipt": f"r{n}", "answered_items": 3} for n in some],
        )
        given = {"instrument": "c30", "kind": "answered", "code": 2, "language": "sv", "actor": "patient"}
        answers = [
            {"response_set_id": n, "item": item, **given, "recorded_at": at(CONSENT)}
            for n in some
            for item in (1, 2, 3)
        ]
        session.execute(insert(Answer), answers)


def test_the_number_of_statements_is_the_same_for_20_and_for_2000(runtime, export, statements):
    counts = []
    for first, count in ((1, 20), (21, 1980)):
        crowd(runtime, first, count)
        statements.clear()
        made = export(date(2026, 11, 22))
        counts.append(len(statements))
    assert len(made.table("participants")) == 2000
    assert counts[0] == counts[1] <= 12
