"""The invented trial: the same from the same seed, every state in it, every row told to the trail."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from proapp.db.models import ActivationCode, AuditEvent, Contact, Participant, PatientPin, StaffUser
from proapp.db.session import UnsafeDatabase, make_engine
from proapp.demo import people, place, sign_ins
from proapp.demo.tales import TALES, lives
from proapp.runtime import Runtime, build_runtime
from proapp.services import anchor_corrections, cohort, enrolment, proposals, staff_sign_in, sweep
from proapp.services.audit import Actor
from proapp.services.audit_review import faults
from proapp.services.patient_codes import LOOKUP
from proapp.study.events import KINDS
from proapp.study.reasons import MISSED_REASONS
from proapp.study.schedule import open_instant
from tests.conftest import definitions
from tests.wordless import wordless

DAYS = (date(2026, 11, 23), date(2027, 3, 29), date(2028, 2, 29))
EVERYBODY = len(TALES) + 3  # each tale once, and a few ordinary lives


def demonstration(url: str, today: date = DAYS[0], *, participants: int = EVERYBODY, seed: int = 1) -> Any:
    return place.Demonstration(today, True, participants, seed, url, "http://127.0.0.1:8000")


def made(path: Path, today: date = DAYS[0], **options: Any) -> place.Demonstration:
    chosen = demonstration(f"sqlite:///{path}", today, **options)
    assert place.make(chosen)
    return chosen


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module", params=DAYS, ids=str)
def runtime(request: pytest.FixtureRequest, folder: Path) -> Iterator[Runtime]:
    """A demonstration of each day, as the web face opens it, at the moment its telling ends."""
    chosen = made(folder / f"{request.param}.sqlite3", request.param)
    morning = datetime.combine(request.param, time(7), tzinfo=UTC)
    built = build_runtime(chosen.settings(), clock=lambda: morning)
    yield built
    built.close()


@pytest.fixture
def states(runtime: Runtime) -> list[cohort.Expected]:
    today = runtime.clock().date()
    with runtime.reading() as session:
        return list(cohort.load(session, study=runtime.study, sites=None, today=today).assessments())


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_the_same_day_and_seed_give_the_same_database(tmp_path: Path):
    made(tmp_path / "one.sqlite3")
    made(tmp_path / "two.sqlite3")
    assert dump(tmp_path / "one.sqlite3") == dump(tmp_path / "two.sqlite3")


def test_another_seed_gives_other_people(tmp_path: Path):
    made(tmp_path / "one.sqlite3", participants=3)
    made(tmp_path / "two.sqlite3", participants=3, seed=2)
    assert dump(tmp_path / "one.sqlite3") != dump(tmp_path / "two.sqlite3")


def test_it_can_be_told_on_any_day_also_where_months_end():
    study, _ = definitions()
    first = date(2027, 6, 1)  # to the end of a leap February and beyond
    edges = [day for day in (first + timedelta(days=n) for n in range(310)) if day.day <= 2 or day.day >= 28]
    for today in edges:
        assert len(list(lives(study, today, participants=EVERYBODY, seed=1))) == EVERYBODY, today


def test_every_shown_status_has_somebody_behind_it(states: list[cohort.Expected]):
    shown = Counter(one.state.shown for one in states)
    assert set(shown) == {
        "unscheduled", "completed", "completed_unscorable", "not_expected", "declined", "missed", "missed_unexplained",
        "in_progress", "late", "due", "open", "upcoming",
    }  # fmt: skip


def test_every_reason_mode_and_timing_has_somebody_behind_it(states: list[cohort.Expected]):
    assert {one.state.reason_code for one in states} >= set(MISSED_REASONS) - {"trial_withdrawal_in_window"}
    assert {one.state.not_expected_reason for one in states} >= {"death", "pro_stop", "trial_withdrawal"}
    assert {one.state.timing for one in states} == {None, "early", "in_window", "late", "out_of_window"}
    modes = {responses.mode for one in states for responses in one.sets}
    assert modes == {"self_remote", "self_clinic", "paper", "phone", "interview", "proxy"}
    assert any(responses.auto_submitted for one in states for responses in one.sets)
    assert {responses.respondent for one in states for responses in one.sets} >= {"self", "proxy"}


def test_participants_in_every_situation(runtime: Runtime, states: list[cohort.Expected]):
    members = {one.member.id: one.member for one in states}.values()
    assert any(member.activated_at is None for member in members)
    assert {member.channel for member in members} == {"sms", "email", "letter"}
    assert any(member.superseded for member in members)
    types = {event.type for member in members for event in member.events}
    assert types >= set(KINDS)
    assert any(len(member.stays) > 1 for member in members)
    assert any(event.payload.get("baseline_overridden") for member in members for event in member.events)
    assert {member.site_code for member in members} == {site.code for site in runtime.study.sites}
    with runtime.reading() as session:
        shared = select(Contact.mobile_index).group_by(Contact.mobile_index).having(func.count() > 1)
        assert session.scalars(shared.where(Contact.mobile_index.is_not(None))).all()


def test_the_audit_page_has_words_for_all_that_the_trail_says(runtime: Runtime):
    with runtime.reading() as session:
        told = session.scalars(select(AuditEvent.details).where(AuditEvent.action != "answer.recorded"))
        assert set().union(*(wordless(json.loads(details)) for details in told)) == set()


def test_the_trail_is_whole_and_in_order_of_time(runtime: Runtime):
    with runtime.reading() as session:
        assert list(faults(session)) == []
        late = session.connection().exec_driver_sql(
            "SELECT count(*) FROM audit_event a JOIN audit_event b ON b.chain = a.chain AND b.seq = a.seq + 1 "
            "WHERE b.at < a.at"
        )
        assert late.scalar() == 0
        newest = session.connection().exec_driver_sql("SELECT max(at) FROM audit_event").scalar()
    assert datetime.fromisoformat(newest).replace(tzinfo=UTC) < open_instant(
        runtime.clock().date(), runtime.study.zone()
    )


@pytest.mark.parametrize(
    ("table", "entity", "action"),
    [
        ("participant", "participant", "participant.enrolled"),
        ("contact", "contact", "contact.recorded"),
        ("participant_event", "participant_event", "event.recorded"),
        ("assessment", "assessment", "assessment.planned"),
        ("activation_code", "activation_code", "code.issued"),
        ("patient_pin", "patient_pin", "patient.pin_chosen"),
        ("response_set", "response_set", "response_set.started"),
        ("answer", "answer", "answer.recorded"),
        ("assessment_event", "assessment_event", "assessment.%"),
        ("missed_reason", "missed_reason", "missed_reason.recorded"),
        ("contact_attempt", "contact_attempt", "contact.logged"),
        ("former_site", "former_site", "former_site.recorded"),
        ("staff_user", "staff_user", "user.added"),
        ("study_version", "study_version", "study.recorded"),
    ],
)
def test_every_row_has_its_one_event(runtime: Runtime, table: str, entity: str, action: str):
    with runtime.reading() as session:
        connection = session.connection()
        rows = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
        told = connection.exec_driver_sql(
            "SELECT count(*), count(DISTINCT entity_id) FROM audit_event WHERE entity = ? AND action LIKE ?",
            (entity, action),
        ).one()
    assert rows
    assert (rows, rows) == tuple(told)


def test_the_worker_finds_nothing_undone_until_the_grace_of_yesterday_is_over(runtime: Runtime):
    midnight = open_instant(runtime.clock().date(), runtime.study.zone())

    def found(now: datetime) -> int:
        options: Any = {"study": runtime.study, "instruments": runtime.instruments, "vault": runtime.vault}
        with runtime.reading() as session:
            return len(sweep.sweep(session, now=now, dry_run=True, **options).submitted)

    assert found(midnight) == 0
    assert found(midnight + timedelta(days=90)) > 0


def test_nobody_can_be_reached(runtime: Runtime):
    """Only numbers set aside for fiction and addresses under example.org."""
    with runtime.reading() as session:
        rows = session.scalars(select(Contact)).all()
        emails = session.scalars(select(StaffUser.email)).all()
    known = [runtime.vault.open(row.sealed, bound_to=f"contact:{row.participant_id}") for row in rows]
    assert all(re.fullmatch(r"\+467017406(0[5-9]|[1-9][0-9])", one["mobile"]) for one in known if one["mobile"])
    assert all(one["email"].endswith("@example.org") for one in known if one["email"])
    assert all(email.endswith("@example.org") for email in emails)


def test_printed_codes_and_pins_open_the_door(runtime: Runtime):
    with runtime.reading() as session:
        first, second = sign_ins.patients(session, runtime, seed=1, now=runtime.clock())
        for patient in (first, second):
            code = patient.code.replace("-", "")
            row = session.scalars(
                select(ActivationCode).where(ActivationCode.lookup == runtime.vault.lookup(LOOKUP, code))
            ).one()
            assert runtime.vault.matches(row.code_hash, code)
            assert patient.link == f"http://127.0.0.1:8000/a#{patient.code}"
            pin = session.get(PatientPin, row.participant_id)
            assert (pin is None) == (patient.pin is None)
            if pin is not None and patient.pin is not None:
                assert runtime.vault.matches(pin.pin_hash, patient.pin)
    assert first.pin == people.PIN
    assert second.pin is None


def test_printed_staff_can_sign_in(tmp_path: Path):
    chosen = made(tmp_path / "demo.sqlite3", participants=3)
    now = datetime(2026, 11, 23, 9, tzinfo=UTC)
    runtime = build_runtime(chosen.settings(), clock=lambda: now)
    with runtime.writing() as session:
        printed = list(sign_ins.staff(session, runtime, now=now))
        assert {one.role for one in printed} == {
            "nurse", "investigator", "coordinator", "statistician", "monitor", "administrator",
        }  # fmt: skip
        origin: Any = {"address": None, "device": "Test", "now": now}
        for person in printed:
            half = staff_sign_in.give_password(
                session, runtime.vault, email=person.email, password=people.PASSWORD, **origin
            )
            who = staff_sign_in.sessions.find_staff(session, half.token or "", now=now)
            assert who is not None
            step = staff_sign_in.give_one_time_code(session, runtime.vault, who=who, typed=person.code, **origin)
            assert step.token
            assert sign_ins.one_time_code(session, runtime, email=person.email.upper(), now=now) == person.code
    runtime.close()


def test_most_answer_and_scores_move_as_expected(tmp_path: Path):
    """With two hundred: about 85 % answer, and an operation costs something at three months that it gives back."""
    from proapp.db.models import Answer, Assessment, ParticipantEvent, ResponseSet
    from proapp.instruments.scoring import score

    chosen = made(tmp_path / "demo.sqlite3", participants=200)
    runtime = build_runtime(chosen.settings())
    with runtime.reading() as session:
        everything = cohort.load(session, study=runtime.study, sites=None, today=DAYS[0]).assessments()
        closed = [
            one
            for one in everything
            if one.state.expectation == "EXPECTED" and one.state.phase == "CLOSED" and one.timepoint != "baseline"
        ]
        done = sum(one.state.collection == "SUBMITTED" for one in closed)
        arms = {event.participant_id: event.payload["arm"] for event in session.scalars(
            select(ParticipantEvent).where(ParticipantEvent.type == "randomized")
        )}  # fmt: skip
        codes: dict[tuple[int, str, int], dict[int, int]] = {}
        for row in session.execute(
            select(Assessment.participant_id, Assessment.timepoint, ResponseSet.id, Answer.item, Answer.code)
            .join(ResponseSet, ResponseSet.assessment_id == Assessment.id)
            .join(Answer, Answer.response_set_id == ResponseSet.id)
            .where(Answer.instrument == "c30", Answer.code.is_not(None))
        ):
            codes.setdefault((row.participant_id, row.timepoint, row.id), {})[row.item] = row.code
    runtime.close()
    values: dict[tuple[str, str], list[float]] = {}
    for (participant_id, timepoint, _), given in codes.items():
        result = next(one for one in score(runtime.instruments["c30"], given) if one.code == "PF2")
        if participant_id in arms and result.value is not None:
            values.setdefault((arms[participant_id], timepoint), []).append(result.value)
    mean = {key: sum(found) / len(found) for key, found in values.items()}
    assert 0.78 <= done / len(closed) <= 0.90
    assert mean["SURG", "m03"] < mean["SURG", "baseline"] - 5
    assert mean["SURG", "m12"] > mean["SURG", "m03"] + 8


# --- where it may be made -------------------------------------------------------------------------------------------


def test_a_second_time_it_is_used_as_it_is(tmp_path: Path):
    chosen = made(tmp_path / "demo.sqlite3", participants=3)
    before = dump(tmp_path / "demo.sqlite3")
    assert place.make(chosen) is False
    assert dump(tmp_path / "demo.sqlite3") == before


def test_a_start_that_was_broken_off_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chosen = demonstration(f"sqlite:///{tmp_path / 'demo.sqlite3'}", participants=3)

    def broken(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(place, "build", broken)
        with pytest.raises(KeyboardInterrupt):
            place.make(chosen)
    assert place.make(chosen)


def _live(path: Path) -> None:
    from proapp.db.migrate import upgrade
    from proapp.services import installation

    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    from proapp.db.session import writing_sessions

    with writing_sessions(engine).begin() as session:
        installation.mark(session, demo=False)
    engine.dispose()


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE journal (entry TEXT)")
    connection.close()


@pytest.mark.parametrize("fill", [_live, _foreign])
def test_a_database_that_holds_anything_else_is_left_alone(tmp_path: Path, fill: Callable[[Path], None]):
    path = tmp_path / "precious.sqlite3"
    fill(path)
    before = dump(path)
    with pytest.raises(UnsafeDatabase):
        place.make(demonstration(f"sqlite:///{path}", participants=3))
    assert dump(path) == before
    assert place.discard_old(path) is False


def test_a_demonstration_of_another_version_is_discarded_and_nothing_else(tmp_path: Path):
    path = tmp_path / "demo.sqlite3"
    chosen = made(path, participants=3)
    assert place.discard_old(path) is False
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.commit()
    connection.close()
    with pytest.raises(UnsafeDatabase):
        place.make(chosen)
    assert place.discard_old(path) is True
    assert not path.exists()


@pytest.mark.postgresql
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_it_can_be_made_on_postgresql_and_work_goes_on_there(database_url: str):
    chosen = demonstration(database_url, participants=12)
    assert place.make(chosen)
    runtime = build_runtime(chosen.settings(), clock=lambda: datetime(2026, 11, 23, 9, tzinfo=UTC))
    with runtime.writing.begin() as session:
        nurse = session.scalars(select(StaffUser).where(StaffUser.email == "nurse.ume@example.org")).one()
        study_id = enrolment.suggestions(session, study=runtime.study, sites=None)["UME"]
        new = enrolment.enrol(
            session,
            study=runtime.study,
            vault=runtime.vault,
            study_id=study_id,
            site_code="UME",
            language="sv",
            consent_on=date(2026, 11, 23),
            channel="letter",
            mobile=None,
            email=None,
            sites=frozenset({"UME"}),
            actor=Actor("staff", nurse.id, "nurse"),
            now=runtime.clock(),
        )
        assert new == session.scalar(select(func.max(Participant.id)))
        assert list(faults(session)) == []
    runtime.close()


def test_what_two_people_change_waits_for_the_second_or_was_approved_by_one(runtime: Runtime):
    """One proposal waits, and does by now what it did when it was made; the others were approved by somebody else."""
    with runtime.reading() as session:
        (waiting,) = proposals.undecided(session, role="coordinator", sites=None)
        looked = anchor_corrections.look_at(session, waiting, study=runtime.study, sites=None, now=runtime.clock())
        assert looked.diff.digest == waiting.diff_hash
        assert looked.diff.counts["move"] > 0
        done = proposals.decided(session, role="coordinator", sites=None)
        assert {one.decision for one in done} == {"approved"}
        assert all(one.decided_by != one.proposed_by for one in done)
