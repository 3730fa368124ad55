"""What a phone kept without network: taken in once, in its order, and never thrown away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import Answer, AnswerConflict, AuditEvent, ResponseSet
from proapp.services import answering, phone
from proapp.services.audit import Actor
from proapp.services.phone import Delivery, Entry, Outcome
from proapp.services.sitting import Step
from proapp.services.sitting_reading import find_sitting
from proapp.study.status import timing_class
from tests.people import faults

BEGUN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Bag:
    """A phone with answers in it, of one participant at one assessment."""

    def __init__(self, people: Any, runtime: Any, clock: Any, person: int, sign: str = "aaaaaaaa") -> None:
        self.runtime, self.clock, self.person, self.sign = runtime, clock, person, sign
        self.assessment = people.assessment_id(person, "m03")
        self.entries: list[Entry] = []
        self.known = 0
        self.fast_by = timedelta(0)  # how far the phone's clock is ahead
        self.offset_then: int | None = 0

    def does(self, kind: Any, step: tuple[str, int] | None = None, raw: str | None = None) -> Entry:
        at = self.clock() + self.fast_by
        place = Step(*step) if step else None
        entry = Entry(
            f"{self.sign}-{len(self.entries)}", kind, at, place, raw, "sv", self.offset_then, known=self.known
        )
        self.entries.append(entry)
        return entry

    def answers(self, instrument: str, item: int, code: int) -> Entry:
        return self.does("answered", (instrument, item), str(code))

    def brings(self, *entries: Entry) -> Outcome:
        """Everything, or only `entries`."""
        now = self.clock()
        brought = Delivery(entries or tuple(self.entries), self.sign, now + self.fast_by, self.known)
        with self.runtime.writing_engine.connect() as connection:
            sitting = self.sitting(connection, now)
            actor = Actor("patient", self.person, "patient")
            outcome = phone.take_in(connection, sitting, brought, vault=self.runtime.vault, now=now, actor=actor)
            connection.commit()
        self.known = outcome.known
        return outcome

    def sitting(self, connection: Any, now: datetime) -> Any:
        return find_sitting(
            connection,
            study=self.runtime.study,
            instruments=self.runtime.instruments,
            participant_id=self.person,
            assessment_id=self.assessment,
            now=now,
            lock=True,
        )

    def given(self) -> dict[tuple[str, int], int | None]:
        with self.runtime.engine.connect() as connection:
            sitting = find_sitting(
                connection,
                study=self.runtime.study,
                instruments=self.runtime.instruments,
                participant_id=self.person,
                assessment_id=self.assessment,
                now=self.clock(),
            )
        return {tuple(step): one.code for step, one in sitting.given.items()}


def rows(runtime: Any, table: Any) -> list[Any]:
    with runtime.reading() as session:
        return list(session.scalars(select(table).order_by(table.id)))


def no_faults(runtime: Any) -> None:
    with runtime.reading() as session:
        assert list(faults(session)) == []


@pytest.fixture
def make(people: Any, runtime: Any, clock: Any) -> Callable[..., Bag]:
    """make(sign) → a phone of UME-001, whose questionnaire was begun at BEGUN."""
    clock.set(BEGUN)
    person = people.participant("UME-001", randomized_on=date(2026, 8, 23))
    people.answered(person, "m03", codes={}, started_at=BEGUN)
    return lambda sign="aaaaaaaa": Bag(people, runtime, clock, person, sign)


def test_answers_are_taken_in_their_order_and_each_once(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    one.answers("c30", 1, 2)
    one.answers("c30", 1, 3)
    one.does("skipped", ("c30", 2))
    clock.forward(minutes=20)
    first = one.brings()
    clock.forward(minutes=1)
    again = one.brings()
    assert first.done == again.done == tuple(entry.client_id for entry in one.entries)
    assert [(row.item, row.kind, row.code) for row in rows(runtime, Answer)] == [
        (1, "answered", 2),
        (1, "answered", 3),
        (2, "skipped", None),
    ]
    row = rows(runtime, Answer)[0]
    assert (row.recorded_at, row.device_at, row.given_at) == (BEGUN + 20 * MINUTE, BEGUN, BEGUN)
    no_faults(runtime)


def test_a_phone_that_is_a_little_fast_is_believed_and_corrected(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    one.fast_by, one.offset_then = timedelta(minutes=3), 180
    clock.forward(minutes=5)
    one.answers("c30", 1, 2)
    clock.forward(minutes=5)
    one.brings()
    (row,) = rows(runtime, Answer)
    assert (row.device_at, row.device_offset_s) == (BEGUN + 8 * MINUTE, 180)
    assert row.given_at == BEGUN + 5 * MINUTE


@pytest.mark.parametrize(
    ("fast_by", "offset_then"), [(timedelta(days=3), 3 * 86400), (timedelta(0), -900), (timedelta(minutes=-6), None)]
)
def test_a_phone_with_a_wrong_or_a_moved_clock_is_not_believed(
    make: Any, runtime: Any, clock: Any, fast_by: timedelta, offset_then: int | None
) -> None:
    one = make()
    one.fast_by, one.offset_then = fast_by, offset_then
    clock.forward(minutes=30)
    one.answers("c30", 1, 2)
    clock.forward(minutes=5)
    one.brings()
    (row,) = rows(runtime, Answer)
    assert row.device_at == BEGUN + 30 * MINUTE + fast_by
    assert row.given_at is None


def test_the_newest_answer_counts_although_an_older_one_comes_later(make: Any, runtime: Any, clock: Any) -> None:
    one, other = make("aaaaaaaa"), make("bbbbbbbb")
    one.answers("c30", 1, 2)  # in a lift
    one.answers("c30", 2, 2)
    clock.forward(minutes=10)
    other.answers("c30", 1, 4)
    other.brings()
    clock.forward(minutes=10)
    outcome = one.brings()
    assert one.given() == {("c30", 1): 4, ("c30", 2): 2}
    assert [(row.item, row.code, row.overtaken) for row in rows(runtime, Answer)] == [
        (1, 4, False),
        (1, 2, True),
        (2, 2, False),
    ]
    assert [(tuple(found.step), found.given.code) for found in outcome.elsewhere] == [(("c30", 1), 4)]
    assert one.brings().elsewhere == ()  # told once
    no_faults(runtime)


def test_the_other_screen_is_told_what_was_answered_here(make: Any, clock: Any) -> None:
    one, other = make("aaaaaaaa"), make("bbbbbbbb")
    one.answers("c30", 1, 2)
    one.brings()
    clock.forward(minutes=1)
    other.answers("c30", 1, 3)
    other.brings()
    assert [(found.step.item, found.given.code) for found in one.brings().elsewhere] == [(1, 3)]
    assert one.given() == {("c30", 1): 3}


def test_what_was_answered_behind_a_gate_that_has_closed_is_kept(make: Any, runtime: Any) -> None:
    one = make()
    one.answers("br23", 34, 1)
    one.answers("br23", 35, 4)
    outcome = one.brings()
    assert outcome.refused == ()
    assert one.given() == {("br23", 34): 1, ("br23", 35): 4}


def test_what_is_no_answer_is_named_and_the_rest_is_saved(make: Any, runtime: Any) -> None:
    one = make()
    wrong = [one.answers("c30", 1, 9), one.answers("c30", 99, 1), one.answers("nothing", 1, 1)]
    one.answers("c30", 2, 3)
    outcome = one.brings()
    assert dict(outcome.refused) == {entry.client_id: "no_answer" for entry in wrong}
    assert one.given() == {("c30", 2): 3}


def test_nothing_is_begun_from_afar(people: Any, runtime: Any, clock: Any) -> None:
    clock.set(BEGUN)
    person = people.participant("UME-002", randomized_on=date(2026, 8, 23))
    one = Bag(people, runtime, clock, person)
    one.answers("c30", 1, 2)
    with pytest.raises(answering.Refused) as refused:
        one.brings()
    assert refused.value.code == "not_started"


# --- sending --------------------------------------------------------------------------------------------------------


def test_sent_in_time_and_received_days_after_the_close_is_in_time(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    for item in range(1, 31):
        one.answers("c30", item, 2)
    one.does("send")
    clock.set(datetime(2027, 2, 1, 9, tzinfo=UTC))  # the window and its grace are long over, and no worker ran
    outcome = one.brings()
    assert outcome.receipt is not None
    assert outcome.refused == ()
    (sent,) = rows(runtime, ResponseSet)
    assert sent.submitted_at == clock()
    assert sent.completed_on == BEGUN.date()
    assert (sent.device_at, sent.device_offset_s, sent.clock_trusted) == (BEGUN, 0, True)
    assert (sent.answered_items, sent.valid, sent.auto_submitted) == (30, True, False)
    with runtime.engine.connect() as connection:
        assert timing_class(one.sitting(connection, clock()).assessment) == "in_window"
    no_faults(runtime)


def test_sent_by_a_phone_with_a_wrong_clock_counts_on_the_day_it_came_and_is_flagged(
    make: Any, runtime: Any, clock: Any
) -> None:
    one = make()
    one.fast_by, one.offset_then = timedelta(days=-2), -2 * 86400
    one.answers("c30", 1, 2)
    one.does("send")
    clock.forward(hours=30)
    assert one.brings().receipt is not None
    (sent,) = rows(runtime, ResponseSet)
    assert sent.clock_trusted is False
    assert sent.completed_on == clock().date()


def test_a_wrong_clock_after_the_close_leaves_everything_to_the_site(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    one.fast_by, one.offset_then = timedelta(days=-2), -2 * 86400
    one.answers("c30", 1, 2)
    send = one.does("send")
    clock.set(datetime(2027, 2, 1, 9, tzinfo=UTC))
    outcome = one.brings()
    assert outcome.refused == ((send.client_id, "closed"),)
    assert one.brings().conflicts == 1  # it is taken in once, however often it is brought
    assert [(row.item, row.code) for row in rows(runtime, AnswerConflict)] == [(1, 2)]
    assert rows(runtime, Answer) == []
    no_faults(runtime)


def test_an_entry_of_a_phone_that_never_compared_its_clock_is_not_believed(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    one.offset_then = None
    one.answers("c30", 1, 2)
    one.does("send")
    clock.forward(hours=30)
    one.brings()
    assert rows(runtime, Answer)[0].given_at is None
    assert rows(runtime, ResponseSet)[0].clock_trusted is False


def test_the_clock_counts_as_it_was_when_an_answer_was_kept_and_not_as_it_was_set_since(
    make: Any, runtime: Any, clock: Any
) -> None:
    one = make()
    one.fast_by, one.offset_then = timedelta(hours=-2), -7200
    clock.forward(hours=3)
    one.answers("c30", 1, 2)
    one.fast_by, one.offset_then = timedelta(0), 0  # put right, and compared again
    one.answers("c30", 2, 2)
    one.brings()
    assert [row.given_at for row in rows(runtime, Answer)] == [None, clock()]


@pytest.mark.parametrize(("heard", "counts"), [(False, 4), (True, 2)])
def test_with_a_wrong_clock_what_the_phone_had_not_heard_of_is_newer(
    make: Any, clock: Any, heard: bool, counts: int
) -> None:
    one, other = make("aaaaaaaa"), make("bbbbbbbb")
    one.fast_by, one.offset_then = timedelta(days=-2), -2 * 86400
    other.answers("c30", 1, 4)
    kept_before = one.answers("c30", 1, 2)
    clock.forward(minutes=1)
    other.brings()
    one.does("skipped", ("c30", 9))
    if heard:
        one.brings(one.entries[-1])
        one.answers("c30", 1, 2)
        one.brings(one.entries[-1])
    else:
        one.brings(kept_before)
    assert one.given()[("c30", 1)] == counts


def test_entries_from_before_the_phone_lost_its_sign_are_taken_in(make: Any) -> None:
    one = make("aaaaaaaa")
    first = one.answers("c30", 1, 2)
    one.sign = "cccccccc"
    one.answers("c30", 2, 3)
    outcome = one.brings()
    assert outcome.done == (first.client_id, "cccccccc-1")
    assert outcome.elsewhere == ()


def test_an_answer_is_in_the_language_it_was_read_in(make: Any, runtime: Any) -> None:
    one = make()
    one.entries.append(Entry("aaaaaaaa-0", "answered", BEGUN, Step("c30", 1), "2", "fi", 0))
    one.brings()
    assert rows(runtime, Answer)[0].language == runtime.instruments["c30"].languages[0]


def test_sending_twice_is_one_submission_with_one_receipt(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    one.answers("c30", 1, 2)
    one.does("send")
    first = one.brings()
    clock.forward(minutes=1)
    assert one.brings().receipt == first.receipt
    told = [event.action for event in rows(runtime, AuditEvent)]
    assert told.count("response_set.submitted") == 1


def test_nothing_answered_is_not_sent(make: Any) -> None:
    one = make()
    send = one.does("send")
    assert one.brings().refused == ((send.client_id, "nothing_answered"),)


def test_after_the_other_phone_has_sent_what_differs_is_kept_for_the_site(make: Any, runtime: Any, clock: Any) -> None:
    one, other = make("aaaaaaaa"), make("bbbbbbbb")
    one.answers("c30", 1, 2)
    one.answers("c30", 2, 2)
    one.answers("c30", 3, 2)
    one.does("send")
    for item, code in ((1, 2), (2, 4)):
        other.answers("c30", item, code)
    other.does("send")
    received = other.brings().receipt
    clock.forward(minutes=5)
    outcome = one.brings()
    assert outcome.receipt == received
    assert outcome.conflicts == 2
    assert set(outcome.done) == {entry.client_id for entry in one.entries}
    assert [(row.item, row.code) for row in rows(runtime, AnswerConflict)] == [(2, 2), (3, 2)]
    assert other.given() == {("c30", 1): 2, ("c30", 2): 4}  # the submission stays what it was
    assert one.brings().conflicts == 2  # told again: the phone may not have heard the first time
    assert len(rows(runtime, AnswerConflict)) == 2
    told = [event for event in rows(runtime, AuditEvent) if event.action == "answer.conflict"]
    assert len(told) == 2
    no_faults(runtime)


def test_what_comes_after_the_worker_has_sent_is_kept_for_the_site(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    first = one.answers("c30", 1, 2)
    one.brings(first)
    late = one.answers("c30", 2, 2)
    clock.set(datetime(2027, 2, 1, 9, tzinfo=UTC))
    with runtime.writing.begin() as session:
        set_id = rows(runtime, ResponseSet)[0].id
        answering.submit_abandoned(
            session, set_id, study=runtime.study, instruments=runtime.instruments, vault=runtime.vault,
            now=clock(), actor=answering.audit.WORKER,
        )  # fmt: skip
    assert one.brings(late).conflicts == 1


def test_the_worker_counts_an_answer_on_the_day_it_was_given(make: Any, runtime: Any, clock: Any) -> None:
    one = make()
    one.answers("c30", 1, 2)
    clock.set(datetime(2027, 2, 1, 9, tzinfo=UTC))
    one.brings()  # in time by the phone's clock, but never sent
    with runtime.writing.begin() as session:
        set_id = rows(runtime, ResponseSet)[0].id
        answering.submit_abandoned(
            session, set_id, study=runtime.study, instruments=runtime.instruments, vault=runtime.vault,
            now=clock(), actor=answering.audit.WORKER,
        )  # fmt: skip
    assert rows(runtime, ResponseSet)[0].completed_on == BEGUN.date()
