"""What was opened keeps its time point; when it is reminded of, and until when at all, is as it is in force now."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from proapp import delivery
from proapp.db.models import PatientRequest
from proapp.delivery import Rounds
from proapp.services import digest, explaining, follow_up
from proapp.study.model import Reminder, Study
from proapp.study.versions import Activation, begun, combine
from tests.messages import OPENED_TODAY, Memory, states
from tests.people import People
from tests.studies import with_steps

TODAY = date(2026, 11, 23)
UME = frozenset({"UME"})
OPENS = Reminder(relative_to="opens", days=0, channel="message", at="10:00")
TASK = Reminder(relative_to="opens", days=0, channel="task")


@pytest.fixture
def house(runtime: Any) -> People:
    return People(runtime, None, lambda *_: None)


@pytest.fixture
def anna(house: People) -> int:
    """She has begun three months, which opened today, and not sent it in."""
    anna = house.participant(randomized_on=OPENED_TODAY)
    house.answered(anna, "baseline", submitted_at=datetime.fromisoformat("2026-08-30T09:00Z"), codes={})
    house.answered(anna, "m03", started_at=house.runtime.clock(), codes={})
    return anna


def amended(runtime: Any, site: str = "UME", base: Study | None = None, steps: Any = None, **changes: Any) -> Any:
    """The runtime once the site works by another version, with the changes."""
    base = base or runtime.study
    newer = base.model_copy(update={"number": "2.0", **changes})
    if steps is not None:
        newer = with_steps(newer, "m03", steps)
    return replace(runtime, study=combine(base, [Activation(site, TODAY, newer)]))


def tick(runtime: Any, rounds: Rounds | None = None) -> list[str]:
    return [due.decision.step for due in delivery.queue_due(runtime, now=runtime.clock(), rounds=rounds)]


def explained(runtime: Any, day: date | None = None) -> dict[str, str]:
    with runtime.reading() as session:
        found = explaining.explain(
            session,
            study=runtime.study,
            vault=runtime.vault,
            sites=UME,
            study_id="UME-001",
            day=day,
            now=runtime.clock(),
        )
    return {step.decision.step: step.decision.reason for one in found.about[:1] for step in one.steps}


def test_the_studys_closing_holds_for_what_was_opened_by_an_earlier_version(runtime, anna):
    closed = amended(runtime, closes_on=TODAY - timedelta(days=1))
    assert tick(closed) == []
    assert set(explained(closed).values()) == {"study_closed"}
    assert tick(amended(runtime, "LUN", closes_on=TODAY - timedelta(days=1))) == ["opens+0"]  # not elsewhere


def test_it_holds_for_what_is_queued_as_well(runtime, anna):
    gateway = Memory()
    assert tick(runtime) == ["opens+0"]
    delivery.deliver_once(amended(runtime, closes_on=TODAY - timedelta(days=1)), gateway.both(), worker="w1")
    assert (gateway.given, states(runtime)) == ([], [("opens+0", "cancelled", "study_closed")])


def test_steps_and_hours_are_those_of_the_version_in_force(runtime, anna):
    later = amended(runtime, steps=[Reminder(relative_to="opens", days=0, channel="message", at="11:00")])
    assert tick(later) == []
    quiet = runtime.study.follow_up.model_copy(update={"quiet_until": time(12)})
    assert tick(amended(runtime, follow_up=quiet)) == []
    assert tick(runtime) == ["opens+0"]


def test_the_day_that_is_explained_has_the_version_of_that_day(runtime, anna, clock):
    closed = amended(runtime, closes_on=TODAY - timedelta(days=1))
    clock.forward(days=1)
    assert set(explained(closed, TODAY - timedelta(days=0)).values()) == {"study_closed"}
    later = replace(
        closed, study=combine(runtime.study, [Activation("UME", TODAY + timedelta(days=1), closed.study.newest)])
    )
    assert explained(later, TODAY)["opens+0"] == "due"


def test_a_time_point_that_is_not_in_force_any_more_is_reminded_of_while_it_is_open(runtime, anna):
    points = tuple(one for one in runtime.study.timepoints if one.code != "m03")
    assert tick(amended(runtime, timepoints=points)) == ["opens+0"]


def test_a_step_that_an_amendment_brings_is_found_by_the_next_tick(runtime, house, clock):
    """Not with the next full hour, though its own minute has been looked through."""
    house.participant(randomized_on=OPENED_TODAY)
    old, rounds = replace(runtime, study=with_steps(runtime.study, "m03", ())), Rounds()
    clock.forward(minutes=4)
    assert tick(old, rounds) == []
    clock.forward(minutes=1)
    new = amended(old, base=old.study, steps=[OPENS])
    assert begun(new.study) != begun(old.study)
    assert tick(new, rounds) == ["opens+0"]


# --- what people do follows the same plan ---------------------------------------------------------------------------


def asked_for_tomorrow(runtime: Any, house: People, anna: int) -> None:
    with runtime.writing.begin() as session:
        at = (runtime.clock() + timedelta(days=1)).isoformat()
        session.add(
            PatientRequest(
                participant_id=anna, assessment_id=house.assessment_id(anna, "m03"), type="remind_later",
                payload={"at": at}, recorded_at=runtime.clock(),
            )
        )  # fmt: skip


def worklist(runtime: Any) -> list[str]:
    with runtime.reading() as session:
        found = follow_up.work(session, study=runtime.study, sites=UME, now=runtime.clock())
        return [row.item.reason for row in found.rows]


def test_the_worklist_waits_as_long_as_the_explanation_says(runtime, house, anna, clock):
    runtime = replace(runtime, study=with_steps(runtime.study, "m03", [TASK]))
    assert (explained(runtime), worklist(runtime)) == ({"opens+0": "due"}, ["task_due"])
    asked_for_tomorrow(runtime, house, anna)
    assert (explained(runtime)["opens+0"], worklist(runtime)) == ("asked_later", [])
    clock.forward(days=1, minutes=1)
    assert "task_due" in worklist(runtime) or "idle" in worklist(runtime)


def test_nobody_is_rung_about_a_site_that_is_closed(runtime, anna):
    sites = tuple(one.model_copy(update={"closed_on": TODAY - timedelta(days=1)}) for one in runtime.study.sites)
    closed = replace(runtime, study=with_steps(runtime.study, "m03", [TASK]).model_copy(update={"sites": sites}))
    assert (explained(closed), worklist(closed)) == ({"opens+0": "site_closed"}, [])


def test_what_is_passed_on_follows_the_version_in_force(runtime, house, anna):
    passed_on = Reminder(relative_to="opens", days=0, channel="digest")
    there = amended(runtime, steps=[passed_on])
    with runtime.reading() as session:
        ask = {"sites": UME, "now": runtime.clock()}
        assert [one.study_id for one in digest.escalated(session, study=there.study, **ask)] == ["UME-001"]
        assert digest.escalated(session, study=runtime.study, **ask) == []
