"""Somebody else answers for a patient only where the study says so; who answered goes with the answers ever after."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from proapp.db.models import ResponseSet
from proapp.services import answering
from proapp.services.audit import Actor
from proapp.services.errors import Refused
from proapp.study.versions import Activation, combine

RANDOMIZED_ON = date(2026, 8, 23)  # 3 months before the tests' day: m03 is open


def opened(people: Any, study: Any, person: int, respondent: Any) -> list[tuple[str, str]]:
    """What is kept after somebody began as `respondent`: (mode, respondent) of each response set."""
    runtime = people.runtime
    assessment = people.assessment_id(person, "m03")
    with runtime.writing.begin() as session:
        answering.open_sitting(
            session, study=study, instruments=runtime.instruments, participant_id=person, assessment_id=assessment,
            respondent=respondent, now=runtime.clock(), actor=Actor("patient", person, "patient"),
        )  # fmt: skip
    with runtime.reading() as session:
        query = select(ResponseSet.mode, ResponseSet.respondent).where(ResponseSet.assessment_id == assessment)
        return [tuple(row) for row in session.execute(query)]


@pytest.fixture
def anna(people: Any) -> int:
    person: int = people.participant("UME-001", randomized_on=RANDOMIZED_ON)
    return person


def says(study: Any, allowed: bool, **more: Any) -> Any:
    return study.model_copy(update={"proxy_allowed": allowed, **more})


def test_a_study_that_says_nothing_does_not_allow_it(study: Any) -> None:
    assert type(study).model_fields["proxy_allowed"].default is False


@pytest.mark.parametrize("respondent", ["self", "helped"])
def test_the_patient_answers_always_with_help_or_without(people: Any, study: Any, anna: int, respondent: str) -> None:
    assert opened(people, says(study, False), anna, respondent) == [("self_remote", respondent)]


def test_it_is_refused_and_nothing_is_kept(people: Any, study: Any, anna: int) -> None:
    with pytest.raises(Refused) as refusal:
        opened(people, says(study, False), anna, "proxy")
    assert refusal.value.code == "proxy_not_allowed"
    assert opened(people, says(study, False), anna, "self") == [("self_remote", "self")]


def test_where_it_is_allowed_it_is_kept_apart(people: Any, study: Any, anna: int) -> None:
    assert opened(people, says(study, True), anna, "proxy") == [("proxy", "proxy")]


@pytest.mark.parametrize("allowed", [True, False])
def test_the_version_that_the_assessment_follows_decides(people: Any, study: Any, anna: int, allowed: bool) -> None:
    """Its row names the first version; another has begun since that says the opposite."""
    later = Activation("LUN", date(2026, 9, 1), says(study, not allowed, number="later"))
    both = combine(says(study, allowed), [later])
    if allowed:
        assert opened(people, both, anna, "proxy") == [("proxy", "proxy")]
    else:
        with pytest.raises(Refused):
            opened(people, both, anna, "proxy")
