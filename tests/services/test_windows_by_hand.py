"""More time for one assessment, and assessments that staff open outside the plan."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from proapp.db.models import Assessment, AssessmentEvent, AuditEvent, ResponseSet
from proapp.export import compliance as table
from proapp.services import cohort, extension, follow_up, planning, reminding_facts, sweep, unscheduled
from proapp.services.audit import WORKER, Actor
from proapp.services.contact_log import find_assessment
from proapp.services.errors import NotFound, Refused
from proapp.services.sitting_reading import find_sitting
from tests.following import following
from tests.people import People, faults

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
UME, LUN = frozenset({"UME"}), frozenset({"LUN"})
STUDY = following()
LATE_UNTIL = date(2026, 11, 20)  # of m03, so that its window is over


def days(number):
    return timedelta(days=number)


@pytest.fixture
def house(runtime):
    object.__setattr__(runtime, "study", STUDY)
    return People(runtime, None, None)


@pytest.fixture
def nurse(house):
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house):
    m03 = STUDY.timepoint("m03")
    target = LATE_UNTIL - days(m03.after_days + m03.grace_days)
    randomized_on = target.replace(month=target.month - 3)
    return house.participant(
        consent_on=randomized_on, randomized_on=randomized_on, enrolled_at=datetime(2026, 6, 1, 9, tzinfo=UTC)
    )


@pytest.fixture
def m03(house, anna):
    return house.assessment_id(anna, "m03")


@pytest.fixture
def about(nurse):
    return {"study": STUDY, "sites": UME, "actor": nurse, "now": NOW}


@pytest.fixture
def extend(session, about, m03):
    def call(until, *, assessment_id=m03, **changes):
        given = {"reason": "In hospital", **about, **changes}
        return extension.extend(session, assessment_id=assessment_id, until=until, **given)

    return call


@pytest.fixture
def shorten(session, about, m03):
    def call(**changes):
        given = {"reason": "Not needed", **about, **changes}
        return extension.end_extension(session, assessment_id=m03, **given)

    return call


def state_of(session, assessment_id, now=NOW):
    session.expire_all()
    return find_assessment(session, study=STUDY, sites=UME, assessment_id=assessment_id, now=now)


# --- more time ------------------------------------------------------------------------------------------------------


def test_a_longer_window_takes_answers_and_leaves_the_protocols_dates(session, extend, m03):
    before = state_of(session, m03)
    assert (before.facts.late_until, before.state.shown) == (LATE_UNTIL, "missed_unexplained")
    extend(TODAY + days(7))
    after = state_of(session, m03)
    assert (after.state.phase, after.state.shown) == ("GRACE", "late")
    assert after.facts._replace(extension_until=None) == before.facts
    (row,) = session.scalars(select(AssessmentEvent)).all()
    assert (row.type, row.payload, row.reason) == ("extended", {"until": "2026-11-30"}, "In hospital")
    told = session.execute(select(AuditEvent.action, AuditEvent.entity).order_by(AuditEvent.seq)).all()
    assert told == [("assessment.extended", "assessment_event"), ("assessment.changed", "assessment")]
    assert list(faults(session)) == []


def test_the_patient_can_answer_again_and_it_counts_as_late(session, runtime, extend, m03, anna):
    extend(TODAY + days(7))
    given = {"study": STUDY, "instruments": runtime.instruments, "participant_id": anna, "assessment_id": m03}
    sitting = find_sitting(session, now=NOW, **given)
    assert sitting.takes_answers
    assert not find_sitting(session, now=NOW + days(8), **given).takes_answers


def test_an_answer_in_the_longer_window_is_late(session, extend, house, anna, m03):
    extend(TODAY + days(7))
    session.commit()
    house.answered(anna, "m03", submitted_at=NOW)
    assert state_of(session, m03).state.timing == "late"


def test_the_longer_window_ends_and_nothing_changes_it_any_more(session, extend, shorten, m03):
    extend(TODAY + days(7))
    later = NOW + days(8)
    assert state_of(session, m03, later).state.phase == "CLOSED"
    for deed in (lambda: extend(TODAY + days(20), now=later), lambda: shorten(now=later)):
        with pytest.raises(Refused, match="extension_over"):
            deed()


def test_it_can_be_changed_and_taken_back_before_it_is_over(session, extend, shorten, m03):
    extend(TODAY + days(7))
    extend(TODAY + days(3))
    assert state_of(session, m03).facts.extension_until == TODAY + days(3)
    shorten()
    assert (state_of(session, m03).facts.extension_until, state_of(session, m03).state.phase) == (None, "CLOSED")
    with pytest.raises(Refused, match="not_extended"):
        shorten()
    assert [row.payload["until"] for row in session.scalars(select(AssessmentEvent).order_by(AssessmentEvent.id))] == [
        "2026-11-30",
        "2026-11-26",
        None,
    ]


def test_the_same_again_adds_nothing(session, extend):
    extend(TODAY + days(7))
    extend(TODAY + days(7))
    assert len(session.scalars(select(AssessmentEvent)).all()) == 1


def test_worker_and_reminders_know_what_was_decided_last(session, runtime, extend, shorten, m03, house, anna):
    """What was begun in the longer window, which was then taken back, is submitted like anything that was begun."""
    given = {"study": STUDY, "vault": runtime.vault}

    def known():
        subject = reminding_facts.subjects(session, assessment_ids=[m03], **given)[m03]
        report = sweep.sweep(session, instruments=runtime.instruments, now=NOW, dry_run=True, **given)
        return subject.facts.extension_until, len(report.submitted)

    extend(TODAY + days(7))
    session.commit()
    house.answered(anna, "m03", codes={"c30": {1: 2}}, started_at=NOW - days(1))
    assert known() == (TODAY + days(7), 0)
    shorten()
    assert known() == (None, 1)


@pytest.mark.parametrize(
    ("until", "reason", "code"),
    [
        (TODAY - days(1), "x", "until_too_early"),
        (LATE_UNTIL + days(STUDY.extension_max_days + 1), "x", "until_too_late"),
        (TODAY + days(7), " ", "reason_required"),
    ],
)
def test_the_studys_limits_hold(extend, until, reason, code):
    with pytest.raises(Refused, match=code):
        extend(until, reason=reason)


def test_the_last_day_that_the_study_allows_is_allowed(session, extend, m03):
    extend(LATE_UNTIL + days(STUDY.extension_max_days))
    assert state_of(session, m03).state.phase == "GRACE"


def test_there_is_no_more_time_for_what_is_answered_closed_for_good_or_the_first(
    session, extend, house, anna, m03, about
):
    with pytest.raises(Refused, match="baseline"):
        extend(TODAY, assessment_id=house.assessment_id(anna, "baseline"))
    with pytest.raises(Refused, match="not_asked"):
        extend(TODAY, assessment_id=house.assessment_id(anna, "prog"))
    session.commit()
    house.answered(anna, "m03", submitted_at=NOW)
    with pytest.raises(Refused, match="answered"):
        extend(TODAY + days(7))


@pytest.mark.parametrize("type_", ["death", "pro_stop", "trial_withdrawal"])
def test_nobody_is_given_time_who_is_asked_no_more(session, extend, house, anna, m03, type_):
    session.commit()
    house.event(anna, type_, LATE_UNTIL)
    with pytest.raises(Refused, match="not_asked"):
        extend(TODAY + days(7))


def test_a_cut_before_the_decision_knows_nothing_of_it(session, extend, anna):
    extend(TODAY + days(7))
    for cut_off, until in ((TODAY - days(1), None), (TODAY, TODAY + days(7))):
        people = cohort.load(session, study=STUDY, sites=None, today=cut_off, cut_off=cut_off)
        found = next(one for one in people.assessments() if one.timepoint == "m03")
        assert found.facts.extension_until == until


def test_more_time_is_for_the_own_site(extend, shorten):
    with pytest.raises(NotFound):
        extend(TODAY + days(7), sites=LUN)
    extend(TODAY + days(7))
    with pytest.raises(NotFound):
        shorten(sites=LUN)


# --- outside the plan -----------------------------------------------------------------------------------------------


@pytest.fixture
def open_(session, about, anna):
    def call(opens_on=TODAY, closes_on=None, *, timepoint="extra", **changes):
        given = {"study_id": "UME-001", "reason": "Asked for by the board", **about, **changes}
        return unscheduled.open_assessment(
            session, timepoint=timepoint, opens_on=opens_on, closes_on=closes_on, **given
        )

    return call


def test_staff_open_one_with_the_window_of_the_study_file(session, open_):
    one = state_of(session, open_())
    facts = one.facts
    assert (facts.opens_on, facts.target_on, facts.closes_on) == (TODAY, TODAY, TODAY + days(14))
    assert (facts.late_until, one.state.shown, one.occurrence) == (TODAY + days(21), "due", 1)
    (row,) = session.scalars(select(AssessmentEvent)).all()
    assert (row.type, row.reason, row.payload["closes_on"]) == ("opened", "Asked for by the board", "2026-12-07")
    assert list(faults(session)) == []


def test_or_with_a_window_of_their_own(session, open_):
    facts = state_of(session, open_(TODAY + days(2), TODAY + days(5))).facts
    assert (facts.opens_on, facts.closes_on, facts.late_until) == (TODAY + days(2), TODAY + days(5), TODAY + days(12))


def test_the_patient_can_answer_it(session, runtime, open_, anna):
    sitting = find_sitting(
        session, study=STUDY, instruments=runtime.instruments, participant_id=anna, assessment_id=open_(), now=NOW
    )
    assert sitting.takes_answers
    assert [one.code for one in sitting.instruments] == ["c30"]


def test_a_second_one_has_the_next_number(session, open_, house, anna):
    first = open_(closes_on=TODAY + days(1))
    second = open_(TODAY + days(2))
    assert [state_of(session, one).occurrence for one in (first, second)] == [1, 2]


def test_the_same_form_twice_is_one_assessment(session, open_):
    assert open_() == open_()
    assert len(session.scalars(select(Assessment).where(Assessment.timepoint == "extra")).all()) == 1


def test_two_windows_do_not_run_beside_each_other(open_):
    open_()
    with pytest.raises(Refused, match="still_open"):
        open_(TODAY + days(14))


def test_replanning_leaves_it_alone(session, open_, anna):
    open_()
    assert planning.replan(session, STUDY, anna, actor=WORKER, now=NOW) == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"timepoint": "m12"}, "timepoint_unknown"),
        ({"timepoint": "nothing"}, "timepoint_unknown"),
        ({"opens_on": TODAY - days(1)}, "opens_in_past"),
        ({"opens_on": TODAY + days(400)}, "opens_too_far"),
        ({"closes_on": TODAY - days(1)}, "closes_before_open"),
        ({"closes_on": TODAY + days(400)}, "window_too_long"),
        ({"reason": ""}, "reason_required"),
    ],
)
def test_what_cannot_be_opened_is_refused(session, open_, changes, code):
    with pytest.raises(Refused, match=code):
        open_(**changes)
    assert session.scalars(select(AuditEvent.id)).all() == []


def test_one_of_the_other_arm_is_not_offered(house, session, about):
    house.participant("UME-002", consent_on=date(2026, 9, 1), randomized_on=date(2026, 9, 10), arm="ONC")
    with pytest.raises(Refused, match="timepoint_unknown"):
        unscheduled.open_assessment(
            session, study_id="UME-002", timepoint="extra_br", opens_on=TODAY, closes_on=None, reason="x", **about
        )
    assert [one.code for one in unscheduled.choices(STUDY, "ONC")] == ["extra"]


def test_nothing_is_opened_for_who_answers_no_more(session, open_, house, anna):
    session.commit()
    house.event(anna, "pro_stop", TODAY)
    with pytest.raises(Refused, match="not_taking_part"):
        open_()


def test_one_opened_by_mistake_is_taken_back_unless_it_is_begun(session, open_, about, house, anna):
    first = open_(closes_on=TODAY)
    unscheduled.take_back(session, assessment_id=first, reason="The wrong Anna", **about)
    unscheduled.take_back(session, assessment_id=first, reason="The wrong Anna", **about)
    assert state_of(session, first).state.not_expected_reason == "opened_by_mistake"
    assert list(faults(session)) == []
    second = open_()
    session.commit()
    with pytest.raises(Refused, match="not_unscheduled"):
        unscheduled.take_back(session, assessment_id=house.assessment_id(anna, "m03"), reason="x", **about)
    begin(session, second)
    with pytest.raises(Refused, match="begun"):
        unscheduled.take_back(session, assessment_id=second, reason="x", **about)
    rows = follow_up.work(session, study=STUDY, sites=UME, now=NOW).rows
    assert first not in [row.assessment.id for row in rows if row.assessment]


def begin(session, assessment_id):
    row = ResponseSet(
        assessment_id=assessment_id,
        mode="self_remote",
        respondent="self",
        protocol_version="1",
        packs={},
        started_at=NOW,
    )
    session.add(row)
    session.flush()


def test_it_is_in_no_rate_but_in_every_list(session, open_, anna):
    open_()
    people = cohort.load(session, study=STUDY, sites=UME, today=TODAY, cut_off=TODAY)
    assert "extra" in [one.timepoint for one in people.assessments()]
    assert {code for code, _ in table.flows(people, STUDY)} == {
        one.code for one in STUDY.timepoints if one.kind != "unscheduled"
    }


def test_a_cut_before_it_was_opened_does_not_have_it(session, open_):
    open_()
    before = TODAY - days(1)
    people = cohort.load(session, study=STUDY, sites=UME, today=before, cut_off=before)
    assert "extra" not in [one.timepoint for one in people.assessments()]


def test_assessments_are_opened_at_the_own_site(open_, session, about):
    with pytest.raises(NotFound):
        open_(sites=LUN)
    opened = open_()
    with pytest.raises(NotFound):
        unscheduled.take_back(session, assessment_id=opened, reason="x", **{**about, "sites": LUN})
