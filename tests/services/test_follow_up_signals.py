"""What came from outside the clinic reaches the worklist, and leaves it when somebody has acted."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from proapp.db.models import Contact, ContactAttempt, DeliveryReceipt, Message, ParticipantEvent, PatientRequest
from proapp.services import follow_up
from proapp.study.model import Reminder
from tests.studies import with_steps

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
UME = frozenset({"UME"})
NOT_DUE_YET = date(2026, 8, 22)  # randomised on: three months later is 22 November, yesterday


@pytest.fixture
def anna(people: Any) -> int:
    person = people.participant("UME-001", randomized_on=NOT_DUE_YET)
    people.answered(person, "baseline", submitted_at=datetime(2026, 8, 1, 9, tzinfo=UTC), codes={})
    return int(person)


def work(runtime: Any, sites: frozenset[str] | None = UME, study: Any = None, **wanted: Any) -> follow_up.Work:
    with runtime.reading() as session:
        return follow_up.work(session, study=study or runtime.study, sites=sites, now=runtime.clock(), **wanted)


def reasons(runtime: Any, **more: Any) -> list[str]:
    return [row.item.reason for row in work(runtime, **more).rows]


def rung(runtime: Any, person: int, at: datetime = NOW, **values: Any) -> None:
    row = {"participant_id": person, "method": "phone", "outcome": "no_answer", "at": at, **values}
    with runtime.writing.begin() as session:
        session.execute(insert(ContactAttempt), row)


def contact(runtime: Any, person: int, **values: Any) -> None:
    with runtime.writing.begin() as session:
        session.execute(update(Contact).where(Contact.participant_id == person).values(**values))


def requested(runtime: Any, person: int, at: datetime = NOW, type_: str = "call_me") -> None:
    with runtime.writing.begin() as session:
        row = {"participant_id": person, "type": type_, "payload": {}, "recorded_at": at}
        session.execute(insert(PatientRequest), row)


def message(runtime: Any, people: Any, person: int, **values: Any) -> None:
    row = {
        "key": f"test:{values['state']}", "kind": "reminder", "participant_id": person, "step": "opens+0", "channel": "sms",
        "assessment_id": people.assessment_id(person, "m03"), "due_at": NOW - HOUR, "queued_at": NOW - HOUR,
        "next_try_at": NOW - HOUR, "attempts": 1, **values,
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(Message), row)


def test_nothing_came(runtime: Any, anna: int) -> None:
    assert reasons(runtime) == []


def test_a_number_that_cannot_be_reached_is_a_row_within_the_hour(runtime: Any, anna: int) -> None:
    contact(runtime, anna, undeliverable_at=NOW - timedelta(minutes=5), undeliverable_reason="recipient_refused")
    assert reasons(runtime) == ["undeliverable"]
    assert work(runtime, sites=frozenset({"LUN"})).rows == ()
    contact(runtime, anna, undeliverable_at=None, updated_at=NOW)
    assert reasons(runtime) == []


def test_a_wrong_number_is_a_row_until_the_contact_details_are_changed(runtime: Any, anna: int) -> None:
    contact(runtime, anna, updated_at=NOW - timedelta(days=9))
    rung(runtime, anna, outcome="wrong_number", at=NOW - timedelta(days=2))
    assert reasons(runtime) == ["wrong_number"]
    contact(runtime, anna, updated_at=NOW - HOUR)
    assert reasons(runtime) == []


def test_nobody_to_reach_is_a_row(runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=NOT_DUE_YET, channel=None)
    people.answered(person, "baseline", submitted_at=datetime(2026, 8, 1, 9, tzinfo=UTC), codes={})
    assert reasons(runtime) == ["no_channel"]


def test_a_call_that_was_asked_for_stays_until_somebody_was_in_touch(runtime: Any, anna: int) -> None:
    requested(runtime, anna, at=NOW - HOUR, type_="remind_later")
    assert reasons(runtime) == []
    requested(runtime, anna, at=NOW - HOUR)
    found = work(runtime)
    assert ([row.item.reason for row in found.rows], found.wishes) == (["asked_to_call"], 1)
    assert reasons(runtime, wanted="wishes") == ["asked_to_call"]
    rung(runtime, anna, at=NOW - 2 * HOUR)
    assert reasons(runtime) == ["asked_to_call"]
    rung(runtime, anna, method="none", outcome="postponed")
    assert reasons(runtime) == ["asked_to_call"]
    rung(runtime, anna)
    assert reasons(runtime) == []


@pytest.mark.parametrize(
    ("payload", "by", "expected"),
    [({"source": "patient"}, None, ["stop_to_confirm"]), ({}, "berit", []), ({}, None, [])],
)
def test_a_stop_said_on_the_phone_is_to_be_confirmed(
    runtime: Any, people: Any, anna: int, payload: Any, by: str | None, expected: list[str]
) -> None:
    row = {
        "participant_id": anna, "type": "pro_stop", "effective_on": date(2026, 11, 23), "payload": payload,
        "recorded_at": NOW - HOUR, "recorded_by_id": people.staff_id(by) if by else None,
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(ParticipantEvent), row)
    assert reasons(runtime) == expected
    rung(runtime, anna)
    assert reasons(runtime) == []


def test_a_pause_keeps_the_list_quiet_but_for_what_was_asked_for(runtime: Any, people: Any, anna: int) -> None:
    contact(runtime, anna, undeliverable_at=NOW - HOUR)
    people.event(anna, "contact_pause", date(2026, 11, 20), until="2026-11-23")
    assert reasons(runtime) == []
    requested(runtime, anna, at=NOW)
    assert reasons(runtime) == ["asked_to_call"]
    people.event(anna, "death", date(2026, 11, 23))
    assert reasons(runtime) == []


def test_a_message_of_which_nobody_knows_is_to_be_looked_at(runtime: Any, people: Any, anna: int) -> None:
    message(runtime, people, anna, state="possibly_sent", settled_at=NOW - HOUR)
    assert reasons(runtime) == ["possibly_sent"]
    rung(runtime, anna, assessment_id=people.assessment_id(anna, "m03"), next_on=date(2026, 11, 30))
    assert reasons(runtime) == []


@pytest.mark.parametrize("why", ["too_late", "message_refused"])
def test_a_message_that_failed_is_a_row_with_its_reason(runtime: Any, people: Any, anna: int, why: str) -> None:
    message(runtime, people, anna, state="failed", state_reason=why, settled_at=NOW - HOUR)
    (row,) = work(runtime).rows
    assert (row.item.reason, row.item.params["why"], row.item.params["since"]) == ("message_failed", why, NOW.date())
    rung(runtime, anna, assessment_id=people.assessment_id(anna, "m03"), next_on=date(2026, 11, 30))
    assert reasons(runtime) == []


def test_a_later_message_that_went_ends_it(runtime: Any, people: Any, anna: int) -> None:
    message(runtime, people, anna, state="failed", state_reason="too_late", settled_at=NOW - HOUR)
    message(runtime, people, anna, state="sent", step="target+3", queued_at=NOW, handed_over_at=NOW)
    assert reasons(runtime) == []


def test_what_is_known_of_the_address_says_more(runtime: Any, people: Any, anna: int) -> None:
    message(runtime, people, anna, state="failed", state_reason="recipient_refused", settled_at=NOW - HOUR)
    contact(runtime, anna, undeliverable_at=NOW - HOUR, undeliverable_reason="recipient_refused")
    assert reasons(runtime) == ["undeliverable"]


@pytest.mark.parametrize(("attempts", "expected"), [(5, []), (6, ["message_failed"])])
def test_a_mailbox_that_takes_nothing_is_a_row_within_the_hour(
    runtime: Any, people: Any, anna: int, attempts: int, expected: list[str]
) -> None:
    """Six tries take half an hour; the message itself is tried on until it would come too late."""
    message(runtime, people, anna, state="queued", state_reason="recipient_later", attempts=attempts)
    assert reasons(runtime) == expected


@pytest.mark.parametrize(
    ("gateway", "reported", "hours", "expected"),
    [
        ("46elks", 20, 25, ["message_failed"]),
        ("46elks", 20, 23, []),
        ("46elks", 26, 25, []),  # nothing has been heard of any message since: it is the gateway
        ("smtp", 20, 25, []),  # never reports
    ],
)
def test_no_word_of_a_message_for_a_day_is_a_row_where_others_are_reported(
    runtime: Any, people: Any, anna: int, gateway: str, reported: int, hours: int, expected: list[str]
) -> None:
    message(runtime, people, anna, state="sent", gateway=gateway, handed_over_at=NOW - hours * HOUR)
    about = {"gateway": "46elks", "provider_ref": "another", "status": "delivered"}
    with runtime.writing.begin() as session:
        session.execute(insert(DeliveryReceipt), {**about, "received_at": NOW - reported * HOUR})
    found = work(runtime).rows
    assert [row.item.reason for row in found] == expected
    assert all(row.item.params["why"] == "no_report" for row in found)


def test_a_test_message_that_did_not_arrive_is_a_row_until_the_contact_changes(
    runtime: Any, people: Any, anna: int
) -> None:
    contact(runtime, anna, updated_at=NOW - 2 * HOUR)
    message(
        runtime, people, anna, state="failed", kind="test", assessment_id=None, step=None, settled_at=NOW - HOUR,
        state_reason="message_refused",
    )  # fmt: skip
    assert reasons(runtime) == ["message_failed"]
    contact(runtime, anna, verified_at=NOW)
    assert reasons(runtime) == []
    contact(runtime, anna, verified_at=None, updated_at=NOW)
    assert reasons(runtime) == []


def test_a_letter_is_a_row_while_it_is_of_use(runtime: Any, people: Any, anna: int) -> None:
    message(runtime, people, anna, state="queued", channel="letter", not_after=NOW + HOUR)
    assert reasons(runtime) == ["letter_due"]
    with runtime.writing.begin() as session:
        session.execute(update(Message).values(not_after=NOW))
    assert reasons(runtime) == []


def test_a_step_for_the_nurse_is_a_row_from_its_day_until_she_has_rung(runtime: Any, people: Any, anna: int) -> None:
    day_after = with_steps(runtime.study, "m03", [Reminder(relative_to="target", days=1, channel="task")])
    later = with_steps(runtime.study, "m03", [Reminder(relative_to="target", days=2, channel="task")])
    assert reasons(runtime, study=later) == []
    assert reasons(runtime, study=day_after) == ["task_due"]
    rung(runtime, anna, assessment_id=people.assessment_id(anna, "m03"))
    assert reasons(runtime, study=day_after) == []
