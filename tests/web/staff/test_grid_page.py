from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from proapp.db.models import MissedReason
from tests.crowd import crowd

CLOSED = date(2026, 6, 1)


@pytest.fixture
def anna(people: Any) -> int:
    """Baseline answered, three months missed without a reason, six months open, the rest to come."""
    person = people.participant("UME-001", randomized_on=CLOSED)
    people.answered(person, "baseline", submitted_at=datetime(2026, 6, 1, 9, tzinfo=UTC), codes={}, completed_on=CLOSED)
    return int(person)


def grid(people: Any, query: str = "", name: str = "karin") -> str:
    answer = people.staff(name).get(f"/staff/participants{query}")
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def letters(page: str) -> list[str]:
    """What the cells of the body say to a screen reader."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    return re.findall(r'<span class="vh">([^<]+)</span>', body)


def test_every_cell_has_a_letter_an_icon_a_tone_and_words(people: Any, anna: int) -> None:
    page = grid(people)
    missed = f'<a class="cell missed" href="/staff/participants/UME-001#a{people.assessment_id(anna, "m03")}"'
    assert missed in page
    cell = page[page.index(missed) :][:400]
    assert 'title="Missed, reason needed, 2026-10-13"' in cell
    assert '<use href="#i-alert"/>' in cell
    assert '<span aria-hidden="true">M?</span>' in cell
    assert letters(page)[:3] == ["Answered", "Missed, reason needed", "Open"]
    assert letters(page)[3] == "Not open yet, opens 2027-05-04"


def test_what_is_not_asked_yet_is_no_link(people: Any, anna: int) -> None:
    page = grid(people)
    assert f'#a{people.assessment_id(anna, "m06")}"' in page
    assert f'#a{people.assessment_id(anna, "m12")}"' not in page


def test_counts_stand_below_each_column_with_their_denominators(people: Any, runtime: Any, anna: int) -> None:
    other = people.participant("LUN-001", randomized_on=CLOSED)
    for timepoint in ("baseline", "m03"):
        people.answered(other, timepoint, submitted_at=datetime(2026, 6, 1, 9, tzinfo=UTC), codes={})
    page = grid(people)
    foot = re.findall(r"<td[^>]*>(\d+/\d+)<span class=\"under\">([^<]*)</span>", page[page.index("<tfoot>") :])
    assert foot[:3] == [("2/2", "100 %"), ("1/2", "50 %"), ("0/0", "")]
    assert ">1/2<" in page[: page.index("<tfoot>")]


def test_it_is_said_why_the_counts_are_not_the_rates(people: Any, anna: int) -> None:
    assert "Answered means: anything was answered, at any time." in grid(people)


def test_filters_are_in_the_address(people: Any, runtime: Any, anna: int) -> None:
    people.participant("LUN-001", consent_on=date(2026, 11, 1))
    for query, shown in (
        ("?site=LUN", ["LUN-001"]),
        ("?status=missed_unexplained", ["UME-001"]),
        ("?status=missed_unexplained&timepoint=m06", []),
        ("?text=ume", ["UME-001"]),
        ("?text=999", []),
        ("?status=nonsense&site=mars&timepoint=x", ["LUN-001", "UME-001"]),
    ):
        page = grid(people, query)
        assert re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page) == shown
    assert "Nobody fits the filter." in grid(people, "?text=999")


def test_one_time_point_narrows_the_table_to_its_column(people: Any, anna: int) -> None:
    page = grid(people, "?timepoint=m03")
    assert letters(page) == ["Missed, reason needed"]


def test_a_recorded_reason_turns_the_red_off(people: Any, runtime: Any, anna: int) -> None:
    row = {
        "assessment_id": people.assessment_id(anna, "m03"), "code": "too_ill", "health_related": "Y", "avoidable": "N",
        "source": "staff", "recorded_at": runtime.clock(),
    }  # fmt: skip
    with runtime.writing.begin() as session:
        session.execute(insert(MissedReason), row)
    page = grid(people)
    assert 'class="cell gone"' in page
    assert 'title="Missed, reason recorded, Felt too ill"' in page


def test_no_participants_yet_leads_to_the_first(people: Any) -> None:
    page = grid(people, name="berit")
    assert "No participants yet." in page


@pytest.mark.parametrize("name", ["berit", "ivar", "karin", "mona", "stina"])
def test_those_who_may_see_participants_see_no_contact_data_in_the_grid(people: Any, anna: int, name: str) -> None:
    page = grid(people, name=name)
    assert "UME-001" in page
    assert "070-174" not in page
    assert "+46" not in page


def test_the_administrator_sees_no_participants(people: Any, anna: int) -> None:
    ada = people.staff("ada")
    for address in ("/staff/participants", "/staff/participants/UME-001", "/staff/find?q=UME-001"):
        assert ada.get(address).status_code == 403


def test_charlie_sees_his_own_site_only_whatever_the_address_says(people: Any, anna: int) -> None:
    people.participant("LUN-001", randomized_on=CLOSED)
    for query in ("", "?site=UME", "?text=UME", "?status=missed_unexplained"):
        page = grid(people, query, name="charlie")
        assert "UME-001" not in page
    assert "LUN-001" in grid(people, name="charlie")


def test_the_grid_takes_as_many_statements_for_two_thousand_as_for_twenty(
    people: Any, runtime: Any, statements: list[str]
) -> None:
    mona = people.staff("mona")
    counts = []
    for numbers in (range(1, 21), range(21, 2001)):
        crowd(runtime, numbers)
        statements.clear()
        assert mona.get("/staff/participants").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10
