"""Two clocks: what had happened by the cut-off day, and what of it was known at another moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from proapp.db.models import Answer, Assessment, AssessmentEvent, ContactAttempt, Participant, ResponseSet
from proapp.services import event_corrections
from proapp.services.audit import Actor
from proapp.services.errors import Refused
from proapp.services.exporting import Asked, ask
from proapp.study.schedule import close_instant
from tests.conftest import definitions
from tests.export.trial import CUT_OFF, Trial, at, pattern

KARIN = Actor("staff", None, "coordinator")
LATER = CUT_OFF + timedelta(days=7)
KNOWN = at(LATER + timedelta(days=1))  # a week after the cut-off, everything of that week is known
MIDNIGHT = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)  # the end of the cut-off day in Stockholm


def rows(made: Any) -> Any:
    return made.by("assessments", "study_id", "timepoint", "instrument")


def test_without_a_moment_it_is_the_end_of_the_cut_off_day(trial, export):
    made = export()
    assert made.content == export(as_of=MIDNIGHT).content
    assert (made.manifest["cut_off"], made.manifest["as_of"]) == ("2026-11-22", "2026-11-22T23:00:00Z")
    assert "as of 2026-11-22T23:00:00Z" in made.files["README.txt"].decode()


def test_another_moment_is_named_in_manifest_and_folder(trial, export):
    made = export(as_of=KNOWN)
    assert made.manifest["as_of"] == "2026-11-30T08:00:00Z"
    assert made.archive.namelist()[0] == "BreCLIM-2_2026-11-22_asof-20261130T080000Z/README.txt"


def test_what_happened_before_the_cut_off_and_was_recorded_later_is_seen_from_later(trial, export, runtime):
    full = pattern(runtime.instruments, 1)
    trial.event(trial.id_of("UME-001"), "death", date(2026, 11, 1), recorded_on=LATER)
    trial.answer(trial.id_of("KAR-001"), "baseline", LATER, full, mode="paper", completed_on=date(2026, 2, 4))
    trial.reason(trial.id_of("UME-002"), "m06", "unreachable", LATER)
    blind, seeing = export(), export(as_of=KNOWN)
    assert blind.by("participants", "study_id")[("UME-001",)]["status"] == "on_study"
    assert seeing.by("participants", "study_id")[("UME-001",)]["died_on"] == "2026-11-01"
    assert rows(blind)["KAR-001", "baseline", "c30"]["status"] == "missed_unexplained"
    late = rows(seeing)["KAR-001", "baseline", "c30"]
    assert (late["status"], late["completed_on"], late["mode"]) == ("completed", "2026-02-04", "paper")
    assert len([row for row in seeing.table("items_long") if row["study_id"] == "KAR-001"]) == 74 * 3
    assert rows(seeing)["UME-002", "m06", "c30"]["reason_code"] == "unreachable"


def test_a_person_entered_late_is_there_from_the_day_of_consent(trial, export, runtime):
    late = trial.member("UME-009", "ONC", consent_on=date(2026, 11, 20), randomized_on=date(2026, 11, 21))
    with runtime.writing.begin() as session:
        session.get_one(Participant, late).enrolled_at = at(LATER)
    trial.member("UME-010", "ONC", consent_on=LATER, randomized_on=LATER)
    assert "UME-009" not in {row["study_id"] for row in export().table("participants")}
    seen = export(as_of=KNOWN).by("participants", "study_id")
    assert ("UME-009",) in seen
    assert ("UME-010",) not in seen


def test_what_happened_after_the_cut_off_is_not_seen_however_much_is_known(trial, export, runtime):
    """Seen from later, the week after the cut-off leaves no trace but in the two names of the moment."""
    before = tables_of(export(as_of=KNOWN))
    full = pattern(runtime.instruments, 1)
    trial.event(trial.id_of("UME-001"), "death", LATER)
    trial.event(trial.id_of("UME-002"), "surgery", LATER)
    trial.event(trial.id_of("UME-003"), "site_transfer", LATER, **{"from": "UME", "to": "LUN"})
    trial.speaks(trial.id_of("UME-001"), "en", LATER)
    trial.decline(trial.id_of("LUN-005"), "m03", LATER)
    trial.answer(trial.id_of("LUN-003"), "m03", LATER, full)  # begun and sent
    trial.answer(trial.id_of("GOT-001"), "m03", LATER, full, sent=False)
    with runtime.writing.begin() as session:
        session.execute(
            insert(ContactAttempt).values(
                participant_id=trial.id_of("UME-001"), method="phone", outcome="no_answer", at=at(LATER)
            )
        )
    assert tables_of(export(as_of=KNOWN)) == before


def test_of_a_sitting_sent_after_the_cut_off_the_answers_before_it_count_as_begun(trial, export, runtime):
    assessment_id = trial.assessment(trial.id_of("LUN-004"), "m03")
    before = tables_of(export(as_of=KNOWN))
    with runtime.writing.begin() as session:
        set_id = session.scalar(select(ResponseSet.id).where(ResponseSet.assessment_id == assessment_id))
        given = {"instrument": "c30", "kind": "answered", "code": 2, "language": "en", "actor": "patient"}
        session.execute(insert(Answer).values(response_set_id=set_id, item=3, recorded_at=at(LATER), **given))
        sent = {
            "submitted_at": at(LATER, 9),
            "completed_on": LATER,
            "receipt": "x",
            "answered_items": 3,
            "valid": False,
        }
        session.execute(update(ResponseSet).where(ResponseSet.id == set_id).values(**sent))
    assert tables_of(export(as_of=KNOWN)) == before


def test_what_is_corrected_after_the_moment_does_not_leak(trial, export, runtime):
    moment = at(CUT_OFF + timedelta(days=2))
    before = export(as_of=moment).content
    with runtime.writing.begin() as session:
        wrong = event_corrections.randomization(session, study_id="LUN-005", sites=None)
        event_corrections.put_right(
            session,
            study=runtime.study,
            study_id="LUN-005",
            sites=None,
            correction=event_corrections.Correction(wrong.id, date(2026, 8, 27)),
            reason="typed wrongly",
            actor=KARIN,
            now=at(LATER, 15),
            approved=True,
        )
    trial.answer(trial.id_of("KAR-001"), "baseline", LATER, pattern(runtime.instruments, 1), mode="paper",
                 completed_on=date(2026, 2, 4))  # fmt: skip
    trial.reason(trial.id_of("UME-001"), "m06", "forgot", LATER)
    _extend(trial, "LUN-004", "m03", LATER)
    assert export(as_of=moment).content == before
    seen = export(as_of=KNOWN)
    assert seen.by("participants", "study_id")[("LUN-005",)]["randomized_on"] == "2026-08-27"
    assert rows(seen)["UME-001", "m06", "c30"]["reason_code"] == "forgot"


def _extend(trial: Trial, study_id: str, timepoint: str, day: date) -> None:
    """As the pages do it: the decision, and the row as it stands from then on."""
    assessment_id = trial.assessment(trial.id_of(study_id), timepoint)
    with trial.runtime.writing.begin() as session:
        session.add(
            AssessmentEvent(
                assessment_id=assessment_id, type="extended", payload={"until": "2026-12-30"}, recorded_at=at(day)
            )
        )
        session.get_one(Assessment, assessment_id).extension_until = date(2026, 12, 30)


def tables_of(made: Any) -> dict[str, bytes]:
    return {name: content for name, content in made.files.items() if name.startswith("data/")}


NOW = datetime(2026, 11, 23, 10, 0, 0, 250_000, tzinfo=UTC)
STUDY = definitions()[0]
ZONE = STUDY.zone()


@pytest.mark.parametrize(
    ("cut_off", "as_of", "asked"),
    [
        (None, None, Asked(date(2026, 11, 23), NOW.replace(microsecond=0))),
        (date(2026, 11, 22), None, Asked(date(2026, 11, 22), MIDNIGHT)),
        (None, MIDNIGHT, Asked(date(2026, 11, 22), MIDNIGHT)),
        (None, MIDNIGHT + timedelta(hours=1), Asked(date(2026, 11, 23), MIDNIGHT + timedelta(hours=1))),
        (date(2026, 2, 1), MIDNIGHT.astimezone(ZONE), Asked(date(2026, 2, 1), MIDNIGHT)),
    ],
)
def test_each_clock_has_a_default_from_the_other(cut_off, as_of, asked):
    assert ask(STUDY, cut_off=cut_off, as_of=as_of, now=NOW) == asked
    assert close_instant(date(2026, 11, 22), ZONE) == MIDNIGHT


@pytest.mark.parametrize(
    ("cut_off", "as_of", "code"),
    [
        (date(2026, 11, 24), None, "cut_off_in_future"),
        (None, NOW + timedelta(seconds=1), "as_of_in_future"),
        (date(2026, 11, 23), at(date(2026, 11, 20)), "as_of_before_cut_off"),
    ],
)
def test_a_moment_that_cannot_be_is_refused(cut_off, as_of, code):
    with pytest.raises(Refused, match=code):
        ask(STUDY, cut_off=cut_off, as_of=as_of, now=NOW)
