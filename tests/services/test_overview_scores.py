from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import insert

from proapp.db.models import Answer
from proapp.services import cohort, overview
from proapp.services.overview import Wanted

SENT = datetime(2026, 6, 1, 9, tzinfo=UTC)
TODAY = date(2026, 11, 23)


def members(session: Any, runtime: Any) -> Any:
    return cohort.load(session, study=runtime.study, sites=None, today=TODAY).members


def scores(session: Any, runtime: Any, assessments: Any) -> Any:
    return overview.scores(session, assessments, study=runtime.study, instruments=runtime.instruments)


def test_scores_come_from_the_newest_answer_of_each_item(
    session: Any, runtime: Any, people: Any, statements: list[str]
) -> None:
    person = people.participant("UME-001", randomized_on=date(2026, 6, 1))
    set_id = people.answered(person, "baseline", submitted_at=SENT)
    common = {"response_set_id": set_id, "instrument": "c30", "language": "sv", "recorded_at": SENT, "actor": "patient"}
    newer = [
        {**common, "item": 1, "kind": "answered", "code": 4},
        {**common, "item": 2, "kind": "cleared", "code": None},
        {**common, "item": 9, "kind": "skipped", "code": None},
    ]
    with runtime.writing.begin() as other:
        other.execute(insert(Answer), newer)
    (member,) = members(session, runtime)
    statements.clear()
    found = scores(session, runtime, member.assessments)
    assert len(statements) == 1
    c30 = {score.code: score for score in found[people.assessment_id(person, "baseline")]["c30"]}
    assert (c30["PF2"].value, c30["PF2"].answered, c30["PF2"].outcome) == (75.0, 4, "prorated")  # 4, -, 1, 1, 1
    assert (c30["PA"].answered, c30["PA"].value) == (1, 0.0)
    assert set(found) == {people.assessment_id(person, "baseline")}


def test_what_was_begun_and_not_sent_has_no_scores(session: Any, runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=date(2026, 8, 12))
    people.answered(person, "m03", codes={"c30": {1: 1}})
    (member,) = members(session, runtime)
    assert scores(session, runtime, member.assessments) == {}


def test_an_answer_given_late_has_a_status_of_its_own(session: Any, runtime: Any, people: Any) -> None:
    person = people.participant("UME-001", randomized_on=date(2026, 6, 1))
    people.answered(person, "m03", submitted_at=datetime(2026, 10, 5, 9, tzinfo=UTC), codes={})
    wanted = Wanted(status="completed_late")
    grid = overview.grid(session, study=runtime.study, sites=None, today=TODAY, wanted=wanted)
    assert [member.study_id for member, _ in grid.rows] == ["UME-001"]
    only = overview.grid(session, study=runtime.study, sites=None, today=TODAY, wanted=Wanted(status="completed"))
    assert only.rows == ()


def test_counts_leave_out_what_is_not_expected_and_what_can_still_come(session: Any, runtime: Any, people: Any) -> None:
    dead = people.participant("UME-001", randomized_on=date(2026, 6, 1))
    people.event(dead, "death", date(2026, 8, 1))
    people.participant("UME-002", randomized_on=date(2026, 6, 1))
    grid = overview.grid(session, study=runtime.study, sites=None, today=TODAY, wanted=Wanted())
    at = dict(zip((code for code, _ in grid.columns), grid.counts, strict=True))
    assert (at["m03"].answered, at["m03"].expected) == (0, 1)
    assert (at["m06"].answered, at["m06"].expected) == (0, 0)
