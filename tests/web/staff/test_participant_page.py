from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, select

from proapp.db.models import ContactAttempt, ParticipantEvent
from proapp.services import audit
from proapp.services.audit import Actor, Entry
from tests.crowd import crowd

RANDOMISED = date(2026, 6, 1)
NUMBER = "070-174 06 05"


@pytest.fixture
def anna(people: Any) -> int:
    """Baseline answered (but for PF2 item 1), three months missed, six months open."""
    person = people.participant("UME-001", randomized_on=RANDOMISED)
    codes = people.every_item(2)
    del codes["c30"][1]
    people.answered(person, "baseline", submitted_at=datetime(2026, 6, 1, 9, tzinfo=UTC), codes=codes)
    return int(person)


def page(people: Any, name: str = "ivar", study_id: str = "UME-001") -> str:
    answer = people.staff(name).get(f"/staff/participants/{study_id}")
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def test_the_time_line_tells_windows_answers_and_what_is_missing(people: Any, anna: int) -> None:
    shown = page(people)
    assert f'<li id="a{people.assessment_id(anna, "m03")}">' in shown
    assert "73 of 74 answered on 1 June 2026, on the participant&#39;s own phone; answered without help." in shown
    assert "receipt " in shown
    assert (
        "Tue 18 Aug 2026 to Tue 29 Sep 2026, aimed at Tue 1 Sep 2026. A late answer was taken until 13 October 2026."
        in shown
    )
    assert "Missed, reason needed" in shown
    assert "Record the reason" in shown


def test_contacts_stand_beside_what_they_were_about(people: Any, runtime: Any, anna: int) -> None:
    row = {
        "participant_id": anna, "assessment_id": people.assessment_id(anna, "m06"), "method": "phone", "outcome": "no_answer",
        "note": "Best after three", "at": runtime.clock(), "recorded_by_id": people.staff_id("berit"), "next_on": date(2026, 11, 25),
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(ContactAttempt), row)
    shown = page(people)
    assert shown.count("No answer") == 2
    assert "Best after three" in shown
    assert "next Wednesday 25 November 2026" in shown


def test_scores_stand_with_how_many_answers_they_are_based_on(people: Any, anna: int) -> None:
    shown = page(people)
    assert "Not validated, not an EORTC instrument." in shown
    assert "based on 4 of 5 items" in shown
    assert "Functioning: higher is better" in shown
    assert "Symptoms: higher means more problems" in shown
    assert "13 of 13 scales" in shown


def test_two_answered_time_points_make_charts_with_a_gap_where_one_was_missed(
    people: Any, runtime: Any, anna: int, clock: Any
) -> None:
    assert "<svg viewBox" not in page(people)
    people.answered(anna, "m06", submitted_at=datetime(2026, 12, 1, 9, tzinfo=UTC), codes=people.every_item(3))
    clock.set(datetime(2027, 2, 1, 9, tzinfo=UTC))
    shown = page(people)
    assert 'role="img" aria-label="' in shown
    assert "A cross marks an assessment without a score." in shown
    assert 'class="gap"' in shown
    assert 'class="path"' not in shown  # the missed time point lies between the two values


@pytest.mark.parametrize(
    ("name", "sees"), [("ivar", True), ("karin", True), ("stina", True), ("berit", False), ("mona", False)]
)
def test_scores_are_for_those_who_may_see_them(people: Any, anna: int, name: str, sees: bool) -> None:
    assert ("based on 4 of 5 items" in page(people, name)) is sees


@pytest.mark.parametrize(
    ("name", "sees"), [("ivar", True), ("karin", True), ("berit", True), ("stina", False), ("mona", False)]
)
def test_contact_data_are_for_those_who_ring(people: Any, anna: int, name: str, sees: bool) -> None:
    shown = page(people, name)
    assert (NUMBER in shown) is sees
    assert ("log-contact" in shown) is sees


def test_charlie_and_absent_participants_get_the_same_404(people: Any, anna: int) -> None:
    charlie = people.staff("charlie")
    foreign, absent = charlie.get("/staff/participants/UME-001"), charlie.get("/staff/participants/UME-999")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.get_data() == absent.get_data()


def test_who_is_not_randomised_and_has_not_signed_in_is_told(people: Any) -> None:
    people.participant("UME-002", consent_on=date(2026, 11, 20), activated=False)
    shown = page(people, study_id="UME-002")
    assert "Not randomised yet." in shown
    assert "Has not signed in on a phone yet." in shown
    assert "not activated" in shown
    assert "No date until the participant is randomised." in shown


