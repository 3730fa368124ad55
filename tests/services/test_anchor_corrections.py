"""Randomisation, consent, surgery and progression, corrected by two people: nothing moves before the second one's yes,
and then what that one saw."""

from __future__ import annotations

import csv
import json
import threading
from datetime import UTC, date, datetime, time
from io import StringIO
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from proapp.cli import main
from proapp.db.models import Assessment, AuditEvent, ChangeProposal, ParticipantEvent
from proapp.runtime import SHIPPED_STUDY
from proapp.services import anchor_corrections, participant_events, proposals
from proapp.services.audit import Actor
from proapp.services.errors import NotFound, Refused
from proapp.services.event_corrections import Correction
from tests.following import following
from tests.people import People

UME, LUN = frozenset({"UME"}), frozenset({"LUN"})
WRONG, RIGHT = date(2026, 8, 10), date(2026, 8, 20)


@pytest.fixture
def house(runtime):
    return People(runtime, None, None)


@pytest.fixture
def anna(house):
    return house.participant(
        consent_on=date(2026, 8, 1), randomized_on=WRONG, arm="ONC", enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


class Desk:
    """One transaction for each act, as on the pages."""

    def __init__(self, runtime: Any, house: Any) -> None:
        self.runtime = runtime
        roles = {"berit": "nurse", "ivar": "investigator", "karin": "coordinator", "charlie": "nurse"}
        self.staff = {name: Actor("staff", house.staff_id(name), role) for name, role in roles.items()}

    def event(self, type_: str = "randomized") -> int:
        """The newest of its kind."""
        with self.runtime.reading() as session:
            query = select(func.max(ParticipantEvent.id)).where(ParticipantEvent.type == type_)
            return int(session.scalar(query) or 0)

    def look(
        self, new_date: date | None = RIGHT, new_time: time | None = None, arm: str | None = None, sites: Any = UME,
        event: int = 0,
    ) -> Any:  # fmt: skip
        correction = Correction(event or self.event(), new_date, new_time, arm)
        with self.runtime.reading() as session:
            return anchor_corrections.look(
                session, study=self.runtime.study, study_id="UME-001", sites=sites, correction=correction,
                now=self.runtime.clock(),
            )  # fmt: skip

    def propose(
        self, new_date: date | None = RIGHT, new_time: time | None = None, arm: str | None = None, event: int = 0,
        **changes: Any,
    ) -> int:  # fmt: skip
        given = {"reason": "A slip of the pen", "sites": UME, **changes}
        seen = given.pop("seen", None) or self.look(new_date, new_time, arm, event=event).diff.digest
        correction = Correction(event or self.event(), new_date, new_time, arm)
        with self.runtime.writing.begin() as session:
            return anchor_corrections.propose(
                session, study=self.runtime.study, study_id="UME-001", correction=correction, seen=seen,
                actor=self.staff["berit"], now=self.runtime.clock(), **given,
            )  # fmt: skip

    def seen(self, proposal_id: int) -> str:
        with self.runtime.reading() as session:
            proposal = proposals.find(session, proposal_id, role="coordinator", sites=None)
            given = {"study": self.runtime.study, "sites": None, "now": self.runtime.clock()}
            return anchor_corrections.look_at(session, proposal, **given).diff.digest

    def approve(self, proposal_id: int, *, by: str = "ivar", seen: str | None = None, sites: Any = UME) -> None:
        seen = seen or self.seen(proposal_id)
        with self.runtime.writing.begin() as session:
            anchor_corrections.approve(
                session, proposal_id, study=self.runtime.study, seen=seen, sites=sites, actor=self.staff[by],
                now=self.runtime.clock(),
            )  # fmt: skip


@pytest.fixture
def desk(runtime, house, anna):
    return Desk(runtime, house)


def events(runtime) -> list[ParticipantEvent]:
    with runtime.reading() as session:
        return list(session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized")))


def target(runtime, timepoint="m03") -> date:
    with runtime.reading() as session:
        return session.scalar(select(Assessment.target_on).where(Assessment.timepoint == timepoint))


def test_the_second_person_does_what_was_seen(desk, runtime):
    looked = desk.look()
    assert (looked.recorded.effective_on, looked.right.effective_on) == (WRONG, RIGHT)
    moved = {one.timepoint: one for one in looked.diff.participants[0].effects}
    proposal = desk.propose()
    assert target(runtime) == date(2026, 11, 10)
    desk.approve(proposal)
    assert target(runtime) == moved["m03"].new.target_on == date(2026, 11, 20)
    old, new = events(runtime)
    assert (new.supersedes_id, new.payload, new.reason) == (old.id, {"arm": "ONC"}, "A slip of the pen")
    assert new.recorded_by_id == desk.staff["ivar"].id


def test_each_row_has_its_event_in_the_participants_chain(desk, runtime, anna, study):
    desk.approve(desk.propose())
    with runtime.reading() as session:
        told = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert {one.chain for one in told} == {f"p{anna}"}
    assert [one.action for one in told] == [
        "proposal.made", "proposal.approved", "event.recorded", *["assessment.moved"] * len(study.timepoints),
    ]  # fmt: skip
    assert [one.actor_id for one in told[:2]] == [desk.staff["berit"].id, desk.staff["ivar"].id]
    assert {one.site_code for one in told} == {"UME"}


@pytest.mark.parametrize("name", ["ivar", "karin"])
def test_anybody_else_who_may_write_approves(desk, runtime, name):
    desk.approve(desk.propose(), by=name, sites=None if name == "karin" else UME)
    assert len(events(runtime)) == 2


def test_the_proposer_cannot_approve(desk, runtime):
    proposal = desk.propose()
    with pytest.raises(Refused, match="own_proposal"):
        desk.approve(proposal, by="berit")
    assert len(events(runtime)) == 1


def test_charlie_finds_neither_participant_nor_proposal(desk, runtime):
    with pytest.raises(NotFound):
        desk.look(sites=LUN)
    proposal = desk.propose()
    with pytest.raises(NotFound):
        desk.approve(proposal, by="charlie", sites=LUN)
    for act in (proposals.refuse, proposals.withdraw):
        with pytest.raises(NotFound), runtime.writing.begin() as session:
            act(session, proposal, reason="x", actor=desk.staff["charlie"], now=runtime.clock(), sites=LUN)
    with runtime.reading() as session:
        assert proposals.undecided(session, role="nurse", sites=LUN) == ()
        assert proposals.of_participant(session, "UME-001", sites=LUN) is None


def test_one_at_a_time(desk):
    desk.propose()
    with pytest.raises(Refused, match="already_proposed"):
        desk.look()


def test_only_what_was_seen(desk, runtime, house, anna):
    with pytest.raises(Refused, match="look_again"):
        desk.propose(seen="0" * 64)
    proposal = desk.propose()
    seen = desk.seen(proposal)
    house.answered(anna, "m03", codes={})
    with pytest.raises(Refused, match="look_again"):
        desk.approve(proposal, seen=seen)
    assert len(events(runtime)) == 1
    desk.approve(proposal)
    assert (target(runtime), target(runtime, "m06")) == (date(2026, 11, 10), date(2027, 2, 20))


def test_a_date_put_right_meanwhile_overtakes_the_proposal(desk, runtime, house, anna):
    proposal = desk.propose()
    with runtime.writing.begin() as session:
        old = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized")).one()
        row = ParticipantEvent(
            participant_id=anna, type="randomized", effective_on=date(2026, 8, 15), payload=old.payload,
            supersedes_id=old.id, recorded_at=runtime.clock(),
        )  # fmt: skip
        session.add(row)
    with pytest.raises(Refused, match="superseded"):
        desk.approve(proposal, seen="0" * 64)


def test_a_participant_who_died_meanwhile_is_not_moved_beyond_death(desk, house, anna):
    proposal = desk.propose()
    seen = desk.seen(proposal)
    house.event(anna, "death", date(2026, 8, 15))
    with pytest.raises(Refused, match="after_end"):
        desk.approve(proposal, seen=seen)


@pytest.mark.parametrize(
    ("new_date", "new_time", "changes", "code"),
    [
        (WRONG, None, {}, "nothing_changed"),
        (date(2026, 11, 24), None, {}, "date_in_future"),
        (date(2026, 7, 31), None, {}, "date_before_consent"),
        (RIGHT, None, {"reason": " "}, "reason_required"),
        (RIGHT, None, {"reason": "x" * 501}, "reason_too_long"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_proposed(desk, runtime, new_date, new_time, changes, code):
    with pytest.raises(Refused) as refused:
        desk.propose(new_date, new_time, **changes)
    assert refused.value.code == code
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(ChangeProposal)) == 0


def test_the_time_alone_can_be_corrected_and_moves_nothing(desk, runtime):
    desk.approve(desk.propose(WRONG, time(8, 15)))
    assert events(runtime)[1].effective_time == time(8, 15)
    assert target(runtime) == date(2026, 11, 10)


def test_two_who_approve_at_once_do_it_once(desk, runtime):
    proposal = desk.propose()
    seen, outcomes, ready = desk.seen(proposal), [], threading.Barrier(2)

    def approve(name: str, sites: Any) -> None:
        ready.wait()
        try:
            desk.approve(proposal, by=name, seen=seen, sites=sites)
            outcomes.append("done")
        except Refused as refused:
            outcomes.append(refused.code)

    both = [threading.Thread(target=approve, args=one) for one in (("ivar", UME), ("karin", None))]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(outcomes) == ["already_decided", "done"]
    assert len(events(runtime)) == 2


# --- another arm


@pytest.fixture
def by_arm(runtime):
    """A study in which each arm has a time point of its own."""
    shipped = runtime.study
    own = [
        shipped.timepoint("m06").model_copy(update={"code": code, "arms": (arm,), "days": 1})
        for code, arm in (("sx", "SURG"), ("on", "ONC"))
    ]
    said = {name: getattr(shipped, name) for name in type(shipped).model_fields}
    study = type(shipped).model_validate({**said, "timepoints": (*shipped.timepoints, *own)})
    object.__setattr__(runtime, "study", study)
    return study


def asked(runtime) -> dict[str, str | None]:
    with runtime.reading() as session:
        rows = session.scalars(select(Assessment).where(Assessment.timepoint.in_(("sx", "on", "m03"))))
        return {row.timepoint: row.cancelled_reason for row in rows}


def test_a_wrong_arm_is_put_right_by_two_people(by_arm, desk, runtime):
    assert asked(runtime) == {"m03": None, "on": None}
    looked = desk.look(WRONG, arm="SURG")
    told = {one.timepoint: one.kind for one in looked.diff.participants[0].told}
    assert told == {"sx": "add", "on": "remove"}
    desk.approve(desk.propose(WRONG, arm="SURG"))
    assert asked(runtime) == {"m03": None, "on": "not_applicable_arm", "sx": None}
    old, new = events(runtime)
    assert (old.payload, new.payload, new.effective_on) == ({"arm": "ONC"}, {"arm": "SURG"}, WRONG)
    desk.approve(desk.propose(WRONG, arm="ONC"))
    assert asked(runtime) == {"m03": None, "on": None, "sx": "not_applicable_arm"}


def test_what_was_begun_in_the_wrong_arm_stays(by_arm, desk, runtime, house, anna):
    house.answered(anna, "on", codes={})
    assert [(one.kind, one.timepoint) for one in desk.look(WRONG, arm="SURG").diff.participants[0].told] == [
        ("add", "sx"), ("keep_pinned", "on"),
    ]  # fmt: skip
    desk.approve(desk.propose(WRONG, arm="SURG"))
    assert asked(runtime) == {"m03": None, "on": None, "sx": None}


def test_the_trail_says_old_and_new_arm(desk, runtime):
    desk.approve(desk.propose(RIGHT, arm="SURG"))
    with runtime.reading() as session:
        told = {one.action: json.loads(one.details) for one in session.scalars(select(AuditEvent))}
    assert (told["event.recorded"]["old"], told["event.recorded"]["new"]) == ({"arm": "ONC"}, {"arm": "SURG"})
    payload = told["proposal.made"]["payload"]
    assert (payload["old"]["arm"], payload["new"]["arm"]) == ("ONC", "SURG")


def test_an_arm_that_the_study_has_not_is_refused(desk):
    with pytest.raises(Refused, match="arm_unknown"):
        desk.look(WRONG, arm="XXX")
    with pytest.raises(Refused, match="nothing_changed"):
        desk.look(WRONG, arm="ONC")


def test_a_proposal_from_before_there_were_arms_in_it_still_can_be_approved(desk, runtime, anna):
    days = {"old": {"date": WRONG.isoformat(), "time": None}, "new": {"date": RIGHT.isoformat(), "time": None}}
    with runtime.writing.begin() as session:
        row = ChangeProposal(
            kind="anchor_correction", participant_id=anna, diff_hash="0" * 64, reason="Read wrongly",
            payload={"type": "randomized", **days}, proposed_at=runtime.clock(),
            proposed_by_id=desk.staff["berit"].id,
        )  # fmt: skip
        session.add(row)
        session.flush()
        proposal = row.id
    desk.approve(proposal)
    assert (events(runtime)[1].effective_on, events(runtime)[1].payload) == (RIGHT, {"arm": "ONC"})


# --- consent, surgery and progression


@pytest.fixture
def more(runtime, anna, house):
    """Time points that are counted from surgery and progression; both have happened, the progression twice."""
    object.__setattr__(runtime, "study", following())
    nurse = Actor("staff", house.staff_id("berit"), "nurse")
    about = {"study": runtime.study, "study_id": "UME-001", "sites": UME, "actor": nurse, "now": runtime.clock()}
    with runtime.writing.begin() as session:
        happened = (("surgery", 2), ("progression", 10), ("progression", 18))
        return [
            participant_events.record_event(session, type=type_, effective_on=date(2026, 11, day), **about)
            for type_, day in happened
        ]


def occurrences(runtime, timepoint) -> list[tuple[date, str | None]]:
    with runtime.reading() as session:
        rows = session.scalars(
            select(Assessment).where(Assessment.timepoint == timepoint).order_by(Assessment.occurrence)
        )
        return [(row.target_on, row.cancelled_reason) for row in rows]


def test_another_day_of_surgery_waits_for_a_second_person(desk, runtime, more):
    proposal = desk.propose(date(2026, 11, 5), event=more[0])
    assert target(runtime, "op1") == date(2026, 12, 2)
    with pytest.raises(Refused, match="own_proposal"):
        desk.approve(proposal, by="berit")
    desk.approve(proposal)
    assert target(runtime, "op1") == date(2026, 12, 5)
    with runtime.reading() as session:
        told = [one.action for one in session.scalars(select(AuditEvent).order_by(AuditEvent.id))][-4:]
    assert told == ["proposal.made", "proposal.approved", "event.recorded", "assessment.moved"]


def test_another_day_of_consent_waits_for_a_second_person(desk, runtime, more):
    consent = desk.event("pro_consent")
    desk.approve(desk.propose(date(2026, 8, 3), event=consent))
    assert target(runtime, "baseline") == date(2026, 8, 3)


def test_a_progression_is_taken_back_by_two_people(desk, runtime, more):
    proposal = desk.propose(None, event=more[2])
    assert occurrences(runtime, "prog")[1] == (date(2026, 11, 25), None)
    desk.approve(proposal)
    assert occurrences(runtime, "prog") == [(date(2026, 11, 17), None), (None, "event_taken_back")]
    with runtime.reading() as session:
        gone = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "revoked")).one()
    assert (gone.supersedes_id, gone.payload, gone.recorded_by_id) == (
        more[2], {"type": "progression"}, desk.staff["ivar"].id,
    )  # fmt: skip


def test_an_event_that_was_put_right_or_taken_back_meanwhile_overtakes_the_proposal(desk, runtime, more, anna):
    """As one person may where nothing moves: here by a row, for which of the two it was does not matter."""
    for new_date in (date(2026, 11, 5), None):
        proposal = desk.propose(new_date, event=more[0])
        with runtime.writing.begin() as session:
            newest = ParticipantEvent(
                participant_id=anna, type="surgery", effective_on=date(2026, 11, 3), payload={},
                supersedes_id=more[0], recorded_at=runtime.clock(),
            )  # fmt: skip
            session.add(newest)
            session.flush()
            more[0] = newest.id if new_date else more[0]
        with pytest.raises(Refused, match="superseded"):
            desk.seen(proposal)
        with runtime.writing.begin() as session:
            proposals.refuse(
                session, proposal, reason="Overtaken", actor=desk.staff["ivar"], now=runtime.clock(), sites=UME
            )


# --- the diff by command, for the participants of a database


def test_study_diff_of_a_database_names_its_participants(runtime, house, anna, monkeypatch, tmp_path):
    import base64

    monkeypatch.setenv("PROAPP_DATABASE_URL", runtime.settings.database_url)
    monkeypatch.setenv("PROAPP_SECRET_KEY", runtime.settings.secret_key)
    monkeypatch.setenv("PROAPP_CONTACT_KEYS", base64.urlsafe_b64encode(runtime.settings.contact_keys[0]).decode())
    new = tmp_path / "new.toml"
    text = SHIPPED_STUDY.read_text(encoding="utf-8").replace('number = "example 1"', 'number = "2"')
    new.write_text(text.replace("months = 6\nbefore_days = 14", "months = 6\nbefore_days = 28"), encoding="utf-8")
    house.answered(anna, "m03", codes={})
    given = [
        "study",
        "diff",
        str(SHIPPED_STUDY),
        str(new),
        "--database",
        "--active-from",
        "2026-11-24",
        "--format",
        "csv",
    ]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    rows = {row["place"]: row for row in csv.DictReader(StringIO(result.output)) if row["participant"] == "UME-001"}
    assert rows["m06"]["effect"] == "move"
    assert rows["m06"]["new"].startswith("2027-01-13/2027-02-10/")
    assert rows["m03"]["effect"] == "keep_pinned"
    with runtime.reading() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0
