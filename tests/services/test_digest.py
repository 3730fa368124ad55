"""Messages to staff: who gets one on which morning, and what stands in it. 23 November 2026 is a Monday."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from proapp import delivery
from proapp.db.models import AuditEvent, Message, StaffUser
from proapp.services import digest
from proapp.study.model import Reminder
from proapp.study.versions import Activation, combine
from tests.messages import Memory, rows
from tests.studies import with_steps

SEVEN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)  # in Stockholm
DUE_FOR_11_DAYS = date(2026, 8, 12)
BASE = "https://pro.example.org"


def participant(people: Any, study_id: str = "UME-001", **more: Any) -> int:
    person = people.participant(study_id, randomized_on=DUE_FOR_11_DAYS, **more)
    people.answered(person, "baseline", submitted_at=datetime(2026, 8, 1, 9, tzinfo=UTC), codes={})
    return int(person)


def wants(runtime: Any, people: Any, name: str, **more: Any) -> int:
    user_id = int(people.staff_id(name))
    with runtime.writing.begin() as session:
        session.execute(update(StaffUser).where(StaffUser.id == user_id).values(wants_digest=True, **more))
    return user_id


def queue(runtime: Any, now: datetime, study: Any = None) -> list[tuple[str, int]]:
    """One tick; every message there is, as (kind, user)."""
    with runtime.writing.begin() as session:
        digest.queue_digests(session, study=study or runtime.study, now=now)
    with runtime.reading() as session:
        return [tuple(row) for row in session.execute(select(Message.kind, Message.user_id).order_by(Message.id))]


def rendered(runtime: Any, user_id: int, now: datetime = SEVEN, study: Any = None, whole: bool = True) -> Any:
    make = digest.render_digest if whole else digest.render_escalation
    with runtime.reading() as session:
        return make(session, user_id=user_id, due_at=now, now=now, study=study or runtime.study, base_url=BASE)


@pytest.fixture
def passing_on(runtime: Any) -> Any:
    """The study with one step at three months, for the investigator: seven days after the target, 19 November."""
    steps = (Reminder(relative_to="target", days=7, channel="digest"),)
    return with_steps(runtime.study, "m03", steps)


def test_on_monday_at_seven_those_who_want_it_get_one(runtime: Any, people: Any) -> None:
    participant(people)
    berit = wants(runtime, people, "berit")
    people.staff_id("karin")
    assert queue(runtime, SEVEN - timedelta(minutes=1)) == []
    assert queue(runtime, SEVEN) == [("digest", berit)]
    assert queue(runtime, SEVEN + timedelta(minutes=1)) == [("digest", berit)]
    with runtime.reading() as session:
        row = session.scalars(select(Message)).one()
        assert session.scalars(select(AuditEvent.action)).all() == ["message.queued"]
    assert (row.key, row.channel, row.participant_id) == (f"digest:{berit}:2026-11-23", "email", None)
    assert row.due_at == SEVEN


@pytest.mark.parametrize("days", [1, 2, 6])
def test_on_other_days_nobody_gets_one(runtime: Any, people: Any, days: int) -> None:
    participant(people)
    wants(runtime, people, "berit")
    assert queue(runtime, SEVEN + timedelta(days=days)) == []


def test_a_monday_on_which_nothing_ticked_is_made_up_for(runtime: Any, people: Any) -> None:
    participant(people)
    berit = wants(runtime, people, "berit")
    assert queue(runtime, SEVEN - timedelta(days=2)) == []
    assert queue(runtime, SEVEN + timedelta(days=1)) == [("digest", berit)]
    assert queue(runtime, SEVEN + timedelta(days=2)) == [("digest", berit)]


def test_nothing_is_sent_where_nothing_waits(runtime: Any, people: Any) -> None:
    participant(people)
    charlie = wants(runtime, people, "charlie")  # at another site
    assert queue(runtime, SEVEN) == []
    assert rendered(runtime, charlie) is None


def test_who_may_not_sign_in_gets_none(runtime: Any, people: Any) -> None:
    participant(people)
    berit = wants(runtime, people, "berit", suspended_at=SEVEN)
    wants(runtime, people, "stina")  # has no worklist
    assert queue(runtime, SEVEN) == []
    assert rendered(runtime, berit) is None


def test_the_text_holds_counts_ids_and_an_address(runtime: Any, people: Any) -> None:
    participant(people)
    participant(people, "LUN-001")
    text = rendered(runtime, wants(runtime, people, "berit"))
    assert text.subject == "proapp: this week's list"
    assert "1 participant to contact: UME-001" in text.body
    assert f"{BASE}/staff/work" in text.body
    for other in ("LUN-001", "070", "+46", "3 months"):
        assert other not in text.body
    both = rendered(runtime, wants(runtime, people, "karin"))
    assert "2 participants to contact: UME-001, LUN-001" in both.body


def test_the_text_is_in_the_readers_language(runtime: Any, people: Any) -> None:
    participant(people)
    text = rendered(runtime, wants(runtime, people, "berit", language="sv"))
    assert text.subject == "proapp: veckans lista"
    assert "1 deltagare att kontakta: UME-001" in text.body


def test_a_text_is_true_when_it_leaves(runtime: Any, people: Any) -> None:
    person = participant(people)
    berit = wants(runtime, people, "berit")
    assert queue(runtime, SEVEN) == [("digest", berit)]
    people.answered(person, "m03", submitted_at=SEVEN)
    assert rendered(runtime, berit) is None


def test_what_the_plan_passes_on_reaches_the_investigator_without_asking(
    runtime: Any, people: Any, passing_on: Any
) -> None:
    participant(people)
    ivar, berit = people.staff_id("ivar"), people.staff_id("berit")
    assert queue(runtime, SEVEN - timedelta(days=5), passing_on) == []  # Wednesday: not due before Thursday
    thursday = SEVEN - timedelta(days=4)
    assert queue(runtime, thursday, passing_on) == [("escalation", ivar)]
    assert queue(runtime, thursday + timedelta(days=1), passing_on) == [("escalation", ivar)]
    text = rendered(runtime, ivar, thursday, passing_on, whole=False)
    assert "1 participant was reminded as planned and has still not answered: UME-001\n" in text.body
    assert not re.search(r"month|\d{4}-\d\d", text.body)  # nothing of what or when
    assert rendered(runtime, berit, thursday, passing_on, whole=False) is None


@pytest.mark.parametrize(("state", "again"), [("failed", True), ("cancelled", True), ("possibly_sent", False)])
def test_a_message_that_never_left_has_told_nobody(
    runtime: Any, people: Any, passing_on: Any, state: str, again: bool
) -> None:
    participant(people)
    ivar = people.staff_id("ivar")
    thursday = SEVEN - timedelta(days=4)
    assert queue(runtime, thursday, passing_on) == [("escalation", ivar)]
    for days in (1, 2):  # on its way for two days: the mail server is down
        assert queue(runtime, thursday + timedelta(days=days), passing_on) == [("escalation", ivar)]
    with runtime.writing.begin() as session:
        session.execute(update(Message).values(state=state, state_reason="too_late"))
    later = queue(runtime, thursday + timedelta(days=9), passing_on)
    assert later == [("escalation", ivar)] * (2 if again else 1)


def test_a_day_that_was_done_by_a_wrong_clock_does_not_silence_the_days_before_it(runtime: Any, people: Any) -> None:
    participant(people)
    berit = wants(runtime, people, "berit")
    queue(runtime, SEVEN + timedelta(days=3650))
    assert ("digest", berit) not in queue(runtime, SEVEN - timedelta(days=1))  # a Sunday
    assert queue(runtime, SEVEN).count(("digest", berit)) == queue(runtime, SEVEN).count(("digest", berit)) == 1


def test_an_amendment_elsewhere_does_not_end_what_the_plan_passes_on_here(
    runtime: Any, people: Any, passing_on: Any
) -> None:
    """The newest version has no steps for the investigator, and no more than Lund works by it."""
    points = [one.model_copy(update={"reminders": ()}) for one in runtime.study.timepoints]
    newer = runtime.study.model_copy(update={"number": "2.0", "timepoints": tuple(points)})
    study = combine(passing_on, [Activation("LUN", date(2026, 11, 1), newer)])
    participant(people)
    ivar = people.staff_id("ivar")
    assert queue(runtime, SEVEN - timedelta(days=4), study) == [("escalation", ivar)]


def test_an_investigator_who_wants_the_list_finds_it_there(runtime: Any, people: Any, passing_on: Any) -> None:
    person = participant(people)
    ivar = wants(runtime, people, "ivar")
    assert queue(runtime, SEVEN, passing_on) == [("digest", ivar)]
    text = rendered(runtime, ivar, SEVEN, passing_on)
    assert "1 participant to contact: UME-001" in text.body
    assert "has still not answered: UME-001\n" in text.body
    people.event(person, "pro_stop", date(2026, 11, 20))
    assert rendered(runtime, ivar, SEVEN, passing_on) is None


def test_most_ticks_take_one_statement(runtime: Any, people: Any, statements: list[str]) -> None:
    participant(people)
    wants(runtime, people, "berit")
    queue(runtime, SEVEN)
    statements.clear()
    with runtime.reading() as session:
        assert digest.look(session, study=runtime.study, now=SEVEN + timedelta(hours=3)).days == {}
    assert len(statements) == 1


def test_a_tick_makes_a_shared_worklist_once(runtime: Any, people: Any, statements: list[str]) -> None:
    participant(people)
    wants(runtime, people, "berit")
    counts = []
    for number in (0, 20):
        rows = [
            {
                "email": f"n{i}@example.org",
                "name": "N",
                "role": "coordinator",
                "language": "sv",
                "wants_digest": True,
                "created_at": SEVEN,
            }  # fmt: skip  # noqa: E501
            for i in range(number)
        ]
        if rows:
            with runtime.writing.begin() as session:
                session.execute(insert(StaffUser), rows)
        statements.clear()
        with runtime.reading() as session:
            assert len(digest.look(session, study=runtime.study, now=SEVEN).wanted) == number + 1
        counts.append(len(statements))
    assert counts[1] <= counts[0] + 12


def test_choosing_is_written_once_and_in_the_trail(runtime: Any, people: Any) -> None:
    berit = people.staff("berit")
    assert "Switch it on" in berit.get("/staff/account").get_data(as_text=True)
    for _ in range(2):
        assert berit.post("/staff/account/digest", {"wants": "1"}).status_code == 303
    assert "Switch it off" in berit.get("/staff/account").get_data(as_text=True)
    with runtime.reading() as session:
        assert session.scalars(select(AuditEvent.action)).all() == ["user.digest"]
    ada = people.staff("ada")
    assert "Message on Mondays" not in ada.get("/staff/account").get_data(as_text=True)
    assert ada.post("/staff/account/digest", {"wants": "1"}).status_code == 403


def test_the_message_leaves_for_the_address_of_the_account(runtime: Any, people: Any, clock: Any) -> None:
    participant(people)
    wants(runtime, people, "berit", language="sv")
    clock.set(SEVEN)
    assert delivery.queue_digests(runtime, now=SEVEN) == 1
    gateway = Memory()
    tried = delivery.deliver_once(
        runtime, gateway.both(), worker="test", composers=delivery.composers(runtime), now=runtime.clock
    )
    (given,) = gateway.given
    assert (tried, given.channel, given.to, given.subject) == (1, "email", "berit@example.org", "proapp: veckans lista")
    assert "UME-001" in given.text
    assert [row.state for row in rows(runtime)] == ["sent"]
    assert delivery.queue_digests(runtime, now=SEVEN + timedelta(minutes=1)) == 0
