"""An amendment from the text to the plan: proposed by one, looked at and approved by another, begun site by site."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select, update

from proapp import delivery, worker
from proapp.amending import keep_up
from proapp.cli.tick import fell_behind
from proapp.db.models import (
    Assessment,
    AuditEvent,
    ChangeProposal,
    Participant,
    ResponseSet,
    SiteActivation,
    StudyVersion,
)
from proapp.db.session import UnsafeDatabase
from proapp.export.bundle import bundle
from proapp.export.snapshot import snapshot
from proapp.gateways.protocol import Accepted
from proapp.instruments.problems import DefinitionError
from proapp.runtime import SHIPPED_STUDY, refreshed
from proapp.services import (
    activation,
    amendments,
    answering,
    cohort,
    installation,
    outbox,
    planning,
    proposals,
    versions,
)
from proapp.services import health as checking
from proapp.services.audit import Actor
from proapp.services.audit_review import faults
from proapp.services.errors import NotFound, Refused
from proapp.services.exporting import Asked
from proapp.services.sitting_reading import find_sitting
from proapp.study import versions as book
from tests.messages import OPENED_TODAY, Memory, rows
from tests.people import People

TODAY = date(2026, 11, 23)
TOMORROW = TODAY + timedelta(days=1)
RANDOMIZED_ON = date(2026, 8, 23)  # m03 is open
TEXT = SHIPPED_STUDY.read_text(encoding="utf-8")
SIXTH_MONTH, TWELFTH_MONTH = ('[[timepoints]]\ncode = "m06"', '[[timepoints]]\ncode = "m12"')
NINTH = """[[timepoints]]
code = "m09"
label = { sv = "9 månader", en = "9 months" }
kind = "scheduled"
anchor = "randomization"
months = 9
before_days = 14
after_days = 28
instruments = ["c30"]

