"""A message from the moment it falls due to its receipt: queued once, decided about again, handed over once, recorded."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from proapp import delivery
from proapp.db.models import (
    Assessment,
    AuditEvent,
    Contact,
    ContactAttempt,
    DeliveryReceipt,
    Message,
    PatientRequest,
    ResponseSet,
    StaffUser,
)
from proapp.gateways.protocol import Accepted, PassingFailure, PermanentFailure, UnknownOutcome
from proapp.services import (
    answering,
    audit,
    contact_log,
    contact_pauses,
    declining,
    language_change,
    messages,
    missing,
    outbox,
    participant_events,
    transfer,
)
from proapp.services.audit import Actor
from proapp.services.audit_review import faults
from proapp.services.errors import NotFound, Refused
from proapp.services.sitting_reading import find_sitting
from proapp.services.vault import Vault, token_hash
from proapp.study.model import MessageTexts
from proapp.study.versions import Activation, combine
from tests.conftest import SECRET
from tests.messages import OPENED_TODAY, Memory, new_number, rows, states
from tests.people import People

STAFF = audit.COMMAND_LINE
ANNA = Actor("patient", 1, "patient")


@pytest.fixture
def anna(runtime: Any) -> int:
    return People(runtime, None, lambda *_: None).participant(randomized_on=OPENED_TODAY)


@pytest.fixture
def gateway() -> Memory:
    return Memory()


def tick(runtime: Any) -> list[str]:
    return [due.decision.step for due in delivery.queue_due(runtime, now=runtime.clock())]


def deliver(runtime: Any, gateway: Memory, worker: str = "w1") -> int:
    return delivery.deliver_once(runtime, gateway.both(), worker=worker)


def only(runtime: Any) -> Message:
    (row,) = rows(runtime)
    return row


def told(runtime: Any) -> Counter[str]:
    with runtime.reading() as session:
        # These participants and their answers were written without events; the chains themselves must be whole.
        expected = ("no events at all", "answer is stored", "row is stored")
        assert not [one for one in faults(session) if not any(words in one.sentence for words in expected)]
        return Counter(
            session.scalars(
                select(AuditEvent.action).where(AuditEvent.entity.in_(("message", "contact", "delivery_receipt")))
            )
        )


def contact(runtime: Any) -> Contact:
    with runtime.reading() as session:
        return session.scalars(select(Contact)).one()


def raises(error: Exception) -> Any:
    def answer(_message: Any) -> Accepted:
        raise error

    return answer


# --- queued ---------------------------------------------------------------------------------------------------------


def test_what_is_due_is_queued_once_however_often_the_clock_ticks(runtime, anna):
    assert tick(runtime) == ["opens+0"]
    assert tick(runtime) == []
    row = only(runtime)
    assert (row.kind, row.channel, row.state, row.participant_id) == ("reminder", "sms", "queued", anna)
    assert row.key == f"reminder:{row.assessment_id}:opens+0:message"
    assert row.due_at == runtime.clock()
    assert told(runtime) == {"message.queued": 1}


def test_nothing_is_queued_before_its_time(runtime, anna, clock):
    clock.forward(seconds=-1)
    assert tick(runtime) == []


def test_two_that_queue_the_same_at_once_add_one_row(runtime, anna):
    with runtime.reading() as session:
        seen = [
            delivery.reminding.look(session, study=runtime.study, vault=runtime.vault, now=runtime.clock())
            for _ in range(2)
        ]
    assert [len(delivery._queued(runtime, one, runtime.clock())) for one in seen] == [1, 0]
    assert told(runtime) == {"message.queued": 1}


# --- handed over ----------------------------------------------------------------------------------------------------


def test_a_queued_message_goes_in_the_language_and_to_the_number_of_the_participant(runtime, anna, gateway):
    tick(runtime)
    assert deliver(runtime, gateway) == 1
    (sent,) = gateway.given
    assert sent.to == "+46701740605"
    assert sent.text.startswith("Hej!")
    assert sent.channel == "sms"
    assert len(sent.reference) == 32
    row = only(runtime)
    assert (row.state, row.gateway, row.provider_ref, row.attempts) == ("sent", "log", "ref-1", 1)
    assert row.handed_over_at == runtime.clock()
    assert row.units in (1, 2)
    assert deliver(runtime, gateway) == 0
    assert told(runtime) == {"message.queued": 1, "message.sent": 1}


def test_neither_address_nor_text_is_in_the_trail_or_in_a_repr(runtime, anna, gateway):
    tick(runtime)
    with runtime.writing.begin() as session:
        claimed = outbox.claim(
            session, worker="w1", study=runtime.study, vault=runtime.vault, base_url="https://x", now=runtime.clock()
        )
    assert "+4670" not in repr(claimed)
    assert "Hej" not in repr(claimed)
    with runtime.reading() as session:
        assert not [event for event in session.scalars(select(AuditEvent.details)) if "+46" in event or "Hej" in event]


def test_a_second_worker_passes_over_what_the_first_one_holds(runtime, anna):
    tick(runtime)
    about = {"study": runtime.study, "vault": runtime.vault, "base_url": "https://x", "now": runtime.clock()}
    with runtime.writing.begin() as session:
        assert outbox.claim(session, worker="w1", **about) is not None
    with runtime.writing.begin() as session:
        assert outbox.claim(session, worker="w2", **about) is None
        assert (
            outbox.handed_over(
                session, only(runtime).id, worker="w2", gateway="log", provider_ref="x", now=runtime.clock()
            )
            is False
        )
    assert only(runtime).state == "sending"


# --- decided about again --------------------------------------------------------------------------------------------


def submit(runtime: Any, anna: int) -> None:
    people = People(runtime, None, lambda *_: None)
    people.answered(anna, "m03")
    with runtime.writing.begin() as session:
        sitting = find_sitting(
            session,
            study=runtime.study,
            instruments=runtime.instruments,
            participant_id=anna,
            assessment_id=people.assessment_id(anna, "m03"),
            now=runtime.clock(),
            lock=True,
        )
        answering.submit(session, sitting, vault=runtime.vault, now=runtime.clock(), actor=ANNA)


def decline(runtime: Any, anna: int) -> None:
    people = People(runtime, None, lambda *_: None)
    with runtime.writing.begin() as session:
        sitting = find_sitting(
            session,
            study=runtime.study,
            instruments=runtime.instruments,
            participant_id=anna,
            assessment_id=people.assessment_id(anna, "m03"),
            now=runtime.clock(),
            lock=True,
        )
        declining.decline(session, sitting, reason_code=None, now=runtime.clock(), actor=ANNA)


def end(type_: str, **more: Any) -> Any:
    def record(runtime: Any, _anna: int) -> None:
        with runtime.writing.begin() as session:
            participant_events.record_event(
                session,
                study=runtime.study,
                study_id="UME-001",
                sites=None,
                type=type_,
                effective_on=runtime.clock().date(),
                actor=STAFF,
                now=runtime.clock(),
                **more,
            )

    return record


CAUSES = {
    "submitted": submit,
    "declined": decline,
    "death": end("death"),
    "pro_stop": end("pro_stop"),
    "trial_withdrawal": end("trial_withdrawal", data_use="keep"),
}


@pytest.mark.parametrize("why", CAUSES)
def test_what_ends_the_asking_cancels_what_is_queued_in_its_own_transaction(runtime, anna, gateway, why):
    tick(runtime)
    CAUSES[why](runtime, anna)
    row = only(runtime)
    assert (row.state, row.state_reason, row.settled_at) == ("cancelled", why, runtime.clock())
    assert deliver(runtime, gateway) == 0
    assert tick(runtime) == []
    assert gateway.given == []
    assert told(runtime)["message.cancelled"] == 1


def wrong_number(session: Any, runtime: Any, anna: int) -> None:
    runtime.clock.forward(seconds=1)
    session.execute(
        insert(ContactAttempt).values(participant_id=anna, method="phone", outcome="wrong_number", at=runtime.clock())
    )


def undeliverable(session: Any, runtime: Any, anna: int) -> None:
    session.execute(update(Contact).values(undeliverable_at=runtime.clock()))


def answered_behind_our_back(session: Any, runtime: Any, anna: int) -> None:
    assessment = session.scalars(select(Message.assessment_id)).one()
    values = {
        "mode": "paper",
        "respondent": "self",
        "protocol_version": "1",
        "packs": {},
        "started_at": runtime.clock(),
        "submitted_at": runtime.clock(),
        "completed_on": runtime.clock().date(),
    }
    session.execute(insert(ResponseSet).values(assessment_id=assessment, **values))


def declined_to_staff(session: Any, runtime: Any, anna: int) -> None:
    assessment = session.scalars(select(Message.assessment_id)).one()
    given = {"study": runtime.study, "sites": None, "actor": STAFF, "now": runtime.clock()}
    missing.decline(session, assessment_id=assessment, note=None, **given)


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        (wrong_number, "wrong_number"),
        (undeliverable, "undeliverable"),
        (answered_behind_our_back, "submitted"),
        (declined_to_staff, "declined"),
    ],
)
def test_a_fact_that_nobody_cancelled_for_is_seen_before_the_message_goes(runtime, anna, gateway, fact, why):
    tick(runtime)
    with runtime.writing.begin() as session:
        fact(session, runtime, anna)
    assert deliver(runtime, gateway) == 0
    assert states(runtime) == [("opens+0", "cancelled", why)]
    assert told(runtime) == {"message.queued": 1, "message.cancelled": 1}


def test_a_message_that_the_night_has_overtaken_waits_for_the_morning(runtime, anna, gateway, clock):
    tick(runtime)
    clock.forward(hours=11)  # 21:00
    assert deliver(runtime, gateway) == 0
    row = only(runtime)
    assert row.state == "queued"
    assert row.next_try_at.isoformat() == "2026-11-24T07:00:00+00:00"
    assert row.state_reason == "quiet_hours"
    clock.set(row.next_try_at)
    assert deliver(runtime, gateway) == 1
    assert only(runtime).state_reason is None


def test_why_a_gateway_did_not_take_it_is_kept_while_it_waits(runtime, anna, gateway, clock):
    gateway.answer = raises(PassingFailure("recipient_later"))
    tick(runtime)
    assert deliver(runtime, gateway) == 1
    clock.forward(hours=11)
    assert deliver(runtime, gateway) == 0
    assert (only(runtime).state, only(runtime).state_reason) == ("queued", "recipient_later")


def test_a_queued_message_waits_from_the_first_day_of_a_pause_to_its_last(runtime, anna, gateway, clock):
    tick(runtime)
    with runtime.writing.begin() as session:
        contact_pauses.pause_contact(
            session, study=runtime.study, study_id="UME-001", sites=None, from_on=date(2026, 11, 24),
            until_on=date(2026, 11, 26), reason="Away", actor=STAFF, now=clock(),
        )  # fmt: skip
    assert only(runtime).state == "queued"
    clock.forward(days=1)
    assert deliver(runtime, gateway) == 0
    row = only(runtime)
    assert (row.state, row.state_reason, row.next_try_at.isoformat()) == (
        "queued",
        "paused",
        "2026-11-27T07:00:00+00:00",
    )
    clock.set(row.next_try_at)
    assert deliver(runtime, gateway) == 1


@pytest.mark.parametrize("hour", [19, 20])
def test_what_was_queued_before_a_transfer_goes_as_the_new_site_and_the_new_language_want_it(
    runtime, anna, gateway, clock, hour
):
    """The new site lives an hour behind, works by an amended text, and has a number of its own."""
    tick(runtime)
    text = MessageTexts(sms={"sv": "Ny text, {phone} {link}", "en": "New words, {phone} {link}"})
    policy = runtime.study.follow_up
    policy = policy.model_copy(update={"texts": policy.texts.model_copy(update={"reminder": text})})
    sites = tuple(
        one.model_copy(update={"time_zone": "Europe/London"}) if one.code == "LUN" else one
        for one in runtime.study.sites
    )
    newer = runtime.study.model_copy(update={"number": "2.0", "follow_up": policy, "sites": sites})
    runtime = replace(runtime, study=combine(runtime.study, [Activation("LUN", date(2026, 11, 1), newer)]))
    about = {"study_id": "UME-001", "sites": None, "actor": STAFF, "now": clock()}
    with runtime.writing.begin() as session:
        transfer.transfer(session, study=runtime.study, to="LUN", effective_on=clock().date(), note=None, **about)
        language_change.change_language(session, study=runtime.study, language="en", **about)
    clock.set(
        clock().replace(hour=hour, minute=30)
    )  # 20:30 and 21:30 in Umeå, where it is night; 19:30 and 20:30 there
    assert deliver(runtime, gateway) == (hour == 19)
    if hour == 19:
        assert gateway.given[0].text.startswith(f"New words, {newer.site('LUN').phone}")
    else:
        assert only(runtime).next_try_at.isoformat() == "2026-11-24T08:00:00+00:00"


def test_who_changed_to_letters_gets_the_message_in_the_list_of_letters(runtime, anna, gateway):
    tick(runtime)
    with runtime.writing.begin() as session:
        session.execute(update(Contact).values(channel="letter"))
    assert deliver(runtime, gateway) == 0
    assert gateway.given == []


# --- a row that cannot be decided about -----------------------------------------------------------------------------


def poison(runtime: Any, participant_id: int) -> None:
    """A row that no decision can be made from: a wish without its time."""
    people = People(runtime, None, lambda *_: None)
    with runtime.writing.begin() as session:
        session.execute(
            insert(PatientRequest).values(
                participant_id=participant_id,
                assessment_id=people.assessment_id(participant_id, "m03"),
                type="remind_later",
                payload={},
                recorded_at=runtime.clock(),
            )
        )


def test_one_that_cannot_be_decided_about_does_not_hold_up_the_others(runtime, anna, gateway, clock):
    beda = People(runtime, None, lambda *_: None).participant("UME-002", randomized_on=OPENED_TODAY)
    tick(runtime)
    poison(runtime, anna)
    assert deliver(runtime, gateway) == 1
    assert {row.participant_id: (row.state, row.attempts) for row in rows(runtime)} == {
        anna: ("queued", 0),
        beda: ("sent", 1),
    }
    assert deliver(runtime, gateway) == 0
    assert told(runtime)["message.postponed"] == 1  # looked at again in an hour, not every three seconds
    clock.set(rows(runtime)[0].not_after)
    assert deliver(runtime, gateway) == 0
    assert (rows(runtime)[0].state, rows(runtime)[0].state_reason) == ("cancelled", "too_late")


def test_more_useless_rows_than_are_looked_at_in_one_go_do_not_hide_the_good_one(
    runtime, anna, gateway, clock, monkeypatch
):
    monkeypatch.setattr(outbox, "AT_ONCE", 5)
    tick(runtime)
    before = clock() - timedelta(minutes=1)
    with runtime.writing.begin() as session:
        for number in range(12):
            outbox.queue(
                session, key=f"test:{number}", kind="test", channel="sms", participant_id=anna, due_at=before,
                now=before, not_after=before, actor=STAFF,
            )  # fmt: skip
    assert deliver(runtime, gateway) == 1
    assert Counter(row.state for row in rows(runtime)) == {"cancelled": 12, "sent": 1}


def test_one_that_cannot_be_decided_about_does_not_keep_others_from_being_queued(runtime, anna):
    beda = People(runtime, None, lambda *_: None).participant("UME-002", randomized_on=OPENED_TODAY)
    poison(runtime, anna)
    with runtime.reading() as session:
        seen = delivery.reminding.look(session, study=runtime.study, vault=runtime.vault, now=runtime.clock())
    assert len(seen.failed) == 1
    assert tick(runtime) == ["opens+0"]
    assert only(runtime).participant_id == beda


def test_a_message_to_staff_whose_text_cannot_be_made_waits_alone(runtime, anna, gateway, clock):
    with runtime.writing.begin() as session:
        user = StaffUser(email="s@example.se", name="S", role="nurse", language="sv", created_at=clock())
        session.add(user)
        session.flush()
        outbox.queue(
            session, key="digest:1", kind="digest", channel="email", user_id=user.id, due_at=clock(), now=clock(),
            actor=STAFF,
        )  # fmt: skip

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError("+46701740605")

    tried = delivery.deliver_once(runtime, gateway.both(), worker="w1", composers={"digest": breaks})
    assert tried == 0
    assert (only(runtime).state, only(runtime).next_try_at) == ("queued", clock() + timedelta(hours=1))


@pytest.mark.parametrize("kind", ["reminder", "test"])
def test_a_worker_that_was_started_with_the_wrong_keys_cancels_nothing(runtime, anna, gateway, clock, kind):
    if kind == "test":
        about = {"kind": "test", "channel": "sms", "participant_id": anna, "due_at": clock(), "now": clock()}
        with runtime.writing.begin() as session:
            outbox.queue(session, key="test:1", actor=STAFF, **about)
    else:
        tick(runtime)
    wrong = replace(runtime, vault=Vault(SECRET, (b"z" * 32,)))
    assert deliver(wrong, gateway) == 0
    assert only(runtime).state == "queued"
    clock.forward(hours=1)
    n = deliver(runtime, gateway)
    print(states(runtime), rows(runtime)[0].next_try_at, clock())
    assert n == 1


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_passing_failure_is_tried_again_after_growing_pauses_with_the_same_reference(runtime, anna, gateway, clock):
    gateway.answer = raises(PassingFailure("refused"))
    tick(runtime)
    pauses = []
    for _ in range(5):
        assert deliver(runtime, gateway) == 1
        pauses.append(only(runtime).next_try_at - clock())
        assert deliver(runtime, gateway) == 0
        clock.set(only(runtime).next_try_at)
    assert all(
        timedelta(seconds=22) * 2**number <= pause <= timedelta(seconds=38) * 2**number
        for number, pause in enumerate(pauses)
    )
    assert len({message.reference for message in gateway.given}) == 1
    gateway.answer = None
    assert deliver(runtime, gateway) == 1
    assert (only(runtime).state, only(runtime).attempts) == ("sent", 6)
    assert told(runtime) == {"message.queued": 1, "message.try_failed": 5, "message.sent": 1}


def test_pauses_have_a_cap_and_the_gateways_own_word_counts():
    assert outbox.pause(40, chance=lambda: 1.0) == timedelta(hours=1.25)
    assert outbox.pause(1, retry_after=timedelta(minutes=5), chance=lambda: 0.5) == timedelta(minutes=5)
    assert outbox.pause(1, retry_after=timedelta(days=5), chance=lambda: 0.5) == timedelta(hours=1)


def test_what_cannot_be_handed_over_in_time_is_given_up(runtime, anna, gateway, clock):
    gateway.answer = raises(PassingFailure("refused"))
    tick(runtime)
    deliver(runtime, gateway)
    assert only(runtime).not_after is not None
    clock.set(only(runtime).not_after)
    assert deliver(runtime, gateway) == 0
    assert (only(runtime).state, only(runtime).state_reason) == ("failed", "too_late")


def test_of_a_message_whose_window_was_moved_the_new_dates_say_how_long_it_is_tried(runtime, anna, gateway, clock):
    tick(runtime)
    later = timedelta(days=14)
    with runtime.writing.begin() as session:
        row = session.get_one(Assessment, only(runtime).assessment_id)
        for name in ("target_on", "opens_on", "closes_on", "late_until"):
            setattr(row, name, getattr(row, name) + later)
    assert deliver(runtime, gateway) == 0
    assert only(runtime).next_try_at == clock() + later
    clock.set(only(runtime).next_try_at)
    gateway.answer = raises(PassingFailure("gateway_fault"))
    assert deliver(runtime, gateway) == 1
    assert states(runtime) == [("opens+0", "queued", "gateway_fault")]


@pytest.mark.parametrize("bad", [False, True])
def test_a_permanent_failure_ends_it_and_a_bad_address_is_marked(runtime, anna, gateway, bad):
    gateway.answer = raises(PermanentFailure("no_such_number", undeliverable=bad))
    tick(runtime)
    deliver(runtime, gateway)
    assert states(runtime) == [("opens+0", "failed", "no_such_number")]
    assert (contact(runtime).undeliverable_at is not None) is bad
    assert told(runtime)["contact.undeliverable"] == int(bad)


def test_an_unknown_outcome_is_possibly_sent_and_never_sent_again_by_itself(runtime, anna, gateway, clock):
    gateway.answer = raises(UnknownOutcome("no_answer"))
    tick(runtime)
    deliver(runtime, gateway)
    assert states(runtime) == [("opens+0", "possibly_sent", "no_answer")]
    clock.forward(hours=3)
    tick(runtime)
    assert deliver(runtime, gateway) == 0
    assert len(gateway.given) == 1


def test_a_gateway_that_breaks_counts_as_an_unknown_outcome_and_stops_nothing(runtime, anna, gateway):
    gateway.answer = raises(RuntimeError("+46701740605"))
    tick(runtime)
    assert deliver(runtime, gateway) == 1
    assert states(runtime) == [("opens+0", "possibly_sent", "gateway_broken")]


# --- a worker that never came back ----------------------------------------------------------------------------------


def claimed(runtime: Any) -> outbox.Claimed:
    tick(runtime)
    with runtime.writing.begin() as session:
        found = outbox.claim(
            session, worker="gone", study=runtime.study, vault=runtime.vault, base_url="https://x", now=runtime.clock()
        )
    assert found is not None
    return found


def test_a_lease_that_ran_out_leaves_a_message_possibly_sent(runtime, anna, gateway, clock):
    claimed(runtime)
    assert deliver(runtime, gateway) == 0
    assert only(runtime).state == "sending"
    clock.forward(minutes=2)
    assert deliver(runtime, gateway) == 0
    assert states(runtime) == [("opens+0", "possibly_sent", "lease_over")]
    assert gateway.given == []
    assert told(runtime) == {"message.queued": 1, "message.possibly_sent": 1}


@pytest.mark.parametrize("settled", [False, True])
def test_a_worker_that_was_stopped_before_it_sent_does_not_send_when_it_wakes(
    runtime, anna, gateway, clock, monkeypatch, settled
):
    """Its machine slept for sixteen hours: it is two in the morning, and somebody may have died."""
    sent = delivery._sent

    def asleep(*about: Any) -> Any:
        now = clock.forward(hours=16)
        if settled:
            with runtime.writing.begin() as session:
                assert outbox.settle_expired(session, now=now) == 1
        return sent(*about[:2], now)

    tick(runtime)
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "_sent", asleep)
        assert deliver(runtime, gateway) == 1
    assert gateway.given == []
    assert states(runtime) == [("opens+0", "queued", "stalled")]
    end("death")(runtime, anna)
    clock.set(only(runtime).next_try_at)
    assert deliver(runtime, gateway) == 0
    assert gateway.given == []


def test_a_worker_that_comes_back_late_still_says_what_became_of_it(runtime, anna, gateway, clock):
    one = claimed(runtime)
    clock.forward(minutes=3)
    deliver(runtime, gateway)
    with runtime.writing.begin() as session:
        assert outbox.handed_over(session, one.id, worker="gone", gateway="log", provider_ref="x", now=clock())
    assert (only(runtime).state, only(runtime).settled_at) == ("sent", None)


def test_staff_may_have_it_sent_again_and_it_is_decided_about_anew(runtime, anna, gateway, clock):
    one = claimed(runtime)
    clock.forward(minutes=3)
    deliver(runtime, gateway)
    with runtime.writing.begin() as session:
        messages.resend(session, one.id, sites=frozenset({"UME"}), actor=STAFF, now=clock())
        with pytest.raises(Refused, match="cannot_resend"):
            messages.resend(session, one.id, sites=None, actor=STAFF, now=clock())
    assert deliver(runtime, gateway) == 1
    assert only(runtime).state == "sent"


def test_somebody_elses_message_cannot_be_resent(runtime, anna, clock):
    one = claimed(runtime)
    with runtime.writing.begin() as session:
        for message_id, sites in ((one.id, frozenset({"LUN"})), (999, None)):
            with pytest.raises(NotFound):
                messages.resend(session, message_id, sites=sites, actor=STAFF, now=clock())


def test_what_became_useless_is_not_sent_again(runtime, anna, gateway, clock):
    one = claimed(runtime)
    clock.forward(days=40)
    deliver(runtime, gateway)
    with runtime.writing.begin() as session, pytest.raises(Refused, match="too_late"):
        messages.resend(session, one.id, sites=None, actor=STAFF, now=clock())


# --- receipts -------------------------------------------------------------------------------------------------------


def report(runtime: Any, status: str, reason: str | None = None, ref: str = "ref-1") -> bool:
    with runtime.writing.begin() as session:
        return outbox.receive(
            session, gateway="log", provider_ref=ref, status=status, reason=reason, now=runtime.clock()
        )


@pytest.mark.parametrize(
    "order",
    [
        ("delivered",),
        ("accepted", "delivered"),
        ("delivered", "failed"),
        ("failed", "delivered"),
        ("delivered", "delivered", "accepted"),
    ],
)
@pytest.mark.parametrize("early", [0, 1, 2])
def test_receipts_in_any_order_early_or_twice_end_in_the_same(runtime, anna, gateway, order, early):
    tick(runtime)
    for status in order[:early]:
        report(runtime, status)
    deliver(runtime, gateway)
    for status in (*order[early:], *order):
        report(runtime, status)
    assert only(runtime).state == "delivered"
    assert contact(runtime).undeliverable_at is None
    with runtime.reading() as session:
        assert len(session.scalars(select(DeliveryReceipt)).all()) == len(set(order))
    assert told(runtime)["receipt.received"] == len(set(order))
    assert told(runtime)["message.delivered"] == 1


def test_a_message_that_was_not_delivered_marks_the_contact(runtime, anna, gateway, clock):
    tick(runtime)
    deliver(runtime, gateway)
    clock.forward(minutes=20)
    assert report(runtime, "failed", "absent") is True
    assert report(runtime, "failed", "absent") is False
    assert states(runtime) == [("opens+0", "failed", "absent")]
    assert (contact(runtime).undeliverable_at, contact(runtime).undeliverable_reason) == (clock(), "absent")


def test_an_old_failure_says_nothing_about_a_new_number(runtime, anna, gateway, clock):
    tick(runtime)
    deliver(runtime, gateway)
    clock.forward(minutes=20)
    new_number(runtime)
    report(runtime, "failed")
    assert only(runtime).state == "failed"
    assert contact(runtime).undeliverable_at is None


def test_a_delivered_test_message_verifies_the_contact(runtime, anna, gateway, clock):
    clock.forward(hours=12)  # in the middle of the night: somebody waits for it
    with runtime.writing.begin() as session:
        about = {
            "kind": "test",
            "channel": "sms",
            "participant_id": anna,
            "site_code": "UME",
            "due_at": clock(),
            "now": clock(),
            "actor": STAFF,
        }
        assert outbox.queue(session, key="test:1", **about) is not None
        assert outbox.queue(session, key="test:1", **about) is None
    assert deliver(runtime, gateway) == 1
    assert "provmeddelande" in gateway.given[0].text
    report(runtime, "delivered")
    assert contact(runtime).verified_at == clock()
    assert told(runtime)["contact.reached"] == 1


def test_a_test_message_that_an_outage_delayed_wakes_nobody(runtime, anna, gateway, clock):
    with runtime.writing.begin() as session:
        about = {"participant_id": anna, "site_code": "UME", "due_at": clock(), "now": clock(), "actor": STAFF}
        outbox.queue(session, key="test:1", kind="test", channel="sms", **about)
    clock.forward(hours=12)
    assert deliver(runtime, gateway) == 0
    assert only(runtime).state == "queued"
    assert only(runtime).next_try_at > clock()
    clock.forward(hours=11)
    assert deliver(runtime, gateway) == 1


@pytest.mark.parametrize("type_", ["death", "pro_stop", "trial_withdrawal", "contact_pause"])
def test_a_test_message_to_who_is_not_written_to_is_cancelled(runtime, anna, gateway, clock, type_):
    with runtime.writing.begin() as session:
        outbox.queue(
            session,
            key="test:1",
            kind="test",
            channel="sms",
            participant_id=anna,
            due_at=clock(),
            now=clock(),
            actor=STAFF,
        )
    People(runtime, None, lambda *_: None).event(anna, type_, date(2026, 11, 23))
    assert deliver(runtime, gateway) == 0
    assert only(runtime).state == "cancelled"


def test_a_report_of_an_unknown_message_is_kept(runtime, engine):
    assert report(runtime, "delivered", ref="of-somebody-else") is True
    with runtime.reading() as session:
        event = session.scalars(select(AuditEvent)).one()
        assert (event.chain, event.action) == (audit.SYSTEM, "receipt.received")


class SameKeySameAnswer(Memory):
    """A gateway that takes a reference for an idempotency key, and gives no reference of its own."""

    def send(self, message: Any, *, timeout: float) -> Accepted:
        if message.reference not in {one.reference for one in self.given}:
            self.given.append(message)
        return Accepted(message.reference)


def test_what_did_not_arrive_and_is_sent_again_by_hand_is_another_message_to_the_gateway(runtime, anna, clock):
    gateway = SameKeySameAnswer()
    tick(runtime)
    deliver(runtime, gateway)
    report(runtime, "failed", "absent", ref=only(runtime).provider_ref)
    clock.forward(minutes=5)
    new_number(runtime)
    with runtime.writing.begin() as session:
        messages.resend(session, only(runtime).id, sites=None, actor=STAFF, now=clock())
    assert deliver(runtime, gateway) == 1
    assert len(gateway.given) == 2
    assert only(runtime).state == "sent"
    assert contact(runtime).undeliverable_at is None
    report(runtime, "delivered", ref=only(runtime).provider_ref)
    assert only(runtime).state == "delivered"


def test_what_perhaps_went_and_is_sent_again_by_hand_keeps_its_reference(runtime, anna, clock):
    gateway = Memory(answer=raises(UnknownOutcome("no_answer")))
    tick(runtime)
    deliver(runtime, gateway)
    with runtime.writing.begin() as session:
        messages.resend(session, only(runtime).id, sites=None, actor=STAFF, now=clock())
    deliver(runtime, gateway)
    assert len({message.reference for message in gateway.given}) == 1


def test_a_report_by_our_own_reference_tells_of_a_message_whose_sending_came_to_no_answer(runtime, anna, clock):
    gateway = Memory(answer=raises(UnknownOutcome("no_answer")))
    tick(runtime)
    deliver(runtime, gateway)
    (given,) = gateway.given
    assert (only(runtime).state, only(runtime).provider_ref, only(runtime).reference) == (
        "possibly_sent",
        None,
        given.reference,
    )
    assert report(runtime, "delivered", ref=given.reference)
    assert only(runtime).state == "delivered"


@pytest.mark.parametrize("shape", ["{}", "<{}@pro.example.se>"])
@pytest.mark.parametrize("dies", [True, False])
def test_an_early_report_by_our_own_reference_is_taken_up_when_nobody_knows_better(runtime, anna, clock, shape, dies):
    """It comes while the message is being handed over; then the worker dies, or hears no answer."""
    one = claimed(runtime)
    assert report(runtime, "failed", "absent", ref=shape.format(one.outgoing.reference))
    assert only(runtime).state == "sending"
    if dies:
        clock.forward(minutes=3)
        deliver(runtime, Memory())
    else:
        with runtime.writing.begin() as session:
            outbox.unclear(session, one.id, worker="gone", gateway="log", reason="no_answer", now=clock())
    assert states(runtime) == [("opens+0", "failed", "absent")]
    assert contact(runtime).undeliverable_reason == "absent"


def test_a_mail_that_bounced_after_it_was_taken_is_on_the_worklist(runtime, anna, gateway, clock):
    tick(runtime)
    gateway.name, gateway.answer = "smtp", lambda message: Accepted(f"<{message.reference}@pro.example.se>")
    deliver(runtime, gateway)
    clock.forward(minutes=1)
    for ref in (only(runtime).provider_ref, only(runtime).reference):
        with runtime.writing.begin() as session:
            outbox.receive(
                session, gateway="smtp", provider_ref=ref, status="failed", reason="not_delivered", now=clock()
            )
        assert states(runtime) == [("opens+0", "failed", "not_delivered")]
    assert contact(runtime).undeliverable_at == clock()


def personal(runtime: Any) -> Any:
    sites = tuple(one.model_copy(update={"link": "personal"}) for one in runtime.study.sites)
    return replace(runtime, study=runtime.study.model_copy(update={"sites": sites}))


@pytest.mark.parametrize("corrected", [False, True])
def test_what_perhaps_went_and_is_sent_again_bears_the_same_link_unless_the_number_was_corrected(
    runtime, anna, clock, corrected
):
    """A gateway that knows the reference drops the second copy; the link that the patient holds must live on."""
    runtime = personal(runtime)
    gateway = Memory(answer=raises(UnknownOutcome("no_answer")))
    tick(runtime)
    deliver(runtime, gateway)
    clock.forward(minutes=5)
    if corrected:
        new_number(runtime)
    with runtime.writing.begin() as session:
        messages.resend(session, only(runtime).id, sites=None, actor=STAFF, now=clock())
    deliver(runtime, gateway)
    first, second = (re.search(r"/l#\w+", one.text).group() for one in gateway.given)
    assert (first == second) is not corrected
    assert (gateway.given[0].reference == gateway.given[1].reference) is not corrected
    assert only(runtime).link_hash == token_hash(second.removeprefix("/l#"))


def test_a_test_message_does_not_go_beyond_the_most_of_a_day(runtime, anna, gateway, clock):
    policy = runtime.study.follow_up.model_copy(update={"cap_study": 1})
    runtime = replace(runtime, study=runtime.study.model_copy(update={"follow_up": policy}))
    with runtime.writing.begin() as session:
        for number in range(2):
            outbox.queue(
                session, key=f"test:{number}", kind="test", channel="sms", participant_id=anna, due_at=clock(),
                now=clock(), actor=STAFF,
            )  # fmt: skip
    assert deliver(runtime, gateway) == 1
    assert [(row.state, row.state_reason) for row in rows(runtime)] == [("sent", None), ("queued", "cap_study")]


# --- letters --------------------------------------------------------------------------------------------------------


def test_a_letter_waits_in_its_list_until_somebody_posts_it(runtime, gateway, clock):
    People(runtime, None, lambda *_: None).participant(randomized_on=OPENED_TODAY, channel="letter")
    with runtime.writing.begin() as session:
        assessment = session.scalars(select(Message.assessment_id)).all()
        assert assessment == []
        letter = outbox.queue(
            session,
            key="reminder:1:opens+0:message",
            kind="reminder",
            channel="letter",
            participant_id=1,
            assessment_id=None,
            step="opens+0",
            due_at=clock(),
            now=clock(),
            actor=STAFF,
        )
    assert letter is not None
    assert deliver(runtime, gateway) == 0
    with runtime.writing.begin() as session:
        for _ in range(2):
            messages.letter_posted(session, letter, sites=frozenset({"UME"}), actor=STAFF, now=clock())
        with pytest.raises(NotFound):
            messages.letter_posted(session, letter, sites=frozenset({"LUN"}), actor=STAFF, now=clock())
    assert only(runtime).state == "sent"
    assert told(runtime)["message.posted"] == 1


# --- answers that were given over the telephone ---------------------------------------------------------------------


def rang(runtime: Any, outcome: str = "answered_by_phone", again_on: date | None = None) -> None:
    runtime.clock.forward(minutes=1)
    people = People(runtime, None, lambda *_: None)
    with runtime.writing.begin() as session:
        contact_log.log(
            session, study=runtime.study, sites=None, study_id="UME-001",
            assessment_id=people.assessment_id(1, "m03"), noted=contact_log.Note("phone", outcome, None, again_on),
            actor=Actor("staff", people.staff_id("berit"), "nurse"), now=runtime.clock(),
        )  # fmt: skip


@pytest.mark.parametrize("queued", [True, False])
def test_who_has_answered_a_caller_is_not_reminded_before_the_day_to_ask_again(runtime, anna, gateway, clock, queued):
    if queued:
        tick(runtime)
    rang(runtime, again_on=date(2026, 11, 25))
    assert (tick(runtime), deliver(runtime, gateway)) == ([], 0)
    assert [row.state for row in rows(runtime)] == ["queued"] * queued
    clock.forward(days=2)
    tick(runtime)
    assert deliver(runtime, gateway) == 1


def test_without_a_day_to_ask_again_nothing_goes_until_somebody_has_rung_again(runtime, anna, gateway, clock):
    rang(runtime)
    clock.forward(days=1)
    assert tick(runtime) == []
    rang(runtime, "reached_will_answer")
    assert tick(runtime) == ["opens+0"]
    rang(runtime)
    assert deliver(runtime, gateway) == 0
    assert states(runtime) == [("opens+0", "cancelled", "answered_by_phone")]
