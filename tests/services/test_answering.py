"""Steps, gates and what is left behind: the rules of a sitting below its pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, ResponseSet
from proapp.instruments.answers import Given
from proapp.instruments.scoring import score
from proapp.services import answering
from proapp.services.audit import WORKER, Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.sitting import Sitting, Step
from proapp.services.sitting_reading import find_sitting
from proapp.study.status import AssessmentFacts, ParticipantFacts

BEGUN = datetime(2026, 12, 20, 10, 0, tzinfo=UTC)
CLOSED = datetime(2027, 1, 5, 12, 0, tzinfo=UTC)  # twelve hours after the midnight that ended the grace period
PATIENT = Actor("patient", 1, "patient")


def imagined(study: Any, instruments: Mapping[str, Any], given: Mapping[Step, Given]) -> Sitting:
    """A sitting that no database has seen."""
    return Sitting(
        assessment_id=1,
        participant_id=1,
        site_code="UME",
        timepoint=study.timepoint("m03"),
        assessment=AssessmentFacts("m03", "scheduled", None, None, None, None),
        participant=ParticipantFacts(),
        own=None,
        instruments=tuple(instruments[code] for code in study.timepoint("m03").instruments),
        given=given,
        study=study,
        now=BEGUN,
    )


@pytest.fixture(scope="module")
def definitions() -> Any:
    from tests.conftest import definitions

    return definitions()


def answered(instrument: str, *codes: tuple[int, int]) -> dict[Step, Given]:
    return {Step(instrument, item): Given("answered", code) for item, code in codes}


def test_the_steps_follow_the_printed_order_and_leave_gated_items_out(definitions: Any) -> None:
    study, instruments = definitions
    steps = imagined(study, instruments, {}).steps
    assert len(steps) == 72
    assert steps[0] == Step("c30", 1)
    assert steps[-1] == Step("lmc21", 51)
    assert Step("br23", 35) not in steps
    assert list(steps) == sorted(steps, key=imagined(study, instruments, {}).place)


def test_an_opened_gate_adds_its_item_and_the_total_never_moves(definitions: Any) -> None:
    study, instruments = definitions
    opened = imagined(study, instruments, answered("br23", (34, 2), (45, 3)))
    assert len(opened.steps) == 74
    assert opened.after(Step("br23", 34)) == Step("br23", 35)
    assert opened.total == imagined(study, instruments, {}).total == 74


def test_an_answer_behind_a_closed_gate_does_not_count(definitions: Any) -> None:
    study, instruments = definitions
    assert imagined(study, instruments, answered("br23", (34, 1), (35, 4))).answered == 1
    assert imagined(study, instruments, answered("br23", (34, 2), (35, 4))).answered == 2


def test_the_answers_that_are_shown_are_those_that_count(definitions: Any) -> None:
    """For every state of a gate and of the item behind it: on the list if and only if it is scored."""
    study, instruments = definitions
    for gate in (None, "skipped", "cleared", 1, 2, 4):
        for behind in (None, "skipped", "cleared", 3):
            given = {
                Step("br23", item): Given("answered", one) if isinstance(one, int) else Given(one)
                for item, one in ((34, gate), (35, behind))
                if one is not None
            }
            sitting = imagined(study, instruments, given)
            answers = sum(one.kind == "answered" and step in sitting.steps for step, one in given.items())
            assert sitting.answered == answers, (gate, behind)
            if behind == 3:
                codes = sitting.codes("br23")
                scored = next(one for one in score(instruments["br23"], codes) if one.code == "BRHL")
                assert (scored.answered == 1) == (Step("br23", 35) in sitting.steps), gate


def test_a_sitting_resumes_where_nothing_was_said(definitions: Any) -> None:
    study, instruments = definitions
    given = answered("c30", (1, 1), (3, 1)) | {Step("c30", 2): Given("skipped"), Step("c30", 4): Given("cleared")}
    one = imagined(study, instruments, given)
    assert one.first_open() == Step("c30", 4)
    assert Step("c30", 2) in one.unanswered()
    everything = {step: Given("skipped") for step in one.steps}
    assert imagined(study, instruments, everything).first_open() is None


def test_validity_asks_for_one_scale_of_the_core(definitions: Any) -> None:
    study, instruments = definitions
    assert not answering.is_valid(imagined(study, instruments, {}))
    assert not answering.is_valid(imagined(study, instruments, answered("c30", (1, 1), (2, 1))))
    assert answering.is_valid(imagined(study, instruments, answered("c30", (1, 1), (2, 1), (3, 1))))
    whole_module = answered("lmc21", *((item, 1) for item in range(31, 52)))
    assert not answering.is_valid(imagined(study, instruments, whole_module))


# --- what a patient began and left ----------------------------------------------------------------------------------


@pytest.fixture
def left(people: Any, clock: Any) -> int:
    """The id of a response set that was begun in its window and never sent."""
    clock.set(BEGUN)
    person = people.participant("UME-001", randomized_on=date(2026, 8, 23))
    return people.answered(person, "m03", codes={"c30": {1: 2, 2: 2, 3: 2}}, started_at=BEGUN)


def take_in(runtime: Any, response_set_id: int, now: datetime) -> Any:
    with runtime.writing.begin() as session:
        return answering.submit_abandoned(
            session,
            response_set_id,
            study=runtime.study,
            instruments=runtime.instruments,
            vault=runtime.vault,
            now=now,
            actor=WORKER,
        )


def test_what_was_left_is_taken_in_once_flagged_and_dated_by_its_last_answer(runtime: Any, left: int) -> None:
    assert take_in(runtime, left, CLOSED - timedelta(hours=2)) is None
    receipt = take_in(runtime, left, CLOSED)
    assert receipt is not None
    assert take_in(runtime, left, CLOSED + timedelta(days=1)) is None
    with runtime.reading() as session:
        kept = session.scalars(select(ResponseSet)).one()
        assert (kept.auto_submitted, kept.completed_on, kept.submitted_at) == (True, date(2026, 12, 20), CLOSED)
        assert (kept.receipt, kept.answered_items, kept.valid) == (receipt.reference, 3, True)
        actors = session.execute(select(AuditEvent.action, AuditEvent.actor_kind)).all()
    assert [tuple(row) for row in actors] == [("response_set.submitted", "system")]


def test_what_holds_no_answer_is_not_taken_in(runtime: Any, people: Any, clock: Any) -> None:
    clock.set(BEGUN)
    person = people.participant("UME-002", randomized_on=date(2026, 8, 23))
    empty = people.answered(person, "m03", codes={}, started_at=BEGUN)
    assert take_in(runtime, empty, CLOSED) is None


def test_what_staff_entered_is_not_taken_for_the_patients(runtime: Any, people: Any, clock: Any) -> None:
    clock.set(BEGUN)
    person = people.participant("UME-003", randomized_on=date(2026, 8, 23))
    paper = people.answered(person, "m03", mode="paper", started_at=BEGUN)
    assert take_in(runtime, paper, CLOSED) is None


def test_a_set_that_is_not_there_is_not_found(runtime: Any, left: int) -> None:
    with pytest.raises(NotFound):
        take_in(runtime, left + 1, CLOSED)


# --- writing --------------------------------------------------------------------------------------------------------


def test_writing_asks_for_a_sitting_that_holds_the_lock(runtime: Any, people: Any, left: int) -> None:
    with runtime.writing() as session:
        whose = {"participant_id": 1, "assessment_id": people.assessment_id(1, "m03")}
        loose = find_sitting(session, study=runtime.study, instruments=runtime.instruments, now=BEGUN, **whose)
        with pytest.raises(ValueError, match="lock=True"):
            answering.record(session, loose, Step("c30", 9), raw="1", language="sv", now=BEGUN, actor=PATIENT)


def test_one_locked_sitting_may_write_several_answers_in_one_chain(runtime: Any, people: Any, left: int) -> None:
    from tests.people import faults

    with runtime.writing.begin() as session:
        whose = {"participant_id": 1, "assessment_id": people.assessment_id(1, "m03")}
        held = find_sitting(
            session, study=runtime.study, instruments=runtime.instruments, now=BEGUN, lock=True, **whose
        )
        for item in (9, 10, 11):
            held = answering.record(session, held, Step("c30", item), raw="1", language="sv", now=BEGUN, actor=PATIENT)
        assert held.answered == 6
        assert held.first_open() == Step("c30", 4)
    with runtime.reading() as session:
        told = [fault.sentence for fault in faults(session)]
    # The three answers of `left` were put there by the test, without telling anybody.
    assert len(told) == 3
    assert all("no event tells of" in sentence for sentence in told)


def test_nothing_can_be_recorded_before_the_start(runtime: Any, people: Any, clock: Any) -> None:
    clock.set(BEGUN)
    person = people.participant("UME-004", randomized_on=date(2026, 8, 23))
    whose = {"participant_id": person, "assessment_id": people.assessment_id(person, "m03")}
    with runtime.writing() as session:
        held = find_sitting(
            session, study=runtime.study, instruments=runtime.instruments, now=BEGUN, lock=True, **whose
        )
        with pytest.raises(Refused, match="not_started"):
            answering.record(session, held, Step("c30", 1), raw="1", language="sv", now=BEGUN, actor=PATIENT)
        with pytest.raises(Refused, match="not_started"):
            answering.submit(session, held, vault=runtime.vault, now=BEGUN, actor=PATIENT)
        with pytest.raises(NotFound):
            answering.receipt(held)


def test_what_was_pinned_at_the_start_is_what_is_finished(runtime: Any, people: Any, left: int) -> None:
    from sqlalchemy import update

    packs = {"c30": {"version": "1", "hash": "0" * 64, "algorithm": "1"}}
    with runtime.writing.begin() as session:
        session.execute(update(ResponseSet).values(packs=packs))
    with runtime.reading() as session:
        whose = {"participant_id": 1, "assessment_id": people.assessment_id(1, "m03")}
        found = find_sitting(session, study=runtime.study, instruments=runtime.instruments, now=BEGUN, **whose)
    assert [one.code for one in found.instruments] == ["c30"]
    with pytest.raises(NotFound):
        found.step("br23", 31)
