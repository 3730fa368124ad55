"""What staff do with accounts, and with data that leaves the building: nothing changes without a word in the trail."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pyotp
import pytest

from tests.people import faults
from tests.web.routes import CLINICAL, ROUTES
from tests.web.test_trail import events, rows

PASSWORD, BETTER = "quiet river under stones", "loud sea above the clouds"
INVITED = {"name": "Eva Ek", "email": "eva@example.org", "role": "coordinator"}
ELSEWHERE = {"staff.propose_amendment"}  # in the walk over what two people change


@pytest.fixture
def told(engine: Any) -> Callable[[Callable[[], Any]], list[str]]:
    """Do something that may change rows, and hear what the trail says of it."""

    def tell(act: Callable[[], Any]) -> list[str]:
        before, heard = rows(engine), len(events(engine))
        assert act().status_code in (200, 303)
        new = events(engine)[heard:]
        assert new or rows(engine) == before
        assert all(event.actor_kind == "staff" and event.actor_id for event in new)
        return [event.action for event in new]

    return tell


def test_every_page_about_accounts_and_exports_says_what_it_changed(told, people, app, clock):
    used: set[str] = set()

    def send(browser: Any, path: str, form: dict[str, Any] | None = None) -> list[str]:
        used.add(app.url_map.bind("localhost").match(path, method="POST")[0])
        return told(lambda: browser.post(path, form, buffered=True))

    ada, eva = people.staff("ada"), people.make_browser(app)
    number = _somebody_is_let_in(send, ada, eva, clock)
    _an_account_of_ones_own(send, eva, lambda: _signed_in_again(send, people, number))
    _away_from_the_desk(send, people, eva)
    assert send(eva, "/staff/export", {"cutoff": "2026-11-22"}) == ["export.created"]
    eva.get("/staff/account")
    cut = {"cutoff": "2026-11-22", "named": "Interim 1", "password": BETTER}
    assert send(eva, "/staff/export/freeze", cut) == ["export.frozen"]
    eva.get("/staff/account")
    assert send(eva, "/staff/sign-out") == ["session.ended"]
    _somebody_is_shut_out(send, ada)
    _a_machine_comes_and_goes(send, ada)

    of_staff = {
        name
        for name, route in ROUTES.items()
        if name.startswith("staff.") and "POST" in route.methods and route.audience != CLINICAL
    }
    assert of_staff - used - ELSEWHERE == set(), "these pages write; use them in this walk"
    with people.runtime.reading() as session:
        assert list(faults(session)) == []


def _code(browser: Any) -> str:
    found = re.search(r"([A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4})", browser.text)
    assert found is not None
    return found[1]


def _somebody_is_let_in(send: Any, ada: Any, eva: Any, clock: Any) -> Callable[[], str]:
    """Gives what says the present number of eva's app."""
    ada.get("/staff/users/invite")
    assert send(ada, "/staff/users/invite", INVITED) == ["user.added", "user.invited"]
    eva.get("/staff/set-up")
    assert send(eva, "/staff/set-up", {"code": _code(ada)}) == []
    eva.get("/staff/set-up/password")
    chosen = {"password": PASSWORD, "again": PASSWORD}
    assert send(eva, "/staff/set-up/password", chosen) == ["user.password_chosen"]
    eva.get("/staff/set-up/app")
    secret = re.search(r"<code translate=\"no\">([A-Z2-7 ]+)</code>", eva.text)
    assert secret is not None
    app = pyotp.TOTP(secret[1].replace(" ", ""))
    assert send(eva, "/staff/set-up/app", {"code": app.at(clock())}) == ["user.set_up", "session.started"]
    return lambda: app.at(clock.forward(minutes=1))


def _signed_in_again(send: Any, people: Any, number: Callable[[], str]) -> None:
    elsewhere = people.make_browser(people.app)
    elsewhere.get("/staff/sign-in")
    assert send(elsewhere, "/staff/sign-in", {"email": INVITED["email"], "password": PASSWORD}) == []
    elsewhere.get("/staff/second-factor")
    assert send(elsewhere, "/staff/second-factor", {"code": number()}) == ["session.started"]


def _an_account_of_ones_own(send: Any, eva: Any, elsewhere: Callable[[], None]) -> None:
    own = "/staff/account"
    elsewhere()
    device = re.search(r'name="session_id"[^>]*value="(\d+)"', eva.get(own).get_data(as_text=True))
    assert device is not None
    assert send(eva, f"{own}/sessions/end", {"session_id": device[1]}) == ["session.ended"]
    elsewhere()
    assert send(eva, f"{own}/sessions/end-others") == ["user.sessions_ended"]
    assert send(eva, f"{own}/language", {"language": "sv"}) == ["user.language"]
    assert send(eva, f"{own}/language", {"language": "sv"}) == []
    assert send(eva, f"{own}/digest", {"wants": "1"}) == ["user.digest"]
    assert send(eva, f"{own}/digest", {"wants": "1"}) == []
    changed = {"current": PASSWORD, "password": BETTER, "again": BETTER}
    assert send(eva, f"{own}/password", changed) == ["user.password_changed"]


def _away_from_the_desk(send: Any, people: Any, eva: Any) -> None:
    person = people.participant("UME-001", randomized_on=date(2026, 8, 23))
    handed_over = f"/staff/assessments/{people.assessment_id(person, 'm03')}/hand-over"
    assert send(eva, handed_over) == ["tablet.handed_over", "session.suspended"]
    eva.get("/staff/resume")
    assert send(eva, "/staff/resume", {"password": BETTER}) == ["session.resumed", "tablet.taken_back"]


def _somebody_is_shut_out(send: Any, ada: Any) -> None:
    one = re.search(r"/staff/users/(\d+)\">Eva Ek", ada.get("/staff/users").get_data(as_text=True))
    assert one is not None
    account = f"/staff/users/{one[1]}"
    assert send(ada, f"{account}/access", {"role": "monitor", "reason": "Moved on"}) == ["user.changed"]
    assert send(ada, f"{account}/access", {"role": "monitor", "reason": "Moved on"}) == []
    assert send(ada, f"{account}/end-sessions") == ["user.sessions_ended"]
    assert send(ada, f"{account}/reset", {"reset-reason": "New telephone"}) == ["user.reset", "user.invited"]
    assert send(ada, f"{account}/suspend", {"suspend-reason": "Left"}) == ["user.suspended"]
    assert send(ada, f"{account}/reactivate", {"suspend-reason": "Back"}) == ["user.reactivated"]


def _a_machine_comes_and_goes(send: Any, ada: Any) -> None:
    made = {"name": "Register", "scopes": "compliance:read", "last_day": "2027-12-31"}
    ada.get("/staff/api-tokens/new")
    assert send(ada, "/staff/api-tokens/new", made) == ["api_token.added"]
    assert send(ada, "/staff/api-tokens/1/end", {"reason": "Project over"}) == ["api_token.ended"]