"""


def amended(*changes: tuple[str, str], number: str = "2.0") -> str:
    text = TEXT.replace('number = "example 1"', f'number = "{number}"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    assert text != TEXT
    return text


@pytest.fixture
def house(runtime: Any) -> Any:
    people = People(runtime, None, None)
    roles = {"karin": "coordinator", "kerstin": "coordinator", "ivar": "investigator", "berit": "nurse"}
    staff = {name: Actor("staff", people.staff_id(name), role) for name, role in roles.items()}
    with runtime.writing.begin() as session:
        installation.record_study(session, runtime.study, TEXT, now=runtime.clock())
    return SimpleNamespace(
        people=people,
        **staff,
        anna=people.participant("UME-001", randomized_on=RANDOMIZED_ON, enrolled_at=_at(RANDOMIZED_ON)),
        lisa=people.participant("LUN-001", randomized_on=RANDOMIZED_ON, enrolled_at=_at(RANDOMIZED_ON)),
    )


def _at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


class Desk:
    """Proposing and approving, each in a transaction of its own."""

    def __init__(self, runtime: Any, house: Any) -> None:
        self.runtime, self.house = runtime, house

    def given(self) -> dict[str, Any]:
        return {"study": self.runtime.study, "instruments": self.runtime.instruments, "now": self.runtime.clock()}

    def look(self, text: str, sites: dict[str, date]) -> amendments.Looked:
        with self.runtime.reading() as session:
            return amendments.look(session, text=text, sites=sites, **self.given())

    def propose(self, text: str, sites: dict[str, date], *, by: str = "karin", reason: str = "Amendment 2") -> int:
        seen = self.look(text, sites).diff.digest
        with self.runtime.writing.begin() as session:
            actor = getattr(self.house, by)
            return amendments.propose(
                session, text=text, sites=sites, reason=reason, seen=seen, actor=actor, **self.given()
            )

    def seen(self, proposal_id: int) -> str:
        with self.runtime.reading() as session:
            proposal = proposals.find(session, proposal_id, role="coordinator", sites=None)
            return amendments.look_at(session, proposal, **self.given()).diff.digest

    def approve(self, proposal_id: int, *, by: str = "kerstin", seen: str | None = None, sites: Any = None) -> None:
        seen = seen or self.seen(proposal_id)
        with self.runtime.writing.begin() as session:
            actor = getattr(self.house, by)
            amendments.approve(session, proposal_id, seen=seen, sites=sites, actor=actor, **self.given())

    def amend(self, text: str, sites: dict[str, date]) -> None:
        self.approve(self.propose(text, sites))
        self.runtime = refreshed(self.runtime)


@pytest.fixture
def desk(runtime: Any, house: Any) -> Desk:
    return Desk(runtime, house)


@pytest.fixture
def plan_of(runtime: Any) -> Callable[[int], dict[str, Any]]:
    def read(participant_id: int) -> dict[str, Any]:
        with runtime.reading() as session:
            rows = session.scalars(select(Assessment).where(Assessment.participant_id == participant_id))
            return {row.timepoint: row for row in rows}

    return read


def entries(runtime: Any, action: str) -> list[Any]:
    with runtime.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == action).order_by(AuditEvent.id)))


def verified(runtime: Any) -> bool:
    """The chains hold. (The people of these tests are written directly, so no event tells of them.)"""
    with runtime.reading() as session:
        told = [fault.sentence for fault in faults(session)]
    return not [one for one in told if "no events at all" not in one and "no event tells of" not in one]


WIDER = ("months = 6\nbefore_days = 14", "months = 6\nbefore_days = 28")


# --- looking


def test_a_look_writes_nothing_and_says_what_happens(desk, runtime, plan_of, house):
    before = plan_of(house.anna)["m06"].opens_on
    looked = desk.look(amended(WIDER), {"UME": TODAY})
    assert [change.place for change in looked.diff.study] == ["number", "timepoints[m06].before_days"]
    assert [one.study_id for one in looked.diff.participants] == ["UME-001"]
    moved = [one for one in looked.diff.participants[0].effects if one.kind == "move"]
    assert [one.timepoint for one in moved] == ["m06"]
    assert plan_of(house.anna)["m06"].opens_on == before
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0


def test_a_look_asks_the_same_number_of_questions_for_two_people_and_for_twenty(desk, house, statements):
    counts = []
    for more in (0, 20):
        for number in range(more):
            house.people.participant(f"UME-{100 + number}", randomized_on=RANDOMIZED_ON)
        statements.clear()
        desk.look(amended(WIDER), {"UME": TODAY, "LUN": TODAY})
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 7


def test_every_fault_of_a_text_is_named(desk):
    text = (
        amended(("months = 6", "months = -6"), ('channel = "sms"', 'channel = "pigeon"'))
        if 'channel = "sms"' in TEXT
        else amended(("months = 6", "months = -6"), ("months = 12", "months = -1"))
    )
    with pytest.raises(DefinitionError) as faulty:
        desk.look(text, {"UME": TODAY})
    assert len(faulty.value.problems) >= 2
    assert all(str(problem).startswith("study file: ") for problem in faulty.value.problems)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (TEXT, {"number"}),
        (TEXT.replace('code = "BreCLIM-2"', 'code = "OTHER"'), {"code", "number"}),
        (amended(('code = "SURG"', 'code = "CUT"')), {"arms[SURG]"}),
        ("code = ", {""}),
    ],
)
def test_a_text_that_cannot_follow_is_refused_with_its_places(desk, text, places):
    with pytest.raises(DefinitionError) as faulty:
        desk.look(text, {"UME": TODAY})
    assert {problem.path for problem in faulty.value.problems} == places


@pytest.mark.parametrize(
    ("sites", "code"),
    [
        ({}, "no_sites"),
        ({"XXX": TODAY}, "site_unknown"),
        ({"UME": TODAY - timedelta(days=1)}, "activation_in_past"),
    ],
)
def test_days_that_cannot_be_are_refused(desk, sites, code):
    with pytest.raises(Refused) as refused:
        desk.look(amended(WIDER), sites)
    assert refused.value.code == code


# --- proposing


def test_a_proposal_keeps_text_and_days_and_does_nothing(desk, runtime, house, plan_of):
    desk.propose(amended(WIDER), {"UME": TODAY, "LUN": TOMORROW})
    with runtime.reading() as session:
        row = session.scalars(select(ChangeProposal)).one()
        assert row.payload == {"sites": {"LUN": TOMORROW.isoformat(), "UME": TODAY.isoformat()}}
        assert session.get(StudyVersion, row.to_version_id).text == amended(WIDER)
        assert session.scalar(select(func.count()).select_from(SiteActivation)) == 0
        assert versions.current(session, runtime.study) is runtime.study
    assert plan_of(house.anna)["m06"].protocol_version == "example 1"
    assert [len(entries(runtime, action)) for action in ("study.proposed", "proposal.made")] == [1, 1]
    assert verified(runtime)


def test_only_a_coordinator_proposes_an_amendment(desk):
    for name in ("ivar", "berit"):
        with pytest.raises(Refused, match="not_a_proposer"):
            desk.propose(amended(WIDER), {"UME": TODAY}, by=name)


def test_a_proposal_without_a_reason_or_of_something_unseen_is_refused(desk, runtime, house):
    with pytest.raises(Refused, match="reason_required"):
        desk.propose(amended(WIDER), {"UME": TODAY}, reason=" ")
    with pytest.raises(Refused, match="look_again"), runtime.writing.begin() as session:
        amendments.propose(
            session,
            text=amended(WIDER),
            sites={"UME": TODAY},
            reason="x",
            seen="0" * 64,
            actor=house.karin,
            **desk.given(),
        )


# --- approving


def test_who_proposed_cannot_approve(desk, runtime):
    proposal = desk.propose(amended(WIDER), {"UME": TODAY})
    with pytest.raises(Refused, match="own_proposal"):
        desk.approve(proposal, by="karin")
    with runtime.reading() as session:
        assert session.get(ChangeProposal, proposal).decision is None
    assert entries(runtime, "proposal.approved") == []


def test_what_others_decided_does_not_crowd_out_ones_own(desk, runtime, house):
    """The latest twenty are the latest twenty that this person may see, not what is left of the latest twenty."""
    own = desk.propose(amended(WIDER), {"UME": TODAY})
    desk.approve(own)
    both = desk.propose(amended(WIDER, number="2.1"), {"LUN": TODAY})
    with runtime.writing.begin() as session:
        said = session.get_one(ChangeProposal, both)
        made = {name: getattr(said, name) for name in ("kind", "payload", "diff_hash", "reason", "proposed_at")}
        made |= {"to_version_id": said.to_version_id, "proposed_by_id": said.proposed_by_id, "decision": "refused"}
        later = {"decided_at": runtime.clock() + timedelta(hours=1), "decided_by_id": house.kerstin.id}
        session.add_all(ChangeProposal(**made, **later) for _ in range(proposals.SHOWN_DECIDED))
    with runtime.reading() as session:
        mine = proposals.decided(session, role="investigator", sites=frozenset({"UME"}))
        assert [one.id for one in mine] == [own]
        assert len(proposals.decided(session, role="coordinator", sites=None)) == proposals.SHOWN_DECIDED


def test_a_nurse_neither_approves_an_amendment_nor_sees_it(desk, runtime):
    proposal = desk.propose(amended(WIDER), {"UME": TODAY})
    with pytest.raises(NotFound):
        desk.approve(proposal, by="berit", sites=frozenset({"UME"}))
    with runtime.reading() as session:
        assert proposals.undecided(session, role="nurse", sites=frozenset({"UME"})) == ()
        assert proposals.to_approve(session, user_id=1, role="monitor", sites=None) == 0


def test_an_investigator_approves_for_the_own_site_and_sees_no_other(desk, runtime, house):
    own = desk.propose(amended(WIDER), {"UME": TODAY})
    both = desk.propose(amended(WIDER, number="2.1"), {"UME": TODAY, "LUN": TODAY})
    ume = frozenset({"UME"})
    with runtime.reading() as session:
        seen = proposals.undecided(session, role="investigator", sites=ume)
        assert [one.id for one in seen] == [own]
        assert proposals.to_approve(session, user_id=house.ivar.id, role="investigator", sites=ume) == 1
        assert proposals.to_approve(session, user_id=house.karin.id, role="coordinator", sites=None) == 0
        assert proposals.to_approve(session, user_id=house.kerstin.id, role="coordinator", sites=None) == 2
    with pytest.raises(NotFound):
        desk.approve(both, by="ivar", sites=ume)
    desk.approve(own, by="ivar", sites=ume)


def test_a_site_whose_day_has_come_begins_with_the_approval(desk, runtime, house, plan_of):
    house.people.answered(house.anna, "m03", codes={"c30": {1: 2}})
    before, theirs = plan_of(house.anna), plan_of(house.lisa)
    desk.amend(amended(WIDER, (TWELFTH_MONTH, NINTH + TWELFTH_MONTH)), {"UME": TODAY})
    after = plan_of(house.anna)
    assert after["m06"].opens_on == before["m06"].opens_on - timedelta(days=14)
    assert (after["m06"].protocol_version, after["m12"].protocol_version) == ("2.0", "2.0")
    assert (after["m09"].target_on, after["m09"].protocol_version) == (date(2027, 5, 23), "2.0")
    assert (after["m03"].opens_on, after["m03"].protocol_version) == (before["m03"].opens_on, "example 1")
    assert after["baseline"].protocol_version == "example 1", "its window was over"
    assert {code: row.protocol_version for code, row in plan_of(house.lisa).items()} == dict.fromkeys(
        theirs, "example 1"
    )
    assert verified(runtime)


def test_each_changed_row_has_one_audit_event(desk, runtime, house):
    with runtime.reading() as session:
        start = session.scalar(select(func.max(AuditEvent.id))) or 0
    desk.amend(amended(WIDER, (TWELFTH_MONTH, NINTH + TWELFTH_MONTH)), {"UME": TODAY, "LUN": TOMORROW})
    with runtime.reading() as session:
        told = session.scalars(select(AuditEvent).where(AuditEvent.id > start).order_by(AuditEvent.id)).all()
    written = [(one.action, one.chain) for one in told]
    chain = f"p{house.anna}"
    assert written.count(("assessment.moved", chain)) == 1
    assert written.count(("assessment.planned", chain)) == 1
    assert written.count(("assessment.follows_version", chain)) == 5  # m03, m12, m18, m24, m36
    assert [action for action, chain in written if chain == "system"] == [
        "study.proposed", "proposal.made", "proposal.approved", "activation.planned", "activation.applied",
    ]  # fmt: skip
    assert not [chain for _, chain in written if chain == f"p{house.lisa}"]
    assert verified(runtime)


def test_approving_is_constant_in_the_number_of_participants(desk, house, statements):
    counts = []
    for more, number in ((0, "2.0"), (20, "3.0")):
        for one in range(more):
            house.people.participant(f"UME-{100 + one}", randomized_on=RANDOMIZED_ON)
        proposal = desk.propose(
            amended((WIDER[0], WIDER[1] if more == 0 else WIDER[0] + "\n"), number=number), {"UME": TODAY}
        )
        seen = desk.seen(proposal)
        statements.clear()
        desk.approve(proposal, seen=seen)
        counts.append(len(statements))
        desk.runtime = refreshed(desk.runtime)
    assert abs(counts[0] - counts[1]) <= 1  # one text more to read
    assert max(counts) < 40


def test_what_changed_since_the_look_has_to_be_looked_at_again(desk, house, runtime, plan_of):
    proposal = desk.propose(amended(("after_days = 28", "after_days = 35")), {"UME": TODAY})
    seen = desk.seen(proposal)
    house.people.answered(house.anna, "m03", codes={"c30": {1: 2}})
    with pytest.raises(Refused, match="look_again"):
        desk.approve(proposal, seen=seen)
    assert plan_of(house.anna)["m06"].protocol_version == "example 1"
    desk.approve(proposal, seen=desk.seen(proposal))
    assert plan_of(house.anna)["m06"].protocol_version == "2.0"


def test_twice_is_once(desk, runtime):
    proposal = desk.propose(amended(WIDER), {"UME": TODAY})
    seen = desk.seen(proposal)
    desk.approve(proposal, seen=seen)
    with pytest.raises(Refused, match="already_decided"):
        desk.approve(proposal, seen=seen)
    assert len(entries(runtime, "activation.applied")) == 1


def test_two_who_approve_at_once_do_it_once(desk, runtime):
    proposal = desk.propose(amended(WIDER), {"UME": TODAY})
    seen, outcomes, ready = desk.seen(proposal), [], threading.Barrier(2)

    def approve() -> None:
        ready.wait()
        try:
            desk.approve(proposal, seen=seen)
            outcomes.append("done")
        except Refused as refused:
            outcomes.append(refused.code)

    both = [threading.Thread(target=approve) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(outcomes) == ["already_decided", "done"]
    assert verified(runtime)


def test_two_proposals_that_are_approved_at_once_do_not_both_begin(desk, runtime):
    texts = amended(WIDER), amended(("months = 6", "months = 7"), number="2.1")
    given = [(one, desk.seen(one)) for one in [desk.propose(text, {"UME": TODAY}) for text in texts]]
    outcomes, ready = [], threading.Barrier(2)

    def approve(proposal: int, seen: str) -> None:
        ready.wait()
        try:
            desk.approve(proposal, seen=seen)
            outcomes.append("done")
        except Refused as refused:
            outcomes.append(refused.code)

    both = [threading.Thread(target=approve, args=one) for one in given]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(outcomes) == ["done", "superseded"]
    assert verified(runtime)


def test_what_is_being_written_while_somebody_approves_is_looked_at_too(desk, runtime, house, plan_of):
    """A first answer on its way when the button is pressed: it pins the assessment, which the approver did not see."""
    proposal = desk.propose(amended(WIDER), {"UME": TODAY})
    seen, outcomes = desk.seen(proposal), []

    def approve() -> None:
        try:
            desk.approve(proposal, seen=seen)
            outcomes.append("done")
        except Refused as refused:
            outcomes.append(refused.code)

    with runtime.writing.begin() as session:
        session.get(Participant, house.anna, with_for_update={"key_share": True})
        values = {"mode": "self_remote", "respondent": "self", "protocol_version": "1", "packs": {}}
        session.add(ResponseSet(assessment_id=plan_of(house.anna)["m06"].id, started_at=runtime.clock(), **values))
        session.flush()
        other = threading.Thread(target=approve)
        other.start()
        other.join(1)
        assert outcomes == []
    other.join()
    assert outcomes == ["look_again"]


def test_a_proposal_that_another_version_has_overtaken_is_refused(desk):
    first = desk.propose(amended(WIDER), {"UME": TODAY})
    second = desk.propose(amended(("months = 6", "months = 7"), number="2.1"), {"UME": TODAY})
    desk.approve(first)
    with pytest.raises(Refused, match="superseded"):
        desk.seen(second)


def test_refused_and_withdrawn_proposals_do_nothing_and_say_why(desk, runtime, house):
    first, second = (desk.propose(amended(WIDER, number=number), {"UME": TODAY}) for number in ("2.0", "2.1"))
    given = {"now": runtime.clock(), "sites": None}
    for act, actor, code in (
        (proposals.refuse, house.karin, "own_proposal"),
        (proposals.withdraw, house.kerstin, "not_own_proposal"),
    ):
        with pytest.raises(Refused, match=code), runtime.writing.begin() as session:
            act(session, first, reason="No", actor=actor, **given)
    with pytest.raises(Refused, match="reason_required"), runtime.writing.begin() as session:
        proposals.refuse(session, first, reason="", actor=house.kerstin, **given)
    with runtime.writing.begin() as session:
        proposals.refuse(session, first, reason="The window is too wide", actor=house.kerstin, **given)
        proposals.withdraw(session, second, reason="Wrong file", actor=house.karin, **given)
    with pytest.raises(Refused, match="already_decided"):
        desk.approve(first)
    with runtime.reading() as session:
        done = proposals.decided(session, role="coordinator", sites=None)
        assert {one.decision: (one.decided_by, one.decision_reason) for one in done} == {
            "refused": ("Kerstin", "The window is too wide"),
            "withdrawn": ("Karin", "Wrong file"),
        }
        assert proposals.undecided(session, role="coordinator", sites=None) == ()
    assert verified(runtime)
    desk.amend(amended(WIDER), {"UME": TODAY})  # the same text may be proposed again


# --- site by site, day by day


def test_a_site_begins_on_its_day_and_the_clock_does_it(desk, runtime, house, clock, plan_of):
    desk.amend(amended(WIDER), {"UME": TODAY, "LUN": TOMORROW})
    assert plan_of(house.lisa)["m06"].protocol_version == "example 1"
    runtime = keep_up(runtime)
    assert plan_of(house.lisa)["m06"].protocol_version == "example 1"
    clock.set(datetime(2026, 11, 23, 23, 0, tzinfo=UTC))  # midnight in Lund
    runtime = keep_up(runtime)
    assert plan_of(house.lisa)["m06"].protocol_version == "2.0"
    assert book.in_force(runtime.study, "LUN").number == "2.0"
    done = entries(runtime, "activation.applied")
    assert [(one.site_code, one.actor_kind) for one in done] == [("UME", "staff"), ("LUN", "system")]
    before = len(entries(runtime, "assessment.moved"))
    assert keep_up(runtime) is runtime
    assert len(entries(runtime, "assessment.moved")) == before
    assert verified(runtime)


def test_two_workers_begin_a_site_once(desk, runtime, house, clock):
    desk.amend(amended(WIDER), {"UME": TOMORROW, "LUN": TOMORROW})
    clock.forward(days=1)
    ready = threading.Barrier(2)

    def work() -> None:
        ready.wait()
        keep_up(runtime)

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(one.site_code for one in entries(runtime, "activation.applied")) == ["LUN", "UME"]
    assert len(entries(runtime, "assessment.moved")) == 2
    assert verified(runtime)


@pytest.fixture
def broken_at(monkeypatch: Any) -> set[str]:
    """Sites at which beginning fails, in the middle of it."""
    sites: set[str] = set()
    hold = activation.hold

    def failing(session: Any, codes: Any) -> None:
        hold(session, codes)
        if sites & set(codes):
            raise ValueError("UME-001 has something that nobody thought of")

    monkeypatch.setattr(activation, "hold", failing)
    return sites


def test_a_site_that_cannot_begin_keeps_none_of_the_others(desk, runtime, plan_of, house, clock, broken_at):
    desk.amend(amended(WIDER), {"LUN": TOMORROW, "UME": TOMORROW})
    desk.amend(amended(WIDER, number="3.0"), {"LUN": TOMORROW})
    clock.forward(days=1)
    broken_at.add("LUN")
    with structlog.testing.capture_logs() as lines:
        runtime = worker.amended(runtime)
    assert plan_of(house.anna)["m06"].protocol_version == "2.0"
    assert plan_of(house.lisa)["m06"].protocol_version == "example 1"  # nor has the third overtaken the second
    (said,) = [line for line in lines if line["log_level"] == "error"]
    assert said == {
        "event": "study.not_activated", "version": "2.0", "site": "LUN", "error_type": "ValueError",
        "log_level": "error",
    }  # fmt: skip
    assert verified(runtime)
    for broken in (True, False):
        if not broken:
            broken_at.clear()
            runtime = worker.amended(runtime)
        with runtime.reading() as session:
            health = checking.health(session, study=runtime.study, now=runtime.clock())
        assert ("activation_late" in health.troubles) is broken
        assert [one[:2] for one in health.not_begun] == ([("2.0", "LUN"), ("3.0", "LUN")] if broken else [])
    assert plan_of(house.lisa)["m06"].protocol_version == "3.0"


def test_a_tick_by_hand_names_the_site_that_could_not_begin(desk, runtime, clock, broken_at, capsys):
    desk.amend(amended(WIDER), {"LUN": TOMORROW, "UME": TOMORROW})
    clock.forward(days=1)
    broken_at.add("LUN")
    runtime = worker.amended(runtime)
    capsys.readouterr()
    assert fell_behind(runtime, clock())
    assert capsys.readouterr().err == "FAILED version 2.0 could not begin at LUN\n"
    broken_at.clear()
    assert not fell_behind(worker.amended(runtime), clock())


def test_a_version_is_not_late_before_its_day_nor_at_midnight(desk, runtime, house, clock):
    desk.amend(amended(WIDER), {"UME": TOMORROW})

    def late() -> list[bool]:
        with runtime.reading() as session:
            health = checking.health(session, study=runtime.study, now=runtime.clock())
        return [bool(health.not_begun), "activation_late" in health.troubles]

    assert late() == [False, False]
    clock.set(datetime(2026, 11, 23, 23, 5, tzinfo=UTC))  # five past midnight in Umeå
    assert late() == [True, False]
    clock.forward(minutes=6)
    assert late() == [True, True]


def test_a_clock_that_was_away_begins_late(desk, runtime, house, clock):
    desk.amend(amended(WIDER), {"UME": TOMORROW})
    clock.forward(days=5)
    keep_up(runtime)
    with runtime.reading() as session:
        assert session.scalars(select(SiteActivation.active_from)).one() == TODAY + timedelta(days=5)


def test_nothing_waits_is_one_question(runtime, house, statements):
    with runtime.writing.begin() as session:
        statements.clear()
        assert activation.activate_next(session, study=runtime.study, now=runtime.clock()) is None
    assert len(statements) == 1


def test_a_newcomer_is_planned_by_the_version_of_the_site(desk, runtime, house, plan_of):
    """Also by a process that has not heard of it."""
    desk.amend(amended(WIDER, (TWELFTH_MONTH, NINTH + TWELFTH_MONTH)), {"UME": TODAY})
    for study_id, expected in (("UME-002", "2.0"), ("LUN-002", "example 1")):
        with runtime.writing.begin() as session:
            person = Participant(study_id=study_id, site_code=study_id[:3], language="sv", enrolled_at=runtime.clock())
            session.add(person)
            session.flush()
            planning.replan(session, runtime.study, person.id, actor=house.karin, now=runtime.clock())
        plan = plan_of(person.id)
        assert {row.protocol_version for row in plan.values()} == {expected}
        assert ("m09" in plan) == (expected == "2.0")


def test_further_sites_follow_with_the_same_text_and_those_that_have_it_do_not_twice(desk, runtime, house, plan_of):
    desk.amend(amended(WIDER), {"UME": TODAY})
    with pytest.raises(Refused, match="already_active"):
        desk.look(amended(WIDER), {"UME": TODAY})
    looked = desk.look(amended(WIDER), {"LUN": TODAY})
    assert [change.place for change in looked.diff.study] == ["number", "timepoints[m06].before_days"]
    desk.amend(amended(WIDER), {"LUN": TODAY})
    assert plan_of(house.lisa)["m06"].protocol_version == "2.0"


def test_a_second_amendment_does_not_overtake_the_first(desk, runtime, house, plan_of, clock):
    desk.amend(amended(WIDER), {"UME": TOMORROW})
    with pytest.raises(Refused, match="before_earlier_version"):
        desk.look(amended(("months = 6", "months = 7"), number="3.0"), {"UME": TODAY})
    desk.amend(amended(("months = 6", "months = 7"), number="3.0"), {"UME": TOMORROW})
    clock.forward(days=1)
    runtime = keep_up(runtime)
    assert (plan_of(house.anna)["m06"].target_on, plan_of(house.anna)["m06"].protocol_version) == (
        date(2027, 3, 23),
        "3.0",
    )
    assert [one.study.number for one in book.chain(runtime.study, "UME")] == ["example 1", "2.0", "3.0"]


# --- what is pinned


def test_what_was_opened_is_answered_to_its_end_by_the_version_it_was_opened_with(desk, runtime, house, statements):
    """The amendment takes a questionnaire away and another time point with it; the patient notices nothing."""
    given = {"instruments": runtime.instruments, "participant_id": house.anna, "now": runtime.clock()}
    m03 = house.people.assessment_id(house.anna, "m03")
    actor = Actor("patient", house.anna, "patient")
    with runtime.writing.begin() as session:
        answering.open_sitting(session, study=runtime.study, assessment_id=m03, respondent="self", actor=actor, **given)
    start, end = TEXT.index('[[timepoints]]\ncode = "m03"'), TEXT.index(SIXTH_MONTH)
    without = amended((TEXT[start:end], "")).replace('"lmc21"', "", 1).replace(", ]", "]")
    desk.amend(without, {"UME": TODAY})
    for study in (runtime.study, desk.runtime.study):  # a process that has not heard, and one that has
        with runtime.writing() as session:
            statements.clear()
            sitting = find_sitting(session, study=study, assessment_id=m03, lock=True, **given)
            # PostgreSQL reads again what others wrote while it waited for its turn.
            assert len(statements) == (3 if runtime.engine.dialect.name == "postgresql" else 2)
            assert [one.code for one in sitting.instruments] == ["c30", "br23", "lmc21"]
            assert sitting.takes_answers
            assert sitting.study.number == "example 1"


def test_a_new_sitting_is_of_the_version_in_force_and_asks_its_questions(desk, runtime, house, statements):
    m03 = house.people.assessment_id(house.anna, "m03")
    desk.amend(amended(('["c30", "br23", "lmc21"]', '["c30"]')), {"UME": TODAY})
    actor = Actor("patient", house.anna, "patient")
    given = {
        "instruments": runtime.instruments,
        "assessment_id": m03,
        "participant_id": house.anna,
        "now": runtime.clock(),
    }
    with runtime.writing.begin() as session:
        sitting = answering.open_sitting(session, study=runtime.study, respondent="self", actor=actor, **given)
        assert [one.code for one in sitting.instruments] == ["c30"]
    with runtime.reading() as session:
        statements.clear()
        assert find_sitting(session, study=desk.runtime.study, **given).study.number == "2.0"
        assert len(statements) == 2
    (started,) = entries(runtime, "response_set.started")
    assert '"protocol_version":"2.0"' in started.details


def test_lists_know_time_points_of_either_version(desk, runtime, house):
    start, end = TEXT.index(SIXTH_MONTH), TEXT.index(TWELFTH_MONTH)
    desk.amend(amended((TEXT[start:end], NINTH)), {"UME": TODAY})
    for study in (runtime.study, desk.runtime.study):
        with runtime.reading() as session:
            found = cohort.load(session, study=study, sites=None, today=TODAY)
        states = {member.study_id: {one.timepoint: one.state for one in member.assessments} for member in found.members}
        assert states["UME-001"]["m06"].not_expected_reason == "amendment"
        assert states["UME-001"]["m09"].shown == "upcoming"
        assert states["LUN-001"]["m06"].shown == "upcoming"
        assert "m09" not in states["LUN-001"]
    assert [one.code for one in desk.runtime.study.timepoints][:4] == ["baseline", "m03", "m06", "m09"]


def test_a_cut_before_the_amendment_is_the_same_before_and_after_it(desk, runtime, house, clock):
    def cut(study: Any, day: date) -> Any:
        with runtime.reading() as session:
            found = cohort.load(session, study=study, sites=None, today=day, cut_off=day)
            return [
                (member.study_id, one.timepoint, one.facts, one.state, one.protocol_version)
                for member in found.members
                for one in member.assessments
            ]

    before = cut(runtime.study, TODAY)
    clock.forward(days=3)
    start, end = TEXT.index(SIXTH_MONTH), TEXT.index(TWELFTH_MONTH)
    desk.amend(
        amended((TEXT[start:end], NINTH), ("months = 12\nbefore_days = 28", "months = 12\nbefore_days = 21")),
        {"UME": TODAY + timedelta(days=3)},
    )
    assert cut(desk.runtime.study, TODAY) == before
    now = {
        (study_id, code): (facts.opens_on, state.not_expected_reason)
        for study_id, code, facts, state, _ in cut(desk.runtime.study, TODAY + timedelta(days=3))
    }
    assert now["UME-001", "m06"] == (None, "amendment")
    assert now["UME-001", "m12"] == (date(2027, 8, 2), None)


def test_the_history_names_every_version_and_its_sites(desk, runtime):
    desk.amend(amended(WIDER), {"UME": TODAY, "LUN": TOMORROW})
    desk.propose(amended(WIDER, number="3.0"), {"UME": TODAY})
    with runtime.reading() as session:
        newest, first = amendments.history(session)
        assert amendments.text_of(session, newest.id) == amended(WIDER)
    assert (newest.number, first.number, first.sites) == ("2.0", "example 1", {})
    assert newest.sites == {"UME": (TODAY, True), "LUN": (TOMORROW, False)}


def test_an_unrecorded_first_version_is_the_file(runtime, house, plan_of):
    with runtime.writing.begin() as session:
        session.delete(session.scalars(select(StudyVersion)).one())
    desk = Desk(runtime, house)
    desk.amend(amended(WIDER), {"UME": TODAY})
    assert [one.number for one in book.versions(desk.runtime.study)] == ["example 1", "2.0"]
    assert plan_of(house.anna)["m06"].protocol_version == "2.0"


def test_asking_again_costs_one_question_and_gives_the_same_value(desk, runtime, statements):
    desk.amend(amended(WIDER), {"UME": TODAY})
    with runtime.reading() as session:
        study = versions.current(session, runtime.study)
        statements.clear()
        assert versions.current(session, study) is study
    assert len(statements) == 1


def test_a_file_of_a_day_before_the_amendment_is_the_same_to_the_last_byte(desk, runtime, house, clock):
    """Also where somebody has answered a questionnaire that is no longer asked."""

    def made(study: Any, day: date) -> str:
        return sha256_of(Asked(day), study)

    def sha256_of(asked: Asked, study: Any) -> str:
        given = {"study": study, "instruments": runtime.instruments, "asked": asked}
        with snapshot(runtime.engine) as session, bundle(session, **given) as file:
            return file.sha256

    before = clock()
    house.people.answered(house.anna, "m03", started_at=before, submitted_at=before)
    then = made(runtime.study, TODAY)
    clock.forward(days=3)
    same_day = Asked(TODAY + timedelta(days=3), clock() - timedelta(minutes=1))
    known = sha256_of(same_day, runtime.study)
    text = amended(('["c30", "br23", "lmc21"]', '["c30"]'), (TWELFTH_MONTH, NINTH + TWELFTH_MONTH))
    desk.amend(text, {"UME": TODAY + timedelta(days=3)})
    assert made(desk.runtime.study, TODAY) == then
    assert made(desk.runtime.study, TODAY + timedelta(days=3)) != then
    assert sha256_of(same_day, desk.runtime.study) == known
    assert book.as_of(desk.runtime.study, TODAY).content_hash == runtime.study.content_hash


def test_a_file_that_was_recorded_or_approved_may_be_served_and_no_other(desk, runtime):
    desk.amend(amended(WIDER), {"UME": TODAY})
    desk.propose(amended(WIDER, number="2.1"), {"UME": TODAY})
    with runtime.reading() as session:
        for text in (TEXT, amended(WIDER)):
            installation.require_study(session, versions.parsed(text))
        with pytest.raises(UnsafeDatabase, match="approved by a second person"):
            installation.require_study(session, versions.parsed(amended(WIDER, number="2.1")))


def test_the_file_of_the_newest_version_in_the_settings_does_no_harm(desk, runtime, house, plan_of):
    """Sites that wait go on by the first version, which the database has kept."""
    desk.amend(amended(WIDER), {"UME": TODAY})
    with runtime.reading() as session:
        study = versions.current(session, versions.parsed(amended(WIDER)))
    assert [one.number for one in book.versions(study)] == ["example 1", "2.0"]
    assert (book.in_force(study, "UME").number, book.in_force(study, "LUN").number) == ("2.0", "example 1")


@pytest.mark.parametrize("kind", ["reminder", "test"])
def test_a_site_that_has_not_begun_does_not_send_the_words_of_an_amendment(desk, runtime, house, kind):
    """What is said to patients was approved for the sites that are named, and for no others."""
    table = "[follow_up.texts.test]\nsms = { sv = 'Provet, nu {phone}', en = 'The test, now {phone}' }\n\n"
    new = (
        ("Hej! Nu finns ett formulär för dig att svara på.", "Hej! Nya ord om ett formulär."),
        ("[follow_up.texts.reminder]\n", f"{table}[follow_up.texts.reminder]\n"),
    )
    desk.amend(amended(*new), {"UME": TODAY})
    with runtime.writing.begin() as session:
        for person in (house.anna, house.lisa):
            row = session.scalars(select(Assessment).where(Assessment.participant_id == person)).all()
            about = {"assessment_id": next(one.id for one in row if one.timepoint == "m03"), "step": "opens+0"}
            outbox.queue(
                session, key=f"{kind}:{person}", kind=kind, channel="sms", participant_id=person,
                due_at=runtime.clock(), now=runtime.clock(), actor=Actor("system", None, "worker"),
                **(about if kind == "reminder" else {}),
            )  # fmt: skip
            session.execute(update(Assessment).where(Assessment.timepoint == "m03").values(opens_on=TODAY))
    gateway = Memory()
    assert delivery.deliver_once(desk.runtime, gateway.both(), worker="w") == 2
    new_words = [one.text.startswith(("Provet, nu", "Hej! Nya ord")) for one in gateway.given]
    assert new_words == [True, False]


def test_a_version_that_begins_within_a_turn_holds_from_the_next_message_on(desk, runtime, house, clock):
    """A worker reads the study when its turn begins, and may have two hundred messages before it."""
    for study_id in ("UME-002", "UME-003"):
        person = house.people.participant(study_id, randomized_on=OPENED_TODAY, enrolled_at=_at(OPENED_TODAY))
        house.people.answered(person, "m03", started_at=clock(), codes={})  # begun, so it keeps the version it has
    assert len(list(delivery.queue_due(runtime, now=clock()))) == 2
    no_mondays = ('weekdays = ["mon", "tue", "wed", "thu", "fri"]', 'weekdays = ["tue", "wed", "thu", "fri"]')
    gateway = Memory()

    def answer(_message: Any) -> Accepted:
        desk.amend(amended(no_mondays), {"UME": TODAY})
        return Accepted("first")

    gateway.answer = answer
    assert delivery.deliver_once(runtime, gateway.both(), worker="w") == 1
    assert [row.state for row in rows(runtime)] == ["sent", "queued"]
