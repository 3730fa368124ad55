"""The administrator lets a machine in, sees what it does, and shuts it out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from proapp.services.api_tokens import SCOPES
from proapp.web.staff.presenters import words

pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
NEW = "/staff/api-tokens/new"
FORM = {"name": "Trial register", "scopes": ["participants:read"], "sites": ["UME"], "last_day": "2027-01-31"}


@pytest.fixture
def ada(people: Any) -> Any:
    return people.staff("ada")


def test_a_token_is_made_shown_once_and_works(ada, people, app):
    assert "no token yet" in ada.get("/staff/api-tokens").get_data(as_text=True)
    ada.get(NEW)
    assert ada.post(NEW, FORM).status_code == 200
    [token] = re.findall(r"proapp_[\w-]{43}", ada.text)
    assert "31 January 2027" in ada.text
    assert token not in ada.get("/staff/api-tokens").get_data(as_text=True)
    assert "Trial register" in ada.text
    people.participant("UME-001")
    people.participant("LUN-001")
    headers = {"Authorization": f"Bearer {token}"}
    page = app.test_client().get("/api/v1/participants", base_url="https://localhost", headers=headers)
    assert [one["study_id"] for one in page.get_json()["data"]] == ["UME-001"]
    assert "Read who takes part" in ada.get("/staff/audit").get_data(as_text=True)
    assert "23 November 2026" in ada.get("/staff/api-tokens").get_data(as_text=True)


def test_it_is_ended_with_a_reason(ada, people):
    token = people.machine("participants:read")
    end = f"/staff/api-tokens/{token.token_id}/end"
    assert ada.get("/staff/api-tokens").status_code == 200
    assert f'href="{end}"' in ada.text
    ada.get(end)
    assert ada.post(end, {"reason": " "}).status_code == 422
    assert token.get("/api/v1/participants").status_code == 200
    assert ada.post(end, {"reason": "Project over"}).status_code == 303
    assert token.get("/api/v1/participants").status_code == 401
    ada.follow()
    assert "opens nothing any more" in ada.text
    assert f'href="{end}"' not in ada.text
    ada.get(end)
    assert ada.post(end, {"reason": "Again"}).status_code == 422
    assert "ended already" in ada.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_one_that_does_not_exist_is_not_found(ada, method):
    assert getattr(ada, method)("/staff/api-tokens/99/end").status_code == 404


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": ""}, "Write which machine it is"),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"scopes": []}, "Choose at least one thing"),
        ({"scopes": ["exports:read"]}, "An export holds every site"),
        ({"last_day": ""}, "Choose the last day"),
        ({"last_day": "soon"}, "year-month-day"),
        ({"last_day": "2026-11-22"}, "This day is over"),
    ],
)
def test_what_makes_no_sense_is_said_beside_the_field(ada, more, said):
    ada.get(NEW)
    assert ada.post(NEW, {**FORM, **more}).status_code == 422
    assert said in ada.text
    assert "proapp_" not in ada.text


def test_every_scope_has_words():
    assert tuple(words.SCOPES) == SCOPES