@pytest.mark.parametrize(
    ("type_", "payload", "sentences"),
    [
        ("death", {}, ("Died on 20 November 2026.", "Nobody is asked and nobody is reminded any more.")),
        ("trial_withdrawal", {"data_use": "delete_if_lawful"}, ("Left the trial on 20 November 2026.", "Asks that the data be deleted")),
        ("pro_stop", {}, ("No more questionnaires since 20 November 2026.", "Answers given before are kept.")),
        ("lost_to_follow_up", {}, ("Lost to follow-up since 20 November 2026.",)),
    ],
)  # fmt: skip
def test_every_end_is_told_on_top(
    people: Any, anna: int, type_: str, payload: dict[str, str], sentences: tuple[str, ...]
) -> None:
    people.event(anna, type_, date(2026, 11, 20), **payload)
    shown = page(people)
    for sentence in sentences:
        assert sentence in shown


def test_a_corrected_randomisation_tells_old_and_new_date_who_and_why(people: Any, runtime: Any, anna: int) -> None:
    berit = people.staff_id("berit")
    with runtime.writing.begin() as session:
        old = session.scalar(select(ParticipantEvent).where(ParticipantEvent.type == "randomized"))
        session.add(
            ParticipantEvent(
                participant_id=anna, type="randomized", effective_on=date(2026, 6, 3), payload=dict(old.payload), reason="Misread",
                supersedes_id=old.id, recorded_at=runtime.clock(), recorded_by_id=berit,
            )
        )  # fmt: skip
    shown = page(people)
    assert "The randomisation date was corrected from 1 June 2026 to 3 June 2026." in shown
    assert "by Berit. Misread" in shown
    assert "<s>Randomisation" in shown


def test_the_history_speaks_in_sentences_and_shows_unknown_actions_by_their_code(
    people: Any, runtime: Any, anna: int
) -> None:
    about = people.assessment_id(anna, "m03")
    entries = (
        Entry("participant.enrolled", "participant", anna, {"study_id": "UME-001"}),
        Entry("contact.changed", "contact", anna, {"fields": ["mobile", "email"]}),
        Entry("event.recorded", "participant_event", 1, {"type": "randomized", "effective_on": "2026-06-01"}),
        Entry("missed_reason.recorded", "missed_reason", 1, {"assessment": about, "code": "too_ill"}),
        Entry("response_set.submitted", "response_set", 1, {"assessment": about, "answered_items": 70}),
        Entry("assessment.moved", "assessment", about, {"timepoint": "m03", "old": {"opens_on": "2026-08-18", "closes_on": "2026-09-29"}, "new": {"opens_on": None}}),
        Entry("thing.done", "thing", 1, {}, "Because"),
        Entry("answer.recorded", "answer", 1, {}),
    )  # fmt: skip
    berit = people.staff_id("berit")
    with runtime.writing.begin() as session:
        audit.record(
            session,
            *entries,
            actor=Actor("staff", berit, "nurse"),
            now=runtime.clock(),
            participant_id=anna,
        )
    shown = page(people)
    for sentence in (
        "Participant enrolled", "Contact details changed: mobile number, e-mail address", "Recorded: Randomisation, 1 June 2026",
        "3 months: reason recorded, Felt too ill", "3 months: sent, 70 answers",
        "3 months: moved from 18 August 2026 – 29 September 2026 to no date", "thing.done", "Because", "Berit, nurse",
    ):  # fmt: skip
        assert sentence in shown
    assert "answer.recorded" not in shown


def test_a_long_history_has_pages(people: Any, runtime: Any, anna: int) -> None:
    entries = [Entry("thing.done", "thing", number, {}, f"reason {number:03d}") for number in range(60)]
    with runtime.writing.begin() as session:
        audit.record(session, *entries, actor=Actor("system", None, "worker"), now=runtime.clock(), participant_id=anna)
    ivar = people.staff("ivar")
    newest = ivar.get("/staff/participants/UME-001").get_data(as_text=True)
    assert "reason 059" in newest
    assert "reason 009" not in newest
    older = ivar.get("/staff/participants/UME-001?before=11").get_data(as_text=True)
    assert "before=11" in newest
    assert "reason 009" in older
    assert "reason 010" not in older


def test_the_page_takes_as_many_statements_in_a_large_trial_as_in_a_small_one(
    people: Any, runtime: Any, statements: list[str]
) -> None:
    karin, counts = people.staff("karin"), []
    for numbers in (range(1, 21), range(21, 2001)):
        crowd(runtime, numbers)
        statements.clear()
        # A reader without contact data would do with two fewer; this is the page with everything on it.
        stina = karin.get("/staff/participants/UME-0001")
        counts.append((stina.status_code, len(statements)))
    assert counts[0] == counts[1]
    assert counts[0][0] == 200
    assert counts[0][1] <= 22  # the twenty-second asks whether a correction waits for approval
