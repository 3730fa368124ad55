from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import AssessmentEvent, ContactAttempt

BEFORE = datetime(2026, 5, 30, 9, tzinfo=UTC)


@pytest.fixture
def about(people: Any) -> int:
    """anna's assessment after three months, due since 12 November."""
    person = people.participant("UME-001", randomized_on=date(2026, 8, 12))
    people.answered(person, "baseline", submitted_at=BEFORE, codes={})
    return int(people.assessment_id(person, "m03"))


def rows(runtime: Any) -> list[Any]:
    with runtime.reading() as session:
        return list(session.scalars(select(ContactAttempt)))


def address(about: int) -> str:
    return f"/staff/participants/UME-001/log-contact?assessment={about}"


def test_two_clicks_from_the_worklist_note_a_call(people: Any, runtime: Any, about: int) -> None:
    berit = people.staff("berit")
    page = berit.get(address(about)).get_data(as_text=True)
    assert 'href="tel:+46701740605"' in page
    assert "070-174 06 05" in page
    assert 'value="2026-11-25"' in page
    answer = berit.post(
        address(about), {"method": "phone", "outcome": "no_answer", "next_on": "2026-11-25", "note": ""}
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/work")
    (row,) = rows(runtime)
    assert (row.method, row.outcome, row.assessment_id, row.next_on) == (
        "phone",
        "no_answer",
        about,
        date(2026, 11, 25),
    )
    assert "Contact with UME-001 noted: No answer." in berit.follow().get_data(as_text=True)


def test_a_no_that_is_said_in_a_call_is_recorded_with_it(people: Any, runtime: Any, about: int) -> None:
    """Else reminders would go on until somebody came by the page that asks for it."""
    berit = people.staff("berit")
    answer = berit.post(address(about), {"method": "phone", "outcome": "declined"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/work")
    assert "will not answer. It can be taken back" in berit.follow().get_data(as_text=True)
    berit.post(address(about), {"method": "phone", "outcome": "declined"})
    with runtime.reading() as session:
        (event,) = session.scalars(select(AssessmentEvent))
    assert (event.assessment_id, event.type, event.payload) == (about, "declined", {"by": "staff"})
    assert [row.outcome for row in rows(runtime)] == ["declined"]


def test_a_no_about_nothing_in_particular_is_noted_only(people: Any, runtime: Any, about: int) -> None:
    berit = people.staff("berit")
    answer = berit.post("/staff/participants/UME-001/log-contact", {"method": "phone", "outcome": "declined"})
    assert answer.status_code == 303
    with runtime.reading() as session:
        assert session.scalars(select(AssessmentEvent)).all() == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"outcome": ""}, "Choose what came of it."),
        ({"outcome": "vanished"}, "Choose what came of it."),
        ({"next_on": "2026-11-23"}, "Choose a day after today."),
        ({"next_on": "2026-12-20"}, "The window has closed by then; choose 10 December 2026 or earlier."),
        ({"note": "x" * 501}, "The note is too long; at most 500 signs."),
        ({"method": "pigeon"}, "Choose how the participant was contacted."),
    ],
)
def test_what_is_refused_comes_back_with_everything_typed(
    people: Any, runtime: Any, about: int, given: dict[str, str], sentence: str
) -> None:
    berit = people.staff("berit")
    typed = {"method": "sms", "outcome": "no_answer", "note": "Rang the ward", "next_on": "2026-11-24", **given}
    answer = berit.post(address(about), typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "<title>Error: " in page.replace("\n", "")
    assert page.count(sentence) >= 1
    assert 'role="alert"' in page
    assert typed["note"] in page
    assert rows(runtime) == []


def test_the_keyboards_enter_presses_no_outcome(people: Any, runtime: Any, about: int) -> None:
    """The first button of the form, which Enter in a field presses, names no outcome."""
    page = people.staff("berit").get(address(about)).get_data(as_text=True)
    assert page.index('name="outcome" value=""') < page.index('name="outcome" value="reached_will_answer"')


def test_a_row_is_postponed_with_a_day_and_a_reason(people: Any, runtime: Any, about: int) -> None:
    berit = people.staff("berit")
    where = f"/staff/participants/UME-001/postpone?assessment={about}"
    assert berit.get(where).status_code == 200
    refused = berit.post(where, {"until": "2026-11-30", "why": "  "})
    assert refused.status_code == 422
    assert "Write why it is postponed." in berit.text
    assert 'value="2026-11-30"' in berit.text
    assert "Choose a day after today." in berit.post(where, {"until": "2026-11-20", "why": "Abroad"}).get_data(
        as_text=True
    )
    done = berit.post(where, {"until": "2026-11-30", "why": "Abroad"})
    assert done.status_code == 303
    page = berit.follow().get_data(as_text=True)
    assert "UME-001 is postponed until Monday 30 November." in page
    assert "To do today (0)" in page
    (row,) = rows(runtime)
    assert (row.method, row.outcome, row.note) == ("none", "postponed", "Abroad")


def test_a_participant_without_any_assessment_named_can_be_rung_too(people: Any, runtime: Any, about: int) -> None:
    berit = people.staff("berit")
    assert berit.get("/staff/participants/UME-001/log-contact").status_code == 200
    assert (
        berit.post(
            "/staff/participants/UME-001/log-contact", {"method": "letter", "outcome": "left_message"}
        ).status_code
        == 303
    )
    assert rows(runtime)[0].assessment_id is None


def test_charlie_finds_neither_participant_nor_number(people: Any, runtime: Any, about: int) -> None:
    charlie = people.staff("charlie")
    for where in (address(about), f"/staff/participants/UME-001/postpone?assessment={about}"):
        foreign, absent = charlie.get(where), charlie.get(where.replace("UME-001", "UME-999"))
        assert (foreign.status_code, absent.status_code) == (404, 404)
        assert foreign.get_data() == absent.get_data()
        assert (
            charlie.post(
                where, {"method": "phone", "outcome": "no_answer", "until": "2026-11-30", "why": "x"}
            ).status_code
            == 404
        )
    assert rows(runtime) == []


def test_an_assessment_of_somebody_else_is_not_found(people: Any, about: int) -> None:
    people.participant("UME-002", randomized_on=date(2026, 8, 12))
    assert people.staff("berit").get(f"/staff/participants/UME-002/log-contact?assessment={about}").status_code == 404


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_those_without_contact_data_get_no_page_with_a_number(people: Any, about: int, name: str) -> None:
    assert people.staff(name).get(address(about)).status_code == 403
    assert people.staff(name).post(address(about), {"method": "phone", "outcome": "no_answer"}).status_code == 403
