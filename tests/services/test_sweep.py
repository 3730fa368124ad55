"""The sweep submits what was begun and left, once it can no longer be answered: exactly once, however it is run."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select

from proapp.db.models import Answer, AssessmentEvent, AuditEvent, Installation, ResponseSet
from proapp.services import health
from proapp.services.audit import Actor
from proapp.services.audit_review import faults
from proapp.services.sweep import Report, last_run, sweep
from proapp.study.schedule import window
from tests.crowd import crowd
from tests.people import People

RANDOMIZED = date(2026, 1, 15)
LEFT = datetime(2026, 5, 20, 18, 30, tzinfo=UTC)  # in the window of m03
CORE = {"c30": {number: 2 for number in range(1, 31)}}


@pytest.fixture
def people(runtime: Any) -> People:
    return People(runtime, None, lambda *_: None)


@pytest.fixture
def end(runtime: Any) -> datetime:
    """The moment at which the sitting's grace after the window of m03 is over."""
    last = window(runtime.study.timepoint("m03"), RANDOMIZED).late_until
    midnight = datetime.combine(last + timedelta(days=1), datetime.min.time(), tzinfo=runtime.study.zone())
    return (midnight + timedelta(hours=runtime.study.sitting_grace_hours)).astimezone(UTC)


def begun(people: People, study_id: str = "UME-001", codes: Any = None) -> tuple[int, int]:
    """(participant, response set) of somebody who began m03 and left."""
    person = people.participant(study_id, randomized_on=RANDOMIZED, activated=False)
    return person, people.answered(person, "m03", codes=CORE if codes is None else codes, started_at=LEFT)


def swept(runtime: Any, now: datetime, **options: Any) -> Report:
    with runtime.writing.begin() as session:
        return sweep(
            session,
            study=runtime.study,
            instruments=runtime.instruments,
            vault=runtime.vault,
            now=now,
            **options,
        )


def stored(runtime: Any, set_id: int) -> ResponseSet:
    with runtime.reading() as session:
        return session.get_one(ResponseSet, set_id)


def test_what_was_left_is_submitted_flagged_and_dated_by_its_last_answer(runtime: Any, people: People, end: datetime):
    _, set_id = begun(people)
    report = swept(runtime, end)
    row = stored(runtime, set_id)
    assert [(one.response_set_id, one.study_id, one.timepoint) for one in report.submitted] == [
        (set_id, "UME-001", "m03")
    ]
    assert (row.auto_submitted, row.submitted_at, row.completed_on) == (True, end, date(2026, 5, 20))
    assert (row.answered_items, row.valid) == (30, True)
    assert row.receipt


def test_nothing_is_taken_from_under_a_patients_hands(runtime: Any, people: People, end: datetime):
    _, set_id = begun(people)
    assert swept(runtime, end - timedelta(seconds=1)).submitted == ()
    assert stored(runtime, set_id).submitted_at is None
    assert len(swept(runtime, end).submitted) == 1


def test_a_second_sweep_changes_nothing(runtime: Any, people: People, end: datetime):
    _, set_id = begun(people)
    swept(runtime, end)
    before = stored(runtime, set_id)
    assert swept(runtime, end + timedelta(minutes=1)).submitted == ()
    after = stored(runtime, set_id)
    assert (after.submitted_at, after.receipt) == (before.submitted_at, before.receipt)


def test_three_days_late_gives_the_same_rows_with_the_true_dates(runtime: Any, people: People, end: datetime):
    _, first = begun(people)
    swept(runtime, end)
    _, second = begun(people, "UME-002")
    swept(runtime, end + timedelta(days=3))
    facts = [
        (row.auto_submitted, row.completed_on, row.answered_items, row.valid)
        for row in (stored(runtime, first), stored(runtime, second))
    ]
    assert facts[0] == facts[1]


def test_decided_as_of_a_moment_past_but_written_now(runtime: Any, people: People, end: datetime):
    _, set_id = begun(people)
    now = end + timedelta(days=9)
    assert swept(runtime, now, as_of=end - timedelta(seconds=1)).submitted == ()
    assert len(swept(runtime, now, as_of=end).submitted) == 1
    assert stored(runtime, set_id).submitted_at == now


def test_every_submission_has_its_event_by_the_worker_and_the_chain_holds(runtime: Any, people: People, end: datetime):
    person, _ = begun(people)
    swept(runtime, end)
    with runtime.reading() as session:
        (row,) = session.scalars(select(AuditEvent).where(AuditEvent.chain == f"p{person}"))
        assert (row.action, row.actor_role, row.site_code) == ("response_set.submitted", "worker", "UME")
        assert not [fault for fault in faults(session) if "follows" in fault.sentence or "changed" in fault.sentence]


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(runtime: Any, people: People, end: datetime):
    _, set_id = begun(people)
    assert len(swept(runtime, end, dry_run=True).submitted) == 1
    assert stored(runtime, set_id).submitted_at is None
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0
        assert last_run(session) is None


def test_a_poisoned_row_stops_none_of_the_others(runtime: Any, people: People, end: datetime):
    _, first = begun(people)
    _, poisoned = begun(people, "UME-002", codes={"c30": {1: 9, 2: 1}})  # no such answer: scoring refuses it
    _, last = begun(people, "UME-003")
    report = swept(runtime, end)
    assert {one.response_set_id for one in report.submitted} == {first, last}
    assert [(one.response_set_id, one.error) for one in report.failed] == [(poisoned, "InvalidAnswer")]
    assert stored(runtime, poisoned).submitted_at is None


