"""Becoming a participant and being randomised: every rule, what is written, and what is audited."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import func, select

from proapp.db.models import (
    Assessment,
    AuditEvent,
    Contact,
    MissedReason,
    Participant,
    ParticipantEvent,
)
from proapp.services import enrolment
from proapp.services.audit import Actor
from proapp.services.audit_review import faults
from proapp.services.errors import NotFound, Refused
from tests.people import People

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
UME = frozenset({"UME"})


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def enrol(session, runtime, study, nurse):
    def call(study_id="UME-001", now=NOW, **changes):
        given = {
            "site_code": "UME",
            "language": "sv",
            "consent_on": TODAY - timedelta(days=3),
            "channel": "sms",
            "mobile": "070-174 06 55",
            "email": "",
            "sites": UME,
            **changes,
        }
        return enrolment.enrol(
            session, study=study, vault=runtime.vault, study_id=study_id, actor=nurse, now=now, **given
        )

    return call


@pytest.fixture
def randomize(session, study, nurse):
    def call(study_id="UME-001", now=NOW, **changes):
        given = {"arm": "SURG", "randomized_on": TODAY, "randomized_time": None, "sites": UME, **changes}
        return enrolment.randomize(session, study=study, study_id=study_id, actor=nurse, now=now, **given)

    return call


def rows(session, table) -> int:
    return session.scalar(select(func.count()).select_from(table))


# --- enrolling ------------------------------------------------------------------------------------------------------


def test_enrolling_writes_participant_contact_consent_and_plan(session, study, enrol, nurse):
    anna = enrol()
    person = session.get(Participant, anna)
    assert (person.study_id, person.site_code, person.language) == ("UME-001", "UME", "sv")
    assert (person.enrolled_at, person.enrolled_by_id) == (NOW, nurse.id)
    consent = session.scalars(select(ParticipantEvent)).one()
    assert (consent.type, consent.effective_on, consent.recorded_by_id) == ("pro_consent", date(2026, 11, 20), nurse.id)
    assert session.get(Contact, anna).channel == "sms"
    assert rows(session, Assessment) == len(study.timepoints)


def test_every_row_of_an_enrolment_has_exactly_one_audit_event(session, study, enrol):
    anna = enrol()
    events = session.scalars(select(AuditEvent).order_by(AuditEvent.seq)).all()
    assert [event.entity for event in events] == [
        "participant",
        "contact",
        "participant_event",
        *["assessment"] * len(study.timepoints),
        "message",
    ]
    assert {(event.chain, event.actor_role, event.site_code) for event in events} == {(f"p{anna}", "nurse", "UME")}
    assert list(faults(session)) == []


def test_small_letters_are_read_as_the_study_writes_them(session, enrol):
    assert session.get(Participant, enrol(" ume-007 ")).study_id == "UME-007"


@pytest.mark.parametrize(
    ("study_id", "changes", "code"),
    [
        ("UME-1", {}, "study_id_pattern"),
        ("XXX-001", {}, "study_id_pattern"),
        ("", {}, "study_id_pattern"),
        ("LUN-001", {}, "study_id_of_other_site"),
        ("UME-001", {"consent_on": TODAY + timedelta(days=1)}, "date_in_future"),
        ("UME-001", {"language": "fi"}, "language_not_offered"),
        ("UME-001", {"mobile": "090-785 00 00"}, "mobile_landline"),
        ("UME-001", {"mobile": ""}, "mobile_missing"),
        ("UME-001", {"channel": "email"}, "email_missing"),
        ("UME-001", {"email": "anna"}, "email_invalid"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(session, enrol, study_id, changes, code):
    with pytest.raises(Refused) as refused:
        enrol(study_id, **changes)
    assert refused.value.code == code
    assert [rows(session, table) for table in (Participant, Contact, ParticipantEvent, AuditEvent)] == [0, 0, 0, 0]


def test_a_number_is_given_once(session, enrol):
    enrol()
    with pytest.raises(Refused, match="study_id_taken"):
        enrol(mobile="070-174 06 56")
    assert rows(session, Participant) == 1  # and the session can go on: only the attempt was rolled back


def test_a_nurse_enrols_at_her_own_site_only(enrol):
    with pytest.raises(NotFound):
        enrol("LUN-001", site_code="LUN")
    with pytest.raises(NotFound):
        enrol("UME-001", site_code="XXX", sites=None)


@pytest.mark.parametrize("role", ["monitor", "statistician", "administrator"])
def test_who_has_no_business_with_contacts_enrols_nobody(session, runtime, study, role):
    with pytest.raises(NotFound):
        enrolment.enrol(
            session,
            study=study,
            vault=runtime.vault,
            study_id="UME-001",
            site_code="UME",
            language="sv",
            consent_on=TODAY,
            channel="letter",
            mobile=None,
            email=None,
            sites=None,
            actor=Actor("staff", None, role),
            now=NOW,
        )


@pytest.mark.parametrize(
    ("opened_on", "closed_on", "accepted"),
    [
        (None, None, True),
        (date(2026, 11, 20), date(2026, 11, 20), True),
        (date(2026, 11, 21), None, False),
        (None, date(2026, 11, 19), False),
    ],
)
def test_the_site_must_have_been_open_on_the_day_of_consent(study, opened_on, closed_on, accepted):
    site = study.site("UME").model_copy(update={"opened_on": opened_on, "closed_on": closed_on})
    assert enrolment.is_open(site, date(2026, 11, 20)) is accepted


def test_a_closed_site_enrols_nobody(session, runtime, study, nurse):
    sites = tuple(
        site.model_copy(update={"closed_on": date(2026, 1, 1)}) if site.code == "UME" else site for site in study.sites
    )
    closed = study.model_copy(update={"sites": sites})
    closed.__dict__.pop("_sites", None)
    with pytest.raises(Refused, match="site_not_open"):
        enrolment.enrol(
            session,
            study=closed,
            vault=runtime.vault,
            study_id="UME-001",
            site_code="UME",
            language="sv",
            consent_on=TODAY,
            channel="letter",
            mobile=None,
            email=None,
            sites=None,
            actor=nurse,
            now=NOW,
        )


def test_today_is_the_day_at_the_site_and_not_in_utc(enrol):
    late_evening = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)  # half past midnight in Umeå
    assert enrol(consent_on=date(2026, 11, 24), now=late_evening)


def test_the_next_free_number_is_suggested_for_each_site(session, study, enrol):
    enrol("UME-004")
    enrol("UME-011", mobile="070-174 06 56")
    found = enrolment.suggestions(session, study=study, sites=frozenset({"UME", "LUN"}))
    assert found == {"UME": "UME-012", "LUN": "LUN-001"}
    assert set(enrolment.suggestions(session, study=study, sites=None)) == {site.code for site in study.sites}


def test_no_number_is_suggested_beyond_what_the_study_accepts(session, study, enrol):
    enrol("UME-999")
    assert "UME" not in enrolment.suggestions(session, study=study, sites=UME)


# --- randomising ----------------------------------------------------------------------------------------------------


@pytest.fixture
def anna(session, enrol, house):
    """Enrolled, and her baseline submitted on 21 November at 12:00 in Stockholm."""
    anna = enrol(now=NOW - timedelta(days=3))
    session.commit()
    at = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
    house.answered(anna, "baseline", codes={}, started_at=at, submitted_at=at)
    session.expire_all()
    return anna


def test_randomising_records_the_arm_and_dates_the_plan(session, anna, randomize):
    event = session.get(ParticipantEvent, randomize(randomized_time=time(9, 30)))
    assert (event.type, event.effective_on, event.effective_time) == ("randomized", TODAY, time(9, 30))
    assert (event.payload, event.reason) == ({"arm": "SURG"}, None)
    m03 = session.scalars(select(Assessment).where(Assessment.timepoint == "m03")).one()
    assert (m03.participant_id, m03.anchor_on, m03.target_on) == (anna, TODAY, date(2027, 2, 23))
    assert list(faults(session)) == []


def test_randomising_audits_one_event_for_each_row(session, study, anna, randomize):
    before = rows(session, AuditEvent)
    randomize()
    actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.seq)).all()[before:]
    assert actions == ["event.recorded", *["assessment.moved"] * len(study.timepoints)]


def test_randomising_twice_is_refused_and_says_what_stands(anna, randomize):
    randomize()
    with pytest.raises(Refused) as refused:
        randomize(arm="ONC")
    assert refused.value.code == "already_randomized"
    assert refused.value.params == {"effective_on": TODAY, "arm": "SURG"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"randomized_on": TODAY + timedelta(days=1)}, "date_in_future"),
        ({"randomized_time": time(10, 1)}, "time_in_future"),
        ({"randomized_on": date(2026, 11, 19)}, "date_before_consent"),
        ({"arm": "PLACEBO"}, "arm_unknown"),
        ({"randomized_on": date(2026, 11, 20)}, "baseline_missing"),
        ({"override_reason": "x" * 501}, "reason_too_long"),
    ],
)
def test_a_randomisation_that_cannot_be_is_refused(session, anna, randomize, changes, code):
    with pytest.raises(Refused) as refused:
        randomize(**changes)
    assert refused.value.code == code
    assert rows(session, ParticipantEvent) == 1


def test_up_to_the_present_minute_is_not_the_future(anna, randomize):
    assert randomize(randomized_time=time(10, 0))


@pytest.mark.parametrize(
    ("day", "at", "counts"),
    [
        (date(2026, 11, 22), None, True),
        (date(2026, 11, 21), None, True),
        (date(2026, 11, 21), time(12, 0), True),
        (date(2026, 11, 21), time(11, 59), False),
        (date(2026, 11, 20), None, False),
    ],
)
def test_a_baseline_of_the_same_day_counts_by_the_clock(session, study, anna, day, at, counts):
    person = session.get(Participant, anna)
    assert enrolment.baseline_before(session, study, person, day, at) is counts


def test_a_paper_baseline_keyed_later_counts_by_the_day_it_was_filled_in(session, study, enrol, house):
    anna = enrol()
    session.commit()
    house.answered(
        anna,
        "baseline",
        codes={},
        submitted_at=NOW,
        completed_on=date(2026, 11, 21),
        mode="paper",
    )
    session.expire_all()
    person = session.get(Participant, anna)
    assert enrolment.baseline_before(session, study, person, date(2026, 11, 21), time(8, 0))


@pytest.mark.parametrize("flaw", ["not submitted", "nothing to score", "void"])
def test_a_baseline_that_does_not_count_does_not_open_the_gate(session, enrol, randomize, house, flaw):
    anna = enrol(now=NOW - timedelta(days=3))
    session.commit()
    set_id = house.answered(
        anna,
        "baseline",
        codes={},
        submitted_at=None if flaw == "not submitted" else NOW - timedelta(days=2),
        valid=flaw != "nothing to score",
    )
    if flaw == "void":
        from proapp.db.models import ResponseSet

        session.get(ResponseSet, set_id).void_reason = "Somebody else's answers"
        session.flush()
    with pytest.raises(Refused, match="baseline_missing"):
        randomize()


def test_an_override_needs_a_reason_and_keeps_it(session, enrol, randomize):
    enrol()
    for blank in (None, "", "   "):
        with pytest.raises(Refused, match="baseline_missing"):
            randomize(override_reason=blank)
    event = session.get(ParticipantEvent, randomize(override_reason=" Operated at once "))
    assert event.reason == "Operated at once"
    assert event.payload == {"arm": "SURG", "baseline_overridden": True}
    assert "Operated at once" in session.scalars(select(AuditEvent.reason)).all()


def test_an_override_that_was_not_needed_leaves_no_trace(session, anna, randomize):
    event = session.get(ParticipantEvent, randomize(override_reason="just in case"))
    assert (event.reason, event.payload) == (None, {"arm": "SURG"})


def test_a_study_without_a_required_baseline_has_no_gate(session, study, enrol, nurse):
    enrol()
    free = study.model_copy(update={"baseline_required": False})
    assert enrolment.randomize(
        session,
        study=free,
        study_id="UME-001",
        sites=UME,
        arm="ONC",
        randomized_on=TODAY,
        randomized_time=None,
        actor=nurse,
        now=NOW,
    )


def test_a_randomisation_registered_a_year_late_blames_nobody(session, enrol, randomize):
    enrol(consent_on=date(2025, 9, 1))
    randomize(randomized_on=date(2025, 10, 1), override_reason="Registered from the paper list")
    reasons = session.execute(
        select(Assessment.timepoint, MissedReason.code, MissedReason.source).join(
            Assessment, Assessment.id == MissedReason.assessment_id
        )
    ).all()
    assert {(timepoint, code, source) for timepoint, code, source in reasons} == {
        (timepoint, "registered_after_window", "system") for timepoint in ("baseline", "m03", "m06")
    }
    assert list(faults(session)) == []


def test_nobody_is_randomised_after_leaving_or_dying(session, study, anna, randomize, nurse):
    enrolment.record_event(
        session,
        study=study,
        study_id="UME-001",
        sites=UME,
        type="trial_withdrawal",
        data_use="keep",
        effective_on=date(2026, 11, 22),
        actor=nurse,
        now=NOW,
    )
    with pytest.raises(Refused, match="after_end"):
        randomize()


def test_charlie_can_randomise_nobody_of_umea(anna, randomize):
    for study_id in ("UME-001", "UME-404"):
        with pytest.raises(NotFound):
            randomize(study_id, sites=frozenset({"LUN"}))


def test_two_clicks_at_once_randomise_once(runtime, session, study, anna, nurse):
    session.commit()
    barrier, outcomes = threading.Barrier(2), []

    def click(arm: str) -> None:
        barrier.wait()
        try:
            with runtime.writing.begin() as own:
                enrolment.randomize(
                    own,
                    study=study,
                    study_id="UME-001",
                    sites=UME,
                    arm=arm,
                    randomized_on=TODAY,
                    randomized_time=None,
                    actor=nurse,
                    now=NOW,
                )
            outcomes.append("done")
        except Refused as refused:
            outcomes.append(refused.code)

    threads = [threading.Thread(target=click, args=(arm,)) for arm in ("SURG", "ONC")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["already_randomized", "done"]
    session.expire_all()
    assert session.scalar(select(func.count()).where(ParticipantEvent.type == "randomized")) == 1


# --- the second look ------------------------------------------------------------------------------------------------


def test_the_second_look_shows_every_window_and_its_month_end(study):
    windows = enrolment.preview(study, date(2026, 8, 1), date(2026, 8, 31), "ONC", today=TODAY)
    by_code = {window.planned.timepoint: window for window in windows}
    assert list(by_code) == [timepoint.code for timepoint in study.timepoints]
    assert by_code["m03"].planned.target_on == date(2026, 11, 30)
    assert [code for code, window in by_code.items() if window.clamped] == ["m03", "m06", "m18"]
    assert [code for code, window in by_code.items() if window.over] == ["baseline"]


def test_the_second_look_is_what_gets_written(session, study, anna, randomize):
    seen = enrolment.check_randomization(
        session,
        study=study,
        study_id="UME-001",
        sites=UME,
        arm="ONC",
        randomized_on=TODAY,
        randomized_time=None,
        now=NOW,
    )
    assert rows(session, ParticipantEvent) == 1
    randomize(arm="ONC")
    written = session.execute(select(Assessment.timepoint, Assessment.opens_on, Assessment.late_until)).all()
    assert {tuple(row) for row in written} == {
        (window.planned.timepoint, window.planned.opens_on, window.planned.late_until) for window in seen
    }
