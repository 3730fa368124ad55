"""The thank-you page leaves after the answers are on disk; where they cannot get there, nobody is thanked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select

from proapp.db.models import ResponseSet


@pytest.fixture
def ready(anna: Any) -> Any:
    """anna before the list of her answers, which she only has to send."""
    anna.begin()
    anna.answer("c30", 1, 2)
    anna.browser.get(f"{anna.address}/review")
    return anna


def test_the_receipt_is_on_disk_before_the_first_byte_of_the_answer(ready: Any, engine: Engine) -> None:
    told, straight = [], ready.people.app.wsgi_app

    def watched(environ: Any, start_response: Any) -> Any:
        def start(*arguments: Any) -> Any:
            with engine.connect() as connection:  # what another connection sees is committed
                told.append(connection.scalar(select(ResponseSet.receipt)))
            return start_response(*arguments)

        return straight(environ, start)

    ready.people.app.wsgi_app = watched
    assert ready.browser.post(f"{ready.address}/review").headers["Location"] == f"{ready.address}/sent"
    assert told == [ready.response_set().receipt]
    assert told[0]


@pytest.mark.parametrize(("fault", "status"), [("OperationalError", 503), ("IntegrityError", 500)])
def test_a_commit_that_fails_thanks_nobody_and_leaves_nothing(
    ready: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, fault: str, status: int
) -> None:
    def fail(driver: Any) -> None:
        if engine.dialect.name == "postgresql":
            driver.rollback()  # there a failed commit is over; SQLite may keep the transaction and its lock
        raise getattr(engine.dialect.loaded_dbapi, fault)("canary: disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(engine.dialect, "do_commit", fail)
        page = ready.browser.post(f"{ready.address}/review")
    assert page.status_code == status
    assert ("was not saved" if status == 503 else "reference") in ready.browser.text
    assert 'href="tel:' in ready.browser.text
    assert "canary" not in ready.browser.text
    assert ready.response_set().receipt is None
    assert "response_set.submitted" not in ready.audited()
    assert ready.browser.post(f"{ready.address}/review").status_code == 303
