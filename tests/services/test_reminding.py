"""What a tick looks at, what it queues, and how much it asks the database for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import delete, insert, update

from proapp import delivery
from proapp.db.models import (
    Assessment,
    AssessmentEvent,
    Contact,
    ContactAttempt,
    Message,
    ParticipantEvent,
    PatientRequest,
    ResponseSet,
)
from proapp.delivery import Rounds
from proapp.services import messages, reminding
from proapp.services.audit import COMMAND_LINE
from proapp.services.audit_review import faults
from proapp.services.reminding_search import candidates
from tests.crowd import reachable_crowd
from tests.messages import OPENED_TODAY, Memory, new_number, rows, states
from tests.people import People
from tests.studies import with_steps

CLOSES_SOON = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)  # six months of the crowd close in a week; 10:00 in Stockholm
DAY = timedelta(days=1)


@pytest.fixture
def house(runtime: Any) -> People:
    return People(runtime, None, lambda *_: None)


@pytest.fixture
def anna(house: People) -> int:
    return house.participant(randomized_on=OPENED_TODAY)


def tick(runtime: Any, rounds: Rounds | None = None) -> list[tuple[str, str]]:
    found = delivery.queue_due(runtime, now=runtime.clock(), rounds=rounds)
    return [(due.case.timepoint, due.decision.step) for due in found]


def found(runtime: Any) -> list[int]:
    with runtime.reading() as session:
        return list(candidates(session, study=runtime.study, now=runtime.clock(), portion=1000))


# --- how much is asked ----------------------------------------------------------------------------------------------


def test_a_tick_with_nothing_due_asks_twice_whatever_the_number_of_participants(runtime, statements, clock):
    reachable_crowd(runtime, 20)
    asked = []
    for more in (0, 180):
        if more:
            reachable_crowd(runtime, more, first=21)
        statements.clear()
        assert tick(runtime) == []
        asked.append(list(statements))
    assert len(asked[0]) == len(asked[1]) <= 3
    assert not any("FROM participant_event" in one.split("WHERE", 1)[0] for one in asked[1])


def test_a_portion_costs_the_same_for_one_and_for_many(runtime, statements, clock):
    reachable_crowd(runtime, 150)
    asked = []
    clock.set(CLOSES_SOON)
    with runtime.writing.begin() as session:
        session.execute(update(Contact).where(Contact.participant_id > 1).values(undeliverable_at=clock()))
    for expected in (1, 149):
        statements.clear()
        assert len(tick(runtime)) == expected
        asked.append(len(statements))
        with runtime.writing.begin() as session:
            session.execute(update(Contact).values(undeliverable_at=None))
    assert asked[0] == asked[1] <= 25
    with runtime.reading() as session:
        expected_gaps = ("no events at all", "answer is stored", "row is stored")
        assert not [one for one in faults(session) if not any(words in one.sentence for words in expected_gaps)]


def test_portions_follow_each_other(runtime, clock):
    reachable_crowd(runtime, 7)
    clock.set(CLOSES_SOON)
    after, added = 0, []
    while after is not None:
        with runtime.writing.begin() as session:
            one = reminding.queue_due(
                session, study=runtime.study, vault=runtime.vault, now=clock(), after=after, portion=3
            )
        added.append(len(one.added))
        after = one.after
    assert added == [3, 3, 1]


def test_between_the_searches_of_every_hour_only_what_fell_due_since_is_looked_for(runtime, anna, clock):
    rounds = Rounds()
    clock.forward(minutes=-5)
    assert tick(runtime, rounds) == []
    clock.forward(minutes=5)
    assert tick(runtime, rounds) == [("m03", "opens+0")]
    with runtime.writing.begin() as session:  # as though it had been passed over
        session.execute(delete(Message))
    clock.forward(minutes=1)
    assert tick(runtime, rounds) == []
    clock.forward(minutes=60)
    assert tick(runtime, rounds) == [("m03", "opens+0")]


def test_who_was_passed_over_is_looked_for_again_in_the_next_minute(runtime, anna, clock, monkeypatch):
    rounds = Rounds(clock() - timedelta(minutes=1))
    rounds.searched = clock() - timedelta(seconds=1)
    with monkeypatch.context() as patched:
        patched.setattr(reminding, "_lock", lambda *_: set())  # somebody is writing about her at this moment
        assert tick(runtime, rounds) == []
    assert rounds.searched != clock()
    clock.forward(minutes=1)
    assert tick(runtime, Rounds(clock() - timedelta(minutes=1, seconds=1))) == [("m03", "opens+0")]


# --- who is looked at -----------------------------------------------------------------------------------------------


def answered(session: Any, anna: int, assessment: int, at: datetime) -> None:
    values = {"mode": "paper", "respondent": "self", "protocol_version": "1", "packs": {}, "started_at": at}
    session.execute(
        insert(ResponseSet).values(assessment_id=assessment, submitted_at=at, completed_on=at.date(), **values)
    )


def declined(session: Any, anna: int, assessment: int, at: datetime) -> None:
    session.execute(
        insert(AssessmentEvent).values(assessment_id=assessment, type="declined", payload={}, recorded_at=at)
    )


def dead(session: Any, anna: int, assessment: int, at: datetime) -> None:
    values = {"type": "death", "effective_on": at.date(), "payload": {}, "recorded_at": at}
    session.execute(insert(ParticipantEvent).values(participant_id=anna, **values))


def unreachable(session: Any, anna: int, assessment: int, at: datetime) -> None:
    session.execute(update(Contact).values(undeliverable_at=at))


def cancelled(session: Any, anna: int, assessment: int, at: datetime) -> None:
    session.execute(update(Assessment).values(cancelled_reason="amendment"))


@pytest.mark.parametrize("fact", [answered, declined, dead, unreachable, cancelled])
def test_who_is_not_to_be_reminded_is_not_even_read(runtime, house, anna, clock, fact):
    assert len(found(runtime)) == 1
    with runtime.writing.begin() as session:
        fact(session, anna, house.assessment_id(anna, "m03"), clock())
    assert found(runtime) == []
    assert tick(runtime) == []


def test_a_death_recorded_by_mistake_and_a_decline_thought_better_of_are_found_again(runtime, house, anna, clock):
    assessment = house.assessment_id(anna, "m03")
    with runtime.writing.begin() as session:
        dead(session, anna, assessment, clock())
        declined(session, anna, assessment, clock())
    assert found(runtime) == []
    with runtime.writing.begin() as session:
        death = session.query(ParticipantEvent).filter_by(type="death").one()
        values = {"type": "revoked", "effective_on": clock().date(), "payload": {}, "recorded_at": clock()}
        session.execute(insert(ParticipantEvent).values(participant_id=anna, supersedes_id=death.id, **values))
        undone = {"type": "decline_undone", "payload": {}, "recorded_at": clock()}
        session.execute(insert(AssessmentEvent).values(assessment_id=assessment, **undone))
    assert tick(runtime) == [("m03", "opens+0")]


@pytest.mark.parametrize("channel", ["letter", "sms"])
def test_at_night_only_letters_are_put_into_their_list(runtime, house, clock, channel):
    house.participant(randomized_on=OPENED_TODAY, channel=channel)
    clock.set(datetime(2026, 11, 23, 4, 0, tzinfo=UTC))
    assert tick(runtime) == ([("m03", "opens+0")] if channel == "letter" else [])


def test_a_window_that_was_extended_has_its_last_reminder_before_the_new_end(runtime, house, anna, clock):
    assessment = house.assessment_id(anna, "m03")  # closes on 4 January 2027
    with runtime.writing.begin() as session:
        extended = date(2027, 1, 25)
        session.execute(update(Assessment).where(Assessment.id == assessment).values(extension_until=extended))
        values = {"type": "extended", "payload": {"until": extended.isoformat()}, "recorded_at": clock()}
        session.execute(insert(AssessmentEvent).values(assessment_id=assessment, **values))
    clock.set(datetime(2027, 1, 18, 9, 0, tzinfo=UTC))
    assert tick(runtime) == [("m03", "closes-7")]


# --- what is queued -------------------------------------------------------------------------------------------------


def test_after_an_outage_only_the_latest_useful_reminder_goes_and_never_at_night(runtime, anna, clock):
    clock.set(datetime(2026, 12, 11, 2, 0, tzinfo=UTC))  # opens+0 is long past, target+3 was due the day before
    assert tick(runtime) == []
    clock.set(datetime(2026, 12, 11, 7, 0, tzinfo=UTC))
    assert tick(runtime) == [("m03", "target+3")]
    clock.set(datetime(2026, 12, 24, 9, 0, tzinfo=UTC))
    assert tick(runtime) == []


def test_of_two_messages_on_one_day_the_one_that_closes_first_goes(runtime, house, anna, clock):
    other = house.assessment_id(anna, "m06")
    with runtime.writing.begin() as session:
        day = clock().date()
        dates = {"opens_on": day, "target_on": day + 5 * DAY, "closes_on": day + 20 * DAY, "late_until": day + 30 * DAY}
        session.execute(update(Assessment).where(Assessment.id == other).values(**dates))
    assert tick(runtime) == [("m06", "opens+0")]
    assert tick(runtime) == []
    clock.forward(hours=22)  # eight in the morning: what had to wait need not wait for ten
    assert tick(runtime) == [("m03", "opens+0")]


def test_the_cap_of_the_study_holds_within_one_tick(runtime, clock):
    reachable_crowd(runtime, 6)
    clock.set(CLOSES_SOON)
    policy = runtime.study.follow_up.model_copy(update={"cap_study": 4})
    study = runtime.study.model_copy(update={"follow_up": policy})
    with runtime.writing.begin() as session:
        queued = reminding.queue_due(session, study=study, vault=runtime.vault, now=clock())
        assert len(queued.added) == 4
        assert reminding.queue_due(session, study=study, vault=runtime.vault, now=clock()).added == ()


def test_a_wish_to_be_reminded_tonight_is_granted_once(runtime, house, anna, clock):
    tonight = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
    with runtime.writing.begin() as session:
        values = {"type": "remind_later", "payload": {"at": tonight.isoformat()}, "recorded_at": clock()}
        assessment = house.assessment_id(anna, "m03")
        session.execute(insert(PatientRequest).values(participant_id=anna, assessment_id=assessment, **values))
    assert tick(runtime) == []  # the reminder of this morning waits for it
    clock.set(tonight)
    rounds = Rounds(tonight - timedelta(minutes=1))
    assert tick(runtime, rounds) == [("m03", "later:2026-11-23T18")]
    assert tick(runtime) == []
    assert [row.kind for row in rows(runtime)] == ["remind_later"]


def test_a_wish_and_the_reminder_of_another_assessment_due_in_one_hour_both_go(runtime, house, anna, clock):
    now, other = clock(), house.assessment_id(anna, "m06")
    with runtime.writing.begin() as session:
        day = now.date()
        dates = {"opens_on": day - 5 * DAY, "target_on": day, "closes_on": day + 60 * DAY, "late_until": day + 70 * DAY}
        session.execute(update(Assessment).where(Assessment.id == other).values(**dates))
        values = {"type": "remind_later", "payload": {"at": now.isoformat()}, "recorded_at": now - DAY}
        session.execute(insert(PatientRequest).values(participant_id=anna, assessment_id=other, **values))
    assert sorted(tick(runtime)) == [("m03", "opens+0"), ("m06", "later:2026-11-23T10")]
    assert delivery.deliver_once(runtime, Memory().both(), worker="one") == 2
    assert {state for _, state, _ in states(runtime)} == {"sent"}


def test_what_cannot_be_decided_about_is_named_and_stops_nobody(runtime, house, anna, clock, monkeypatch):
    poisoned = house.assessment_id(house.participant("UME-002", randomized_on=OPENED_TODAY, channel="email"), "m03")
    original = reminding.decide

    def decide(study: Any, timepoint: Any, subject: Any, **about: Any) -> Any:
        if subject.reach.channel == "email":
            raise ValueError("+46701740605")
        return original(study, timepoint, subject, **about)

    monkeypatch.setattr(reminding, "decide", decide)
    with structlog.testing.capture_logs() as lines:
        assert tick(runtime) == [("m03", "opens+0")]
    assert lines == [{"event": "reminding.failed", "assessment": poisoned, "log_level": "error"}]


# --- letters --------------------------------------------------------------------------------------------------------


def test_a_letter_that_nobody_posted_leaves_its_list_when_it_is_of_no_more_use(runtime, house, clock):
    house.participant(randomized_on=OPENED_TODAY, channel="letter")
    assert tick(runtime) == [("m03", "opens+0")]
    clock.forward(days=12)  # nobody was at the clinic; it is still of use
    tick(runtime)
    assert states(runtime) == [("opens+0", "queued", None)]
    clock.forward(days=6)
    assert tick(runtime) == [("m03", "target+3")]
    assert states(runtime) == [("opens+0", "cancelled", "too_late"), ("target+3", "queued", None)]


CHANGED = {
    "study_closed": lambda study: study.model_copy(update={"closes_on": date(2026, 11, 23)}),
    "site_closed": lambda study: study.model_copy(
        update={"sites": tuple(one.model_copy(update={"closed_on": date(2026, 11, 23)}) for one in study.sites)}
    ),
    "not_in_policy": lambda study: with_steps(study, "m03", ()),
}


@pytest.mark.parametrize("why", CHANGED)
def test_a_letter_that_the_plan_does_not_want_any_more_leaves_its_list(runtime, house, clock, why):
    house.participant(randomized_on=OPENED_TODAY, channel="letter")
    assert tick(runtime) == [("m03", "opens+0")]
    clock.forward(days=1)
    assert tick(runtime) == []
    assert [row.state for row in rows(runtime)] == ["queued"]
    tick(replace(runtime, study=CHANGED[why](runtime.study)))
    assert [(row.state, row.state_reason) for row in rows(runtime)] == [("cancelled", why)]


def test_a_letter_may_lie_in_its_list_for_longer_than_a_message_is_of_use(runtime, house, clock):
    house.participant(randomized_on=OPENED_TODAY, channel="letter")
    tick(runtime)
    clock.forward(days=runtime.study.follow_up.useful_days + 2)
    tick(runtime)
    assert [row.state for row in rows(runtime)] == ["queued"]


def test_a_letter_is_about_one_assessment_and_goes_with_it(runtime, house, clock):
    person = house.participant(randomized_on=OPENED_TODAY, channel="letter")
    tick(runtime)
    with runtime.writing.begin() as session:
        about = {"participant_id": person, "reason": "submitted", "actor": COMMAND_LINE, "now": clock()}
        assert messages.cancel_for_assessment(session, house.assessment_id(person, "m06"), **about) == 0
        assert messages.cancel_for_assessment(session, house.assessment_id(person, "m03"), **about) == 1
        assert messages.cancel_for_participant(session, **about | {"participant_id": person}) == 0


# --- what was known -------------------------------------------------------------------------------------------------


@pytest.fixture
def known(runtime: Any, house: People, anna: int) -> Callable[..., Any]:
    def subject(known_at: datetime | None = None) -> Any:
        assessment = house.assessment_id(anna, "m03")
        with runtime.reading() as session:
            return reminding.subjects(
                session, study=runtime.study, vault=runtime.vault, assessment_ids=[assessment], known_at=known_at
            )[assessment]

    return subject


@pytest.mark.parametrize("fact", [answered, declined, dead, unreachable])
def test_only_what_was_recorded_by_then_was_known(runtime, house, anna, clock, known, fact):
    before = known()
    then = clock()
    clock.forward(hours=1)
    with runtime.writing.begin() as session:
        fact(session, anna, house.assessment_id(anna, "m03"), clock())
    assert known(then) == before
    assert known(clock()) == known() != before


def test_a_wrong_number_counts_until_the_contact_is_changed(runtime, anna, clock, known):
    clock.forward(hours=1)
    with runtime.writing.begin() as session:
        values = {"method": "phone", "outcome": "wrong_number", "at": clock()}
        session.execute(insert(ContactAttempt).values(participant_id=anna, **values))
    assert known().reach.wrong_number
    clock.forward(hours=1)
    new_number(runtime)
    assert not known().reach.wrong_number


def test_a_message_is_seen_in_the_state_it_had(runtime, anna, clock, known):
    tick(runtime)
    queued_at = clock()
    clock.forward(minutes=5)
    with runtime.writing.begin() as session:
        session.execute(update(Message).values(state="delivered", handed_over_at=clock(), settled_at=clock() + DAY))
    assert known(queued_at - timedelta(seconds=1)).sent == ()
    assert [known(at).sent[0].state for at in (queued_at, clock(), clock() + DAY)] == ["queued", "sent", "delivered"]


def test_a_corrected_anchor_was_not_known_before_it_was_corrected(runtime, house, anna, clock, known):
    then = known(clock())
    assert then.facts.opens_on == date(2026, 11, 23)
    with runtime.writing.begin() as session:
        mine = Assessment.id == house.assessment_id(anna, "m03")
        session.execute(update(Assessment).where(mine).values(opens_on=date(2026, 12, 1)))
    assert known(clock()).facts.opens_on == date(2026, 11, 23)
    assert known().facts.opens_on == date(2026, 12, 1)
