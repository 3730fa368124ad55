"""Surgery, progression, the end of treatment, lost contact, pauses, another language; and what follows from each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from proapp.db.models import Assessment, AuditEvent, Message, MissedReason, Participant, ParticipantEvent
from proapp.services import (
    cohort,
    contact_pauses,
    event_corrections,
    follow_up,
    language_change,
    messages,
    participant_events,
    planning,
    reminding,
    transfer,
)
from proapp.services.audit import WORKER, Actor
from proapp.services.errors import NotFound, Refused
from tests.following import following
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
CONSENT, RANDOMISED = date(2026, 8, 1), date(2026, 8, 24)  # m03 on 24 November
UME, LUN = frozenset({"UME"}), frozenset({"LUN"})
STUDY = following()


@pytest.fixture
def house(runtime):
    object.__setattr__(runtime, "study", STUDY)
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house):
    return house.participant(
        consent_on=CONSENT, randomized_on=RANDOMISED, enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


@pytest.fixture
def about(nurse, anna):
    return {"study": STUDY, "study_id": "UME-001", "sites": UME, "actor": nurse, "now": NOW}


@pytest.fixture
def record(session, about):
    def call(type_, on, **changes):
        return participant_events.record_event(session, **{**about, "type": type_, "effective_on": on, **changes})

    return call


@pytest.fixture
def correct(session, about):
    def call(event_id, new_date, **changes):
        """What is done when a second person has approved it, where one is needed."""
        given = {"reason": "Read wrongly", "approved": True, **about, **changes}
        correction = event_corrections.Correction(event_id, new_date)
        return event_corrections.put_right(session, correction=correction, **given)

    return call


@pytest.fixture
def revoke(session, about):
    def call(event_id, **changes):
        given = {"reason": "No", "approved": True, **about, **changes}
        return event_corrections.put_right(session, correction=event_corrections.Correction(event_id, None), **given)

    return call


def planned(session, timepoint):
    """(occurrence, anchor, target, why it is cancelled) of every assessment of a time point."""
    session.expire_all()
    rows = session.scalars(select(Assessment).where(Assessment.timepoint == timepoint).order_by(Assessment.occurrence))
    return [(row.occurrence, row.anchor_on, row.target_on, row.cancelled_reason) for row in rows]


def days(number):
    return timedelta(days=number)


# --- what follows from an event -------------------------------------------------------------------------------------


def test_a_time_point_waits_for_its_event_and_gets_its_dates_from_it(session, record, anna):
    assert planned(session, "op1") == [(1, None, None, None)]
    record("surgery", date(2026, 11, 10))
    assert planned(session, "op1") == [(1, date(2026, 11, 10), date(2026, 12, 10), None)]
    assert planned(session, "prog") == [(1, None, None, None)]
    audited = session.scalars(select(AuditEvent).where(AuditEvent.chain == f"p{anna}").order_by(AuditEvent.seq)).all()
    assert [one.action for one in audited] == ["event.recorded", "assessment.moved"]


def test_each_progression_has_an_assessment_in_the_order_of_the_days(session, record):
    second, first = date(2026, 11, 20), date(2026, 11, 1)
    record("progression", second)
    record("progression", first)
    assert planned(session, "prog") == [(1, first, first + days(7), None), (2, second, second + days(7), None)]


def test_what_is_begun_stays_with_its_own_progression(session, record, house, anna, nurse):
    second, first = date(2026, 11, 20), date(2026, 11, 1)
    record("progression", second)
    session.commit()
    house.answered(anna, "prog", codes={"c30": {1: 2}})
    record("progression", first)
    assert planned(session, "prog") == [(1, second, second + days(7), None), (2, first, first + days(7), None)]


def test_a_correction_moves_what_nobody_has_opened(session, record, correct):
    event = record("progression", date(2026, 11, 1))
    (move,) = correct(event, date(2026, 11, 8), dry_run=True)
    assert (move.timepoint, move.moves, move.new.target_on) == ("prog", True, date(2026, 11, 15))
    assert planned(session, "prog") == [(1, date(2026, 11, 1), date(2026, 11, 8), None)]
    assert correct(event, date(2026, 11, 8)) == (move,)
    assert planned(session, "prog") == [(1, date(2026, 11, 8), date(2026, 11, 15), None)]


def test_a_correction_leaves_what_is_begun_and_asks_for_nothing_more(session, record, correct, house, anna):
    event = record("progression", date(2026, 11, 18))
    session.commit()
    house.answered(anna, "prog", submitted_at=NOW)
    (move,) = correct(event, date(2026, 10, 1))
    assert (move.moves, move.mismatch) == (False, True)
    assert planned(session, "prog") == [(1, date(2026, 11, 18), date(2026, 11, 25), None)]


def test_a_progression_taken_back_takes_its_assessment_along(session, record, revoke):
    first, second = record("progression", date(2026, 11, 1)), record("progression", date(2026, 11, 20))
    revoke(second)
    assert planned(session, "prog")[1] == (2, None, None, "event_taken_back")
    revoke(first)
    assert planned(session, "prog") == [(1, None, None, None), (2, None, None, "event_taken_back")]
    record("progression", date(2026, 11, 2))
    record("progression", date(2026, 11, 21))
    assert [row[3] for row in planned(session, "prog")] == [None, None]


def test_answers_outlive_the_event_they_were_asked_for(session, record, revoke, house, anna):
    event = record("progression", date(2026, 11, 18))
    session.commit()
    house.answered(anna, "prog", submitted_at=NOW)
    revoke(event)
    assert planned(session, "prog") == [(1, date(2026, 11, 18), date(2026, 11, 25), None)]
    record("progression", date(2026, 11, 22))
    assert planned(session, "prog")[1] == (2, date(2026, 11, 22), date(2026, 11, 29), None)


def test_a_window_over_before_it_was_known_is_nobodys_fault_but_the_registers(session, record):
    record("progression", date(2026, 9, 1))
    assert session.scalars(select(MissedReason.code)).all() == ["registered_after_window"]


def test_replanning_is_idempotent_whatever_was_recorded(session, record, anna):
    record("progression", date(2026, 11, 20))
    record("surgery", date(2026, 11, 2))
    record("progression", date(2026, 11, 1))
    assert planning.replan(session, STUDY, anna, actor=WORKER, now=NOW + days(30)) == ()
    assert list(faults(session)) == []


def test_the_second_look_writes_nothing_and_tells_what_comes(session, about, anna):
    given = {name: about[name] for name in ("study", "study_id", "sites", "now")}
    ((move,),) = _told(
        participant_events.foresee_event(session, type="surgery", effective_on=date(2026, 11, 10), **given)
    )
    assert (move.timepoint, move.old.target_on, move.new.target_on) == ("op1", None, date(2026, 12, 10))
    assert session.scalars(select(AuditEvent.id)).all() == []
    assert _told(participant_events.foresee_event(session, type="off_treatment", effective_on=TODAY, **given)) == [()]


def _told(diff):
    return [person.told for person in diff.participants]


@pytest.mark.parametrize(
    "type_", ["off_treatment", "lost_to_follow_up", "contact_pause", "language_change", "site_transfer"]
)
def test_contact_and_scope_never_change_what_is_expected(session, record, pause, speak, about, type_):
    def seen():
        session.expire_all()
        (member,) = cohort.load(session, study=STUDY, sites=None, today=TODAY + days(60)).members
        return member.facts, [(one.facts, one.state) for one in member.assessments]

    before = seen()
    match type_:
        case "contact_pause":
            pause(TODAY - days(3))
        case "language_change":
            speak("en")
        case "site_transfer":
            transfer.transfer(session, to="LUN", effective_on=TODAY, note=None, **about)
        case _:
            record(type_, TODAY - days(3))
    assert session.scalar(select(func.count()).where(ParticipantEvent.type == type_)) == 1
    assert seen() == before


def test_what_happens_once_is_recorded_once_and_what_repeats_once_a_day(record):
    record("progression", TODAY)
    record("progression", TODAY - days(1))
    with pytest.raises(Refused, match="already_recorded"):
        record("progression", TODAY)
    record("off_treatment", TODAY)
    with pytest.raises(Refused, match="already_recorded"):
        record("off_treatment", TODAY - days(1))


# --- corrections ----------------------------------------------------------------------------------------------------


def test_the_day_of_death_is_put_right_and_both_are_kept(session, record, correct):
    event = record("death", date(2026, 11, 10))
    assert correct(event, date(2026, 11, 12)) == ()
    rows = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "death")).all()
    assert [(row.effective_on, row.supersedes_id) for row in rows] == [
        (date(2026, 11, 10), None),
        (date(2026, 11, 12), event),
    ]
    (member,) = cohort.load(session, study=STUDY, sites=UME, today=TODAY).members
    assert member.facts.died_on == date(2026, 11, 12)


def test_a_corrected_consent_moves_the_first_questionnaire(session, correct, anna):
    consent = session.scalar(select(ParticipantEvent.id).where(ParticipantEvent.type == "pro_consent"))
    correct(consent, date(2026, 8, 3))
    assert planned(session, "baseline") == [(1, date(2026, 8, 3), date(2026, 8, 3), None)]
    with pytest.raises(Refused, match="event_replaced"):
        correct(consent, date(2026, 8, 4))


def test_the_decision_about_the_data_goes_with_the_right_date(session, record, correct):
    event = record("trial_withdrawal", date(2026, 11, 10), data_use="keep_until", keep_until=date(2026, 11, 8))
    with pytest.raises(Refused, match="keep_until_out_of_range"):
        correct(event, date(2026, 11, 7))
    correct(event, date(2026, 11, 9))
    newest = session.scalar(select(ParticipantEvent).order_by(ParticipantEvent.id.desc()).limit(1))
    assert newest.payload == {"data_use": "keep_until", "until": "2026-11-08"}


@pytest.mark.parametrize(
    ("type_", "on", "new", "code"),
    [
        ("surgery", date(2026, 11, 1), date(2026, 11, 1), "nothing_changed"),
        ("surgery", date(2026, 11, 1), TODAY + days(1), "date_in_future"),
        ("surgery", date(2026, 11, 1), CONSENT - days(1), "date_before_consent"),
        ("pro_consent", None, date(2026, 8, 25), "date_after_event"),
        ("randomized", None, RANDOMISED, "nothing_changed"),
    ],
)
def test_a_date_that_cannot_be_right_is_refused(session, record, correct, anna, type_, on, new, code):
    event = (
        record(type_, on) if on else session.scalar(select(ParticipantEvent.id).where(ParticipantEvent.type == type_))
    )
    with pytest.raises(Refused, match=code):
        correct(event, new)


def test_a_correction_needs_a_reason_unless_it_is_only_looked_at(record, correct):
    event = record("surgery", date(2026, 11, 1))
    assert correct(event, date(2026, 11, 2), reason=None, dry_run=True)
    with pytest.raises(Refused, match="reason_required"):
        correct(event, date(2026, 11, 2), reason=" ")


def test_corrections_are_for_the_own_site(record, correct, revoke):
    event = record("surgery", date(2026, 11, 1))
    for deed in (lambda: correct(event, TODAY, sites=LUN), lambda: revoke(event, sites=LUN)):
        with pytest.raises(NotFound):
            deed()


def test_what_moves_the_plan_is_not_done_by_one_person(session, record, about):
    surgery, progression = record("surgery", date(2026, 11, 1)), record("progression", date(2026, 11, 2))
    consent = session.scalar(select(ParticipantEvent.id).where(ParticipantEvent.type == "pro_consent"))
    randomized = session.scalar(select(ParticipantEvent.id).where(ParticipantEvent.type == "randomized"))
    before = len(session.scalars(select(ParticipantEvent.id)).all())
    for event in (surgery, progression):
        with pytest.raises(Refused, match="two_people"):
            event_corrections.revoke_event(session, event_id=event, reason="No", **about)
    for event, day in ((surgery, TODAY), (progression, TODAY), (consent, CONSENT + days(2)), (randomized, TODAY)):
        with pytest.raises(Refused, match="two_people"):
            event_corrections.correct_event(session, event_id=event, new_date=day, reason="No", **about)
    assert len(session.scalars(select(ParticipantEvent.id)).all()) == before


def test_what_was_looked_at_is_compared_behind_the_lock(session, record, about, house, anna):
    """Somebody begins to answer between the look and the deed."""
    given = {name: about[name] for name in ("study", "study_id", "sites", "now")}
    event = {"type": "progression", "effective_on": date(2026, 11, 20)}
    first = record("progression", date(2026, 11, 18))
    seen = participant_events.foresee_event(session, **event, **given).digest
    session.commit()
    house.answered(anna, "prog", submitted_at=NOW)
    record("progression", date(2026, 11, 10))
    with pytest.raises(Refused, match="look_again"):
        record("progression", date(2026, 11, 20), seen=seen)
    with pytest.raises(Refused, match="look_again"):
        event_corrections.revoke_event(session, event_id=first, reason="No", seen=seen, **about)
    again = participant_events.foresee_event(session, **event, **given).digest
    assert record("progression", date(2026, 11, 20), seen=again)


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.fixture
def queued(session, anna):
    row = session.scalars(select(Assessment).where(Assessment.timepoint == "m03")).one()
    messages.queue(
        session, key="reminder:1", kind="reminder", channel="sms", due_at=NOW, now=NOW, actor=WORKER,
        participant_id=anna, assessment_id=row.id, step="target+3", site_code="UME",
    )  # fmt: skip
    return lambda: session.execute(select(Message.state, Message.state_reason)).one()


@pytest.mark.parametrize(
    ("type_", "outcome"),
    [
        ("lost_to_follow_up", ("cancelled", "lost")),
        ("pro_stop", ("cancelled", "pro_stop")),
        ("death", ("cancelled", "death")),
        ("surgery", ("queued", None)),
        ("off_treatment", ("queued", None)),
    ],
)
def test_what_waits_is_cancelled_by_what_forbids_it(session, record, queued, type_, outcome):
    record(type_, date(2026, 11, 20))
    assert queued() == outcome
    assert list(faults(session)) == []


@pytest.fixture
def due(session, runtime):
    """(time point, occurrence, step) of what would be queued at a moment."""

    def call(now):
        found = reminding.look(session, study=STUDY, vault=runtime.vault, now=now).due
        rows = {row.id: (row.timepoint, row.occurrence) for row in session.scalars(select(Assessment))}
        return sorted((*rows[one.case.assessment_id], one.decision.step) for one in found)

    return call


def test_reminders_follow_each_progression_and_stop_with_a_pause_or_lost_contact(session, record, revoke, pause, due):
    record("progression", TODAY - days(10))  # the target is three days ago, the reminder is due today
    record("progression", TODAY - days(4))  # and this one in six days
    ten = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)  # 10:05 in Stockholm
    assert due(ten) == [("prog", 1, "target+3")]
    assert ("prog", 2, "target+3") in due(ten + days(7))
    lost = record("lost_to_follow_up", TODAY)
    assert due(ten) == []
    revoke(lost)
    assert due(ten) == [("prog", 1, "target+3")]
    pause(until_on=TODAY + days(1))
    assert due(ten) == []


# --- pauses ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pause(session, about):
    def call(from_on=TODAY, until_on=None, **changes):
        given = {**about, "from_on": from_on, "until_on": until_on, "reason": "Travels", **changes}
        return contact_pauses.pause_contact(session, **given)

    return call


@pytest.fixture
def end(session, about):
    return lambda event_id, **changes: contact_pauses.end_pause(session, event_id=event_id, **{**about, **changes})


def paused(session):
    (member,) = cohort.load(session, study=STUDY, sites=UME, today=TODAY).members
    return [(event.effective_on, event.payload["until"]) for event in member.events if event.type == "contact_pause"]


def test_a_pause_cancels_what_waits_and_leaves_the_windows(session, pause, queued):
    pause(until_on=TODAY + days(14))
    assert queued() == ("cancelled", "paused")
    (member,) = cohort.load(session, study=STUDY, sites=UME, today=TODAY).members
    m03 = next(one for one in member.assessments if one.timepoint == "m03")
    assert (m03.state.expectation, m03.state.shown) == ("EXPECTED", "open")


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_staff_say_why_they_pause(session, pause, reason):
    with pytest.raises(Refused, match="reason_required"):
        pause(reason=reason)
    assert paused(session) == []


def test_nobody_is_on_the_worklist_during_a_pause(session, pause, house, anna):
    later = NOW + days(6)  # m03 is overdue then
    assert follow_up.work(session, study=STUDY, sites=UME, now=later).calls == 1
    pause(until_on=TODAY + days(14))
    assert follow_up.work(session, study=STUDY, sites=UME, now=later).calls == 0


def test_a_pause_that_begins_later_cancels_nothing_yet(pause, queued):
    pause(TODAY + days(1), TODAY + days(5))
    assert queued() == ("queued", None)


def test_ending_a_pause_keeps_the_days_it_lasted(session, pause, end):
    first = pause(TODAY - days(3))
    end(first)
    assert paused(session) == [(TODAY - days(3), (TODAY - days(1)).isoformat())]
    with pytest.raises(NotFound):
        end(first)  # what was put right is no longer there to be ended
    assert pause(TODAY)


def test_a_pause_that_has_not_begun_is_taken_back(session, pause, end):
    end(pause(TODAY, TODAY + days(3)))
    assert paused(session) == []


@pytest.mark.parametrize(
    ("from_on", "until_on", "code"),
    [
        (TODAY, TODAY - days(1), "until_before_from"),
        (TODAY - days(5), TODAY - days(1), "pause_over"),
        (TODAY + days(400), None, "pause_too_far"),
        (TODAY, TODAY + days(400), "pause_too_long"),
        (CONSENT - days(1), None, "date_before_consent"),
    ],
)
def test_a_pause_that_makes_no_sense_is_refused(pause, from_on, until_on, code):
    with pytest.raises(Refused, match=code):
        pause(from_on, until_on)


def test_two_pauses_do_not_overlap(pause):
    pause(TODAY + days(10), TODAY + days(20))
    with pytest.raises(Refused, match="already_paused"):
        pause(TODAY, TODAY + days(10))
    with pytest.raises(Refused, match="already_paused"):
        pause(TODAY + days(20))
    assert pause(TODAY, TODAY + days(9))


def test_pauses_are_for_the_own_site(pause, end):
    with pytest.raises(NotFound):
        pause(sites=LUN)
    event = pause()
    with pytest.raises(NotFound):
        end(event, sites=LUN)


# --- language -------------------------------------------------------------------------------------------------------


@pytest.fixture
def speak(session, about):
    return lambda language, **changes: language_change.change_language(
        session, language=language, **{**about, **changes}
    )


def test_another_language_holds_at_once(session, speak, anna):
    event = session.get(ParticipantEvent, speak("en"))
    assert (event.type, event.effective_on, event.payload) == ("language_change", TODAY, {"from": "sv", "to": "en"})
    assert session.get(Participant, anna).language == "en"
    assert speak("en") is None
    assert list(faults(session)) == []


def test_a_cut_before_the_change_has_the_language_of_then(session, speak):
    speak("en")
    for cut_off, language in ((TODAY - days(1), "sv"), (TODAY, "en")):
        (member,) = cohort.load(session, study=STUDY, sites=UME, today=cut_off, cut_off=cut_off).members
        assert member.language == language


def test_a_language_of_no_study_and_a_foreign_participant_are_refused(speak):
    with pytest.raises(Refused, match="language_not_offered"):
        speak("fi")
    with pytest.raises(NotFound):
        speak("en", sites=LUN)
