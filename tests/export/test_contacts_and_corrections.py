"""What was tried to reach somebody, and what was recorded and then replaced."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import Answer, ContactAttempt, Message, ParticipantEvent, ResponseSet
from proapp.services import audit
from proapp.services.audit import WORKER, Actor, Entry
from tests.export.trial import CUT_OFF, RANDOMIZED, Trial, at

BERIT = Actor("staff", None, "nurse")
CALLED = date(2026, 9, 3)


def call(trial: Trial, study_id: str, timepoint: str | None, day: date, outcome: str, **said: Any) -> None:
    """An attempt as the contact log writes it."""
    member = trial.id_of(study_id)
    assessment_id = trial.assessment(member, timepoint) if timepoint else None
    row = ContactAttempt(
        participant_id=member, assessment_id=assessment_id, method="phone", outcome=outcome, at=at(day), **said
    )
    with trial.runtime.writing.begin() as session:
        session.add(row)
        session.flush()
        told(session, "contact.logged", "contact_attempt", row.id, BERIT, day, member)


def told(session: Any, action: str, entity: str, id_: int, actor: Actor, day: date, member: int) -> None:
    audit.record(session, Entry(action, entity, id_, {}), actor=actor, now=at(day), participant_id=member)


def reminder(trial: Trial, study_id: str, timepoint: str, days: list[date], kind: str = "reminder") -> None:
    """A message that went out on each of the days: sent again, the row forgets the first time."""
    member = trial.id_of(study_id)
    row = Message(
        key=f"{kind}:{study_id}:{timepoint}:{days[0]}", kind=kind, participant_id=member,
        assessment_id=trial.assessment(member, timepoint), channel="sms", due_at=at(days[0]), queued_at=at(days[0]),
        state="sent", next_try_at=at(days[0]), handed_over_at=at(days[-1]),
    )  # fmt: skip
    with trial.runtime.writing.begin() as session:
        session.add(row)
        session.flush()
        for day in days:
            told(session, "message.sent", "message", row.id, WORKER, day, member)


def test_every_attempt_is_a_row_with_role_and_outcome_and_without_its_note(trial, export):
    call(trial, "UME-002", "m06", CALLED, "no_answer", note="CANARY", next_on=date(2026, 9, 7))
    call(trial, "UME-002", None, CALLED + timedelta(days=1), "left_message")
    call(trial, "UME-002", "m06", CUT_OFF + timedelta(days=1), "no_answer")  # after the cut-off
    made = export(as_of=at(CUT_OFF + timedelta(days=3)))
    one, two = made.table("contacts")
    assert list(one.values()) == [
        "UME-002", "UME", "ONC", "1", "m06", "1", "2026-09-03T08:00:00Z", "nurse", "phone", "no_answer", "2026-09-07",
    ]  # fmt: skip
    assert [two[name] for name in ("contact_no", "timepoint", "outcome", "next_on")] == ["2", "", "left_message", ""]
    assert b"CANARY" not in made.content
    rows = made.by("assessments", "study_id", "timepoint", "instrument")
    assert (rows["UME-002", "m06", "c30"]["n_contacts"], rows["UME-002", "m03", "c30"]["n_contacts"]) == ("1", "0")


def test_reminders_are_counted_by_what_went_out_up_to_the_cut_off(trial, export):
    days = [date(2026, 8, 5), date(2026, 8, 12)]
    reminder(trial, "UME-002", "m06", days)
    reminder(trial, "UME-002", "m06", [date(2026, 8, 20)], kind="remind_later")
    reminder(trial, "UME-002", "m06", [date(2026, 8, 25)], kind="escalation")  # goes to staff
    reminder(trial, "UME-003", "m12", [CUT_OFF + timedelta(days=1)])
    rows = export(as_of=at(CUT_OFF + timedelta(days=3))).by("assessments", "study_id", "timepoint", "instrument")
    names = ("n_reminders", "first_reminder_at", "last_reminder_at")
    assert [rows["UME-002", "m06", "c30"][name] for name in names] == [
        "3", "2026-08-05T08:00:00Z", "2026-08-20T08:00:00Z",
    ]  # fmt: skip
    assert [rows["UME-003", "m12", "c30"][name] for name in names] == ["0", "", ""]


def test_answers_given_anew_are_rows_with_both_values(golden):
    made = golden()
    rows = [row for row in made.table("corrections") if row["kind"] == "answer"]
    assert {(row["study_id"], row["timepoint"]) for row in rows} == {("UME-001", "m03")}
    found = {row["item"]: row for row in rows}
    assert sorted(found) == ["c30_q02", "c30_q08"]
    cleared, changed = found["c30_q08"], found["c30_q02"]
    names = ("old_value", "old_status", "new_value", "new_status", "role", "correction_reason")
    assert [cleared[name] for name in names] == ["4", "answered", "", "cleared", "patient", "before_sending"]
    assert changed["old_value"] != changed["new_value"]
    items = made.by("items_long", "study_id", "timepoint", "occurrence", "item")
    assert changed["new_value"] == items["UME-001", "m03", "1", "c30_q02"]["value"]
    counted = made.by("assessments", "study_id", "timepoint", "instrument")
    assert counted["UME-001", "m03", "c30"]["n_corrections"] == "2"
    assert counted["UME-001", "m03", "br23"]["n_corrections"] == "0"
    assert counted["UME-001", "m06", "c30"]["n_corrections"] == ""


def test_an_answer_changed_after_sending_says_so_and_three_values_are_two_changes(trial, export, runtime):
    later = date(2026, 5, 6)
    with runtime.writing.begin() as session:
        assessment_id = trial.assessment(trial.id_of("UME-001"), "m03")
        set_id = session.scalar(select(ResponseSet.id).where(ResponseSet.assessment_id == assessment_id))
        values = {"kind": "answered", "code": 3, "language": "sv", "actor": "staff:1", "recorded_at": at(later)}
        session.execute(insert(Answer).values(response_set_id=set_id, instrument="c30", item=2, **values))
    rows = [row for row in export().table("corrections") if row["item"] == "c30_q02"]
    assert [row["correction_reason"] for row in rows] == ["before_sending", "after_sending"]
    assert rows[0]["new_value"] == rows[1]["old_value"]
    assert (rows[1]["new_value"], rows[1]["role"], rows[1]["changed_at"]) == ("3", "staff", "2026-05-06T08:00:00Z")


def test_events_put_right_and_taken_back_are_rows_once_it_is_known(trial, export, runtime):
    member, day = trial.id_of("UME-003"), date(2026, 11, 20)
    trial.event(member, "off_treatment", date(2026, 9, 1))
    with runtime.writing.begin() as session:
        wrong = {
            event.type: event for event in session.scalars(select(ParticipantEvent).filter_by(participant_id=member))
        }
        values = {"participant_id": member, "recorded_at": at(day), "reason": "CANARY"}
        right = ParticipantEvent(
            type="randomized", effective_on=date(2026, 2, 6), payload={"arm": "ONC"},
            supersedes_id=wrong["randomized"].id, **values,
        )  # fmt: skip
        gone = ParticipantEvent(
            type="revoked", effective_on=date(2026, 9, 1), payload={}, supersedes_id=wrong["off_treatment"].id, **values
        )
        session.add_all([right, gone])
        session.flush()
        told(session, "event.recorded", "participant_event", right.id, Actor("staff", None, "coordinator"), day, member)
    assert not [row for row in export(day - timedelta(days=1)).table("corrections") if row["kind"] == "event"]
    made = export()
    one, two = [row for row in made.table("corrections") if row["kind"] == "event"]
    names = ("event", "old_value", "old_arm_code", "new_value", "new_arm_code", "role", "correction_reason")
    assert [one[name] for name in names] == [
        "randomized", RANDOMIZED.isoformat(), "SURG", "2026-02-06", "ONC", "coordinator", "put_right",
    ]  # fmt: skip
    assert [two[name] for name in names] == ["off_treatment", "2026-09-01", "", "", "", "", "taken_back"]
    assert (one["reason_given"], two["changed_at"]) == ("1", "2026-11-20T08:00:00Z")
    assert b"CANARY" not in made.content


@pytest.mark.parametrize("study_id", ["GOT-003"])
def test_answers_that_may_not_be_used_have_no_corrections_either(trial, export, runtime, study_id):
    assessment_id = trial.assessment(trial.id_of(study_id), "baseline")
    with runtime.writing.begin() as session:
        set_id = session.scalar(select(ResponseSet.id).where(ResponseSet.assessment_id == assessment_id))
        values = {
            "kind": "answered",
            "code": 3,
            "language": "sv",
            "actor": "patient",
            "recorded_at": at(date(2026, 2, 3)),
        }
        session.execute(insert(Answer).values(response_set_id=set_id, instrument="c30", item=2, **values))
    assert study_id not in {row["study_id"] for row in export().table("corrections")}
