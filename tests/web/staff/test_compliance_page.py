"""The compliance page: every rate with its denominator, for each reader's own sites, and the arms for few."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from html import unescape
from typing import Any

import pytest

from proapp.study.compliance import DEFINITIONS

BEGAN = datetime(2026, 2, 2, 8, 0, tzinfo=UTC)


@pytest.fixture
def trial(people: Any, clock: Any) -> None:
    """Four randomised on 5 February: three at Umeå (two answer at 3 months, one late), one at Lund who died."""
    for number, (study_id, arm) in enumerate(
        [("UME-001", "SURG"), ("UME-002", "ONC"), ("UME-003", "SURG"), ("LUN-001", "ONC")]
    ):
        member = people.participant(
            study_id, consent_on=date(2026, 2, 2), randomized_on=date(2026, 2, 5), arm=arm, enrolled_at=BEGAN
        )
        people.answered(member, "baseline", started_at=BEGAN, submitted_at=BEGAN.replace(hour=9 + number))
        if study_id == "LUN-001":
            today = clock.moment
            clock.set(datetime(2026, 4, 2, 8, tzinfo=UTC))
            people.event(member, "death", date(2026, 4, 1))
            clock.set(today)
    for study_id, day in (("UME-001", 5), ("UME-002", 10)):  # in the window, which closes on 2 June; and late
        member = _id(people, study_id)
        at = datetime(2026, 5 if study_id == "UME-001" else 6, day, 8, tzinfo=UTC)
        people.answered(member, "m03", started_at=at, submitted_at=at)


def _id(people: Any, study_id: str) -> int:
    from sqlalchemy import select

    from proapp.db.models import Participant

    with people.runtime.reading() as session:
        return int(session.scalar(select(Participant.id).where(Participant.study_id == study_id)))


def table(text: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(row["timepoint"], row["arm_code"]): row for row in csv.DictReader(io.StringIO(text))}


def test_every_rate_stands_beside_what_it_is_made_of(people, trial):
    page = people.staff("karin").get("/staff/compliance?cutoff=2026-11-22").get_data(as_text=True)
    row = re.search(r"3 months</th>(.*?)</tr>", page, re.DOTALL).group(1)
    cells = [re.sub(r"<[^>]+>", " ", cell).split() for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)]
    # late does not count as accepted; death on 1 April, before the target of 5 May, leaves the completion rate
    assert cells == [["33%", "1", "of", "3"], ["25%", "1", "of", "4"], ["25%", "1", "of", "4"]]


def test_the_definitions_are_printed_in_full_in_the_readers_language(people, trial):
    for language in ("en", "sv"):
        browser = people.staff("mona")
        browser.get("/staff/account")
        browser.post("/language", {"language": language, "next": "/staff/compliance"})
        page = unescape(browser.get("/staff/compliance").get_data(as_text=True))
        assert [line for line in DEFINITIONS[language] if line not in page] == []


def test_the_file_behind_the_link_says_what_the_page_says_and_the_identity_holds(people, trial):
    browser = people.staff("stina")
    answer = browser.get("/staff/compliance.csv?cutoff=2026-11-22&by=arm")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == "attachment; filename=compliance_2026-11-22.csv"
    rows = table(answer.get_data(as_text=True))
    assert {arm for _, arm in rows} == {"all", "SURG", "ONC"}
    m03 = rows["m03", "all"]
    assert (m03["population"], m03["received"], m03["received_late"], m03["missing"]) == ("4", "2", "1", "1")
    assert (m03["not_expected_death"], m03["accepted"], m03["completion_denominator"]) == ("1", "1", "3")
    assert (rows["m03", "SURG"]["accepted"], rows["m03", "ONC"]["accepted"]) == ("1", "0")
    for row in rows.values():
        count = {name: int(value) for name, value in row.items() if value.isdigit()}
        parts = ("not_reached", "pending", "not_expected", "received_valid", "received_invalid", "missing")
        assert count["population"] == sum(count[part] for part in parts)


def test_an_earlier_cut_off_in_the_address_shows_the_trial_as_it_was(people, trial):
    rows = table(people.staff("mona").get("/staff/compliance.csv?cutoff=2026-03-31").get_data(as_text=True))
    assert rows["m03", "all"]["not_reached"] == "4"
    assert rows["m03", "all"]["completion_rate"] == ""
    page = people.staff("mona").get("/staff/compliance?cutoff=2026-03-31").get_data(as_text=True)
    assert "as known at the end of 31 March 2026" in page


@pytest.mark.parametrize(("name", "population"), [("berit", "3"), ("ivar", "3"), ("charlie", "1"), ("mona", "4")])
def test_site_staff_see_their_own_sites_only_and_never_the_arms(people, trial, name, population):
    browser = people.staff(name)
    rows = table(browser.get("/staff/compliance.csv?cutoff=2026-11-22&by=arm").get_data(as_text=True))
    assert {arm for _, arm in rows} == {"all"}
    assert rows["m03", "all"]["population"] == population
    page = browser.get("/staff/compliance?cutoff=2026-11-22&by=arm").get_data(as_text=True)
    assert "Each arm apart" not in page
    assert "Liver surgery" not in page
    assert ("Own sites" in page) == (name != "mona")


def test_statistician_and_coordinator_may_see_the_arms_apart(people, trial):
    for name in ("stina", "karin"):
        page = people.staff(name).get("/staff/compliance?cutoff=2026-11-22&by=arm").get_data(as_text=True)
        assert "Each arm apart" in page
        assert "Liver surgery and oncological treatment" in page


def test_the_administrator_sees_no_clinical_counts(people, trial):
    browser = people.staff("ada")
    assert browser.get("/staff/compliance").status_code == 403
    assert browser.get("/staff/compliance.csv").status_code == 403


@pytest.mark.parametrize("path", ["/staff/compliance", "/staff/compliance.csv"])
@pytest.mark.parametrize("typed", ["2026-11-24", "soon", ""])
def test_a_cut_off_that_cannot_be_is_refused_in_words(people, path, typed):
    browser = people.staff("stina")
    assert browser.get(f"{path}?cutoff={typed}").status_code == 422
    assert "<title>Error:" in browser.text
    assert 'role="alert"' in browser.text


def test_a_reason_that_was_given_has_a_row_and_one_that_was_not_has_none(people, trial, session):
    from proapp.db.models import MissedReason

    session.add(
        MissedReason(
            assessment_id=people.assessment_id(_id(people, "UME-003"), "m03"),
            code="too_ill",
            health_related="Y",
            avoidable="N",
            source="staff",
            recorded_at=datetime(2026, 7, 1, 8, tzinfo=UTC),
        )
    )
    session.commit()
    page = people.staff("karin").get("/staff/compliance").get_data(as_text=True)
    assert "Felt too ill" in page
    assert "Was in hospital" not in page


def test_nobody_in_the_trial_yet_gives_dashes_not_errors(people):
    page = people.staff("stina").get("/staff/compliance").get_data(as_text=True)
    assert "0 of 0" in page
    assert "–" in page


def test_the_page_takes_the_same_number_of_statements_for_more_participants(people, statements):
    browser = people.staff("karin")
    counts = []
    for numbers in (range(1, 3), range(3, 23)):
        for number in numbers:
            people.participant(
                f"UME-{number:03d}", randomized_on=date(2026, 2, 5), enrolled_at=BEGAN, activated=False, channel=None
            )
        statements.clear()
        browser.get("/staff/compliance")
        counts.append(len(statements))
    assert counts[0] == counts[1]
