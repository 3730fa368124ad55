"""anna at 3 months after randomisation, with a questionnaire open, and ways to walk through it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import Answer, AuditEvent, ResponseSet

RANDOMIZED_ON = date(2026, 8, 23)  # 3 months before the tests' day: m03 is due today


@dataclass
class Anna:
    """A participant at UME whose 3-month questionnaire is open, and her browser."""

    id: int
    people: Any
    browser: Any
    assessment_id: int

    @property
    def address(self) -> str:
        return f"/assessment/{self.assessment_id}"

    def question(self, instrument: str, item: int) -> str:
        return f"{self.address}/{instrument}/{item}"

    def begin(self, who: str = "self") -> None:
        self.browser.get(self.address)
        self.browser.post(self.address, {"who": who})

    def answer(self, instrument: str, item: int, code: int | str) -> Any:
        return self.browser.post(self.question(instrument, item), {"answer": str(code), "do": "save"})

    def answers(self) -> list[tuple[str, int, str, int | None, str]]:
        """Every row in order: (instrument, item, kind, code, language)."""
        with self.people.runtime.reading() as session:
            rows = session.execute(
                select(Answer.instrument, Answer.item, Answer.kind, Answer.code, Answer.language).order_by(Answer.id)
            )
            return [tuple(row) for row in rows]

    def response_set(self) -> ResponseSet:
        with self.people.runtime.reading() as session:
            return session.scalars(select(ResponseSet).where(ResponseSet.assessment_id == self.assessment_id)).one()

    def audited(self) -> list[str]:
        with self.people.runtime.reading() as session:
            return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


@pytest.fixture
def anna(people: Any) -> Anna:
    person = people.participant("UME-001", randomized_on=RANDOMIZED_ON, language="en")
    return Anna(person, people, people.patient(person), people.assessment_id(person, "m03"))