def test_a_long_backlog_goes_in_portions(runtime: Any, people: People, end: datetime):
    sets = [begun(people, f"UME-{number:03}")[1] for number in range(1, 6)]
    seen, after = [], 0
    while after is not None:
        report = swept(runtime, end, after=after, portion=2)
        seen.append([one.response_set_id for one in report.submitted])
        after = report.after
    assert seen == [sets[:2], sets[2:4], sets[4:]]


def test_a_poisoned_portion_does_not_hide_the_next(runtime: Any, people: People, end: datetime):
    for number in (1, 2):
        begun(people, f"UME-{number:03}", codes={"c30": {1: 9}})
    _, good = begun(people, "UME-003")
    first = swept(runtime, end, portion=2)
    assert len(first.failed) == 2
    second = swept(runtime, end, portion=2, after=first.after)
    assert [one.response_set_id for one in second.submitted] == [good]


@pytest.mark.parametrize("kind", ["skipped", "cleared"])
def test_without_an_answer_nothing_is_submitted(runtime: Any, people: People, end: datetime, kind: str):
    _, set_id = begun(people, codes={})
    with runtime.writing.begin() as session:
        values = {"instrument": "c30", "item": 1, "kind": kind, "language": "sv", "recorded_at": LEFT}
        session.execute(insert(Answer).values(response_set_id=set_id, actor="patient", **values))
    assert swept(runtime, end + timedelta(days=30)) == Report()


def test_what_was_declined_stays_declined(runtime: Any, people: People, end: datetime):
    person, set_id = begun(people)
    _decide(runtime, people.assessment_id(person, "m03"), "declined")
    assert swept(runtime, end).submitted == ()
    _decide(runtime, people.assessment_id(person, "m03"), "decline_undone")
    assert [one.response_set_id for one in swept(runtime, end).submitted] == [set_id]


def test_answers_on_paper_are_not_joined_by_a_half_filled_phone(runtime: Any, people: People, end: datetime):
    person, set_id = begun(people)
    people.answered(person, "m03", mode="paper", submitted_at=LEFT + timedelta(days=3), completed_on=date(2026, 5, 22))
    assert swept(runtime, end).submitted == ()
    assert stored(runtime, set_id).submitted_at is None


def test_what_somebody_answered_before_a_death_is_not_thrown_away(runtime: Any, people: People):
    person, set_id = begun(people)
    died = LEFT.date() + timedelta(days=2)
    people.event(person, "death", died)
    noon_after = datetime.combine(died + timedelta(days=1), datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)
    assert swept(runtime, noon_after - timedelta(days=1)).submitted == ()
    assert [one.response_set_id for one in swept(runtime, noon_after).submitted] == [set_id]


def test_the_last_sweep_is_noted_and_does_not_go_back(runtime: Any, end: datetime):
    with runtime.reading() as session:
        assert last_run(session) is None
    swept(runtime, end)
    swept(runtime, end - timedelta(minutes=1))
    with runtime.reading() as session:
        assert last_run(session) == end == health.last_tick(session)
        assert session.scalar(select(func.count()).select_from(Installation)) == 1


def test_a_note_of_a_clock_that_was_ahead_is_put_right(runtime: Any, end: datetime):
    swept(runtime, end + timedelta(hours=5))
    swept(runtime, end)
    with runtime.reading() as session:
        assert last_run(session) == end


def test_the_number_of_statements_does_not_grow_with_the_participants(runtime: Any, people: People, end: datetime):
    """Everybody has begun and may still go on: there is nothing to do, and finding that out costs the same."""
    before = end - timedelta(hours=1)
    swept(runtime, before)  # the very first one has a row more to write
    for number in range(1, 4):
        begun(people, f"UME-{number:03}")
    few = _statements(runtime, before)
    for number in range(4, 60):
        begun(people, f"UME-{number:03}")
    assert _statements(runtime, before) == few <= 6


def test_a_round_takes_as_many_statements_among_two_thousand_as_among_twenty(
    runtime: Any, people: People, end: datetime
):
    """One that is still open and one to be submitted, both times."""
    swept(runtime, end - timedelta(hours=1))
    counts = []
    for number, others in ((1, range(1001, 1021)), (2, range(2001, 3981))):
        crowd(runtime, others)
        begun(people, f"UME-{number:03}")
        counts.append((_statements(runtime, end - timedelta(minutes=30)), _statements(runtime, end)))
    assert counts[0] == counts[1]
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).where(ResponseSet.auto_submitted)) == 2


def test_each_row_acted_on_costs_the_same(runtime: Any, people: People, end: datetime):
    begun(people, "UME-001")
    one = _statements(runtime, end)
    for number in range(2, 7):
        begun(people, f"UME-{number:03}")
    five = _statements(runtime, end + timedelta(minutes=1))
    idle = _statements(runtime, end + timedelta(minutes=2))
    assert five - one <= 4 * 8
    assert idle <= 4


def _statements(runtime: Any, now: datetime) -> int:
    sent: list[str] = []
    count = lambda _c, _k, statement, *_: sent.append(statement)  # noqa: E731 - the listener has to be removed again
    event.listen(runtime.engine, "before_cursor_execute", count)
    try:
        swept(runtime, now)
    finally:
        event.remove(runtime.engine, "before_cursor_execute", count)
    control = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return sum(not statement.startswith(control) for statement in sent)


def _decide(runtime: Any, assessment_id: int, type_: str) -> None:
    with runtime.writing.begin() as session:
        session.add(AssessmentEvent(assessment_id=assessment_id, type=type_, payload={}, recorded_at=LEFT))


def test_a_person_may_run_it_by_hand_and_is_named(runtime: Any, people: People, end: datetime):
    begun(people)
    swept(runtime, end, actor=Actor("system", None, "command_line"))
    with runtime.reading() as session:
        assert session.scalars(select(AuditEvent.actor_role)).all() == ["command_line"]
