"""What is told of a day that is over is what was so on that day, whatever was learnt or changed since."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from proapp import delivery
from proapp.db.models import Assessment, AssessmentEvent
from proapp.services import contact_log, contacts, explaining, outbox, transfer
from proapp.services.audit import COMMAND_LINE, Actor
from proapp.services.contact_log import Note
from proapp.study.versions import Activation, combine
from tests.messages import OPENED_TODAY, Memory
from tests.people import People

TODAY = date(2026, 11, 23)
NEW, EMAIL = "070-174 06 77", "anna@example.se"
UME = frozenset({"UME"})


@pytest.fixture
def house(runtime: Any) -> People:
    return People(runtime, None, lambda *_: None)


@pytest.fixture
def nurse(house: People) -> Actor:
    return Actor("staff", house.staff_id("berit"), "nurse")


@pytest.fixture
def anna(house: People, clock: Any) -> int:
    """Without a contact: each test says when she got one."""
    return house.participant(
        randomized_on=OPENED_TODAY, channel=None, enrolled_at=clock() - timedelta(days=80), activated=False
    )


@pytest.fixture
def change(runtime, nurse, clock):
    def call(channel="sms", mobile="070-174 06 05", email=None):
        about = {"vault": runtime.vault, "study_id": "UME-001", "sites": UME, "actor": nurse, "now": clock()}
        with runtime.writing.begin() as session:
            return contacts.change(session, channel=channel, mobile=mobile, email=email, **about)

    return call


def opening(
    runtime: Any, day: date | None = TODAY, timepoint: str = "m03", sites: frozenset[str] | None = UME
) -> tuple[str, str | None]:
    """What is said of the step of the first day: reason and way."""
    with runtime.reading() as session:
        found = explaining.explain(
            session, study=runtime.study, vault=runtime.vault, sites=sites, study_id="UME-001", day=day, now=runtime.clock()
        )  # fmt: skip
    steps = {(one.assessment.timepoint, step.decision.step): step.decision for one in found.about for step in one.steps}
    decision = steps.get((timepoint, "opens+0"))
    return (decision.reason, decision.via) if decision else ("not in question", None)


def test_a_contact_that_was_not_recorded_yet_was_not_there(runtime, anna, change, clock):
    clock.forward(days=2)
    change()
    assert opening(runtime) == ("no_contact", None)
    assert opening(runtime, None) == ("due", "sms")


def test_a_number_that_was_wrong_then_is_wrong_in_the_explanation(runtime, anna, change, clock, nurse):
    change()
    clock.forward(minutes=1)
    about = {"study": runtime.study, "sites": UME, "study_id": "UME-001", "assessment_id": None}
    with runtime.writing.begin() as session:
        contact_log.log(session, **about, noted=Note("phone", "wrong_number"), actor=nurse, now=clock())
    clock.forward(days=1)
    change(mobile=NEW)
    assert opening(runtime) == ("wrong_number", "sms")
    assert opening(runtime, None)[0] != "wrong_number"


def test_a_contact_that_could_not_be_reached_then_is_told_so(runtime, anna, change, clock):
    change()
    clock.forward(minutes=1)
    list(delivery.queue_due(runtime, now=clock()))
    delivery.deliver_once(runtime, Memory().both(), worker="w1")
    clock.forward(days=1)
    with runtime.writing.begin() as session:
        outbox.receive(session, gateway="log", provider_ref="ref-1", status="failed", reason="absent", now=clock())
    found_on = TODAY + timedelta(days=1)
    clock.forward(days=5)
    change(mobile=NEW)
    clock.forward(days=20)
    assert later_step(runtime, found_on)[0] == "undeliverable"
    assert later_step(runtime, TODAY)[0] != "undeliverable"
    assert later_step(runtime, found_on + timedelta(days=6))[0] != "undeliverable"


def later_step(runtime: Any, day: date) -> tuple[str, str | None]:
    with runtime.reading() as session:
        found = explaining.explain(
            session, study=runtime.study, vault=runtime.vault, sites=UME, study_id="UME-001", day=day, now=runtime.clock()
        )  # fmt: skip
    steps = [step.decision for one in found.about if one.assessment.timepoint == "m03" for step in one.steps]
    decision = next(one for one in steps if one.step == "target+3")
    return decision.reason, decision.via


def test_the_way_that_was_used_then(runtime, anna, change, clock):
    change()
    clock.forward(days=2)
    change("email", mobile=None, email=EMAIL)
    clock.forward(days=2)
    change("letter", mobile=None)
    ways = [opening(runtime, TODAY + timedelta(days=number))[1] for number in (0, 1, 2, 3, 4)]
    assert ways == ["sms", "sms", "email", "email", "letter"]


def test_an_assessment_is_told_on_the_days_of_the_window_that_it_had(runtime, house, anna, change, clock):
    change()
    clock.forward(days=1)
    with runtime.writing.begin() as session:
        mine = Assessment.id == house.assessment_id(anna, "m03")
        session.execute(update(Assessment).where(mine).values(opens_on=TODAY + timedelta(days=30)))
    assert opening(runtime)[0] == "due"


def test_an_extension_was_not_known_before_it_was_given(runtime, house, anna, change, clock):
    change()
    m03 = house.assessment_id(anna, "m03")
    with runtime.reading() as session:
        late = session.get(Assessment, m03).late_until
    clock.forward(days=(late - TODAY).days + 5)
    until = late + timedelta(days=20)
    with runtime.writing.begin() as session:
        session.get(Assessment, m03).extension_until = until
        session.add(
            AssessmentEvent(
                assessment_id=m03, type="extended", payload={"until": until.isoformat()}, recorded_at=clock()
            )
        )
    day_between = late + timedelta(days=2)
    assert opening(runtime, day_between)[0] == "not in question"
    assert opening(runtime, None)[0] != "not in question"


# --- the version, the site and the others of that day ----------------------------------------------------------------


def test_what_was_so_before_an_amendment_is_told_by_the_version_before_it(runtime, house, anna, change, clock):
    """Its plan was written anew when the amendment began, with a window that opens three weeks earlier."""
    change()
    m03 = house.assessment_id(anna, "m03")
    wider = tuple(
        one.model_copy(update={"before_days": one.before_days + 21}) if one.code == "m03" else one
        for one in runtime.study.timepoints
    )
    newer = runtime.study.model_copy(update={"number": "2.0", "timepoints": wider})
    begins = TODAY + timedelta(days=2)
    clock.forward(days=3)
    with runtime.writing.begin() as session:
        row = session.get(Assessment, m03)
        row.opens_on, row.protocol_version = row.opens_on - timedelta(days=21), "2.0"
    runtime = replace(runtime, study=combine(runtime.study, [Activation("UME", begins, newer)]))
    assert opening(runtime)[0] == "due"
    assert opening(runtime, begins)[0] == "too_late"
    assert opening(runtime, None)[0] == "too_late"


@pytest.mark.parametrize("closed", ["UME", "LUN"])
def test_before_a_transfer_the_former_site_decides_and_after_it_the_new_one(
    runtime, house, nurse, anna, change, clock, closed
):
    change()
    clock.forward(days=2)
    moved_on = TODAY + timedelta(days=2)
    given = {"study_id": "UME-001", "note": None, "actor": nurse, "now": clock()}
    with runtime.writing.begin() as session:
        transfer.transfer(session, study=runtime.study, sites=UME, to="LUN", effective_on=moved_on, **given)
    clock.forward(days=1)
    sites = tuple(
        one.model_copy(update={"closed_on": TODAY - timedelta(days=1)}) if one.code == closed else one
        for one in runtime.study.sites
    )
    runtime = replace(runtime, study=runtime.study.model_copy(update={"sites": sites}))
    told = [opening(runtime, day, sites=None)[0] for day in (TODAY, moved_on, None)]
    assert told == (["site_closed", "due", "due"] if closed == "UME" else ["due", "site_closed", "site_closed"])


def test_the_limit_of_the_study_holds_a_message_up_on_the_day_it_was_reached(runtime, house, anna, change, clock):
    change()
    beda = house.participant("UME-002", randomized_on=OPENED_TODAY)
    with runtime.writing.begin() as session:
        outbox.queue(
            session, key="test:1", kind="test", channel="sms", participant_id=beda, due_at=clock(), now=clock(),
            actor=COMMAND_LINE,
        )  # fmt: skip
    delivery.deliver_once(runtime, Memory().both(), worker="w1")
    policy = runtime.study.follow_up.model_copy(update={"cap_study": 1})
    runtime = replace(runtime, study=runtime.study.model_copy(update={"follow_up": policy}))
    assert opening(runtime)[0] == "cap_study"
    clock.forward(days=1)
    assert opening(runtime, TODAY)[0] == "cap_study"
    assert opening(runtime, None)[0] == "due"
