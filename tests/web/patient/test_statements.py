"""How many SQL statements the path of an answer costs, sign-in and audit included; free of noise, unlike a clock."""

from __future__ import annotations

from typing import Any


def test_a_question_page_costs_at_most_four_even_after_a_while(anna: Any, statements: list[str], clock: Any) -> None:
    """The note that the session is in use, once a minute, is among them."""
    anna.begin()
    anna.answer("c30", 1, 2)
    for minutes in (0, 2):
        clock.forward(minutes=minutes)
        statements.clear()
        assert anna.browser.get(anna.question("c30", 2)).status_code == 200
        assert len(statements) <= 4, statements


def test_saving_costs_at_most_six_even_when_the_session_is_touched(
    anna: Any, statements: list[str], clock: Any
) -> None:
    anna.begin()
    anna.browser.get(anna.question("c30", 1))
    statements.clear()
    anna.answer("c30", 1, 2)
    assert len(statements) <= 5, statements
    anna.browser.get(anna.question("c30", 2))
    clock.forward(minutes=2)
    statements.clear()
    anna.answer("c30", 2, 2)
    assert len(statements) <= 6, statements
    assert len(anna.answers()) == 2


def test_submitting_costs_at_most_ten(anna: Any, statements: list[str]) -> None:
    anna.begin()
    for item in range(1, 8):
        anna.answer("c30", item, 2)
    anna.browser.get(f"{anna.address}/review")
    statements.clear()
    page = anna.browser.post(f"{anna.address}/review")
    assert page.headers["Location"].endswith("/sent")
    assert len(statements) <= 10, statements


def test_the_answers_of_others_cost_nothing(anna: Any, statements: list[str]) -> None:
    from tests.web.patient.conftest import RANDOMIZED_ON

    anna.begin()
    statements.clear()
    anna.browser.get("/home")
    alone = len(statements)
    for number in range(10, 16):
        other = anna.people.participant(f"UME-0{number}", randomized_on=RANDOMIZED_ON)
        anna.people.answered(other, "m03")
    statements.clear()
    anna.browser.get("/home")
    assert len(statements) == alone
