"""The administrator's pages, and that they are nobody else's."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from proapp.db.models import AuditEvent, StaffSite, StaffUser

OTHERS = ("berit", "ivar", "karin", "mona", "stina")


@pytest.fixture
def ada(people):
    return people.staff("ada")


def user(runtime, email):
    with runtime.reading() as session:
        return session.scalars(select(StaffUser).where(StaffUser.email == email)).first()


def invite(browser, **changes):
    form = {"name": "Eva Ek", "email": "eva@example.org", "role": "nurse", "sites": ["UME", "LUN"], **changes}
    browser.get("/staff/users/invite")
    return browser.post("/staff/users/invite", form)


def test_inviting_shows_link_and_code_once(ada, runtime):
    page = invite(ada)
    assert page.status_code == 200
    code = re.search(r"([A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4})", ada.text)[1]
    assert f"https://pro.example.org/staff/set-up#{code.replace('-', '')}" in ada.text
    assert page.headers["Cache-Control"] == "no-store"
    eva = user(runtime, "eva@example.org")
    for path in ("/staff/users", f"/staff/users/{eva.id}"):
        assert code not in ada.get(path).get_data(as_text=True)
    with runtime.reading() as session:
        assert sorted(session.scalars(select(StaffSite.site_code).where(StaffSite.user_id == eva.id))) == ["LUN", "UME"]
        by = session.scalars(select(AuditEvent.actor_id)).all()
    assert set(by) == {user(runtime, "ada@example.org").id}


def test_the_link_uses_the_configured_address_whatever_the_host_header_says(ada):
    ada.get("/staff/users/invite")
    form = {"name": "Eva", "email": "eva@example.org", "role": "monitor"}
    ada.post("/staff/users/invite", form, headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"})
    assert "https://pro.example.org/staff/set-up#" in ada.text
    assert "evil.example" not in ada.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"email": "eva"}, "That is not an e-mail address."),
        ({"email": "ada@example.org"}, "There already is an account with that address."),
        ({"name": ""}, "name, at most 120 characters."),
        ({"sites": []}, "Choose at least one site for this role."),
        ({"role": "monitor"}, "This role is for all sites; choose none."),
        ({"role": ""}, "Choose a role."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_on_top_and_everything_typed_is_kept(ada, changes, sentence):
    page = invite(ada, **changes)
    assert page.status_code == 422
    assert ada.text.count(sentence) == 2
    assert "<title>Error: " in ada.text
    assert 'value="Eva Ek"' in ada.text or "name" in changes
    if "role" not in changes:
        assert re.search(r'<input checked[^>]* value="nurse"|value="nurse"[^>]* checked', ada.text)


def test_a_site_that_is_not_the_studys_is_refused(ada, runtime):
    for sites in (["XXX"], ["UME", "XXX"], ["<script>"]):
        assert invite(ada, sites=sites).status_code == 422
    assert user(runtime, "eva@example.org") is None


def test_an_unknown_role_is_refused(ada, runtime):
    assert invite(ada, role="owner", sites=[]).status_code == 422
    assert user(runtime, "eva@example.org") is None


def test_a_name_with_markup_is_inert(ada):
    invite(ada, name="<img src=x onerror=alert(1)>{{7*7}}")
    ada.get("/staff/users")
    assert "<img src=x" not in ada.text
    assert "&lt;img src=x" in ada.text
    assert "{{7*7}}" in ada.text


def test_changing_role_and_sites_needs_a_reason_and_signs_the_person_out(ada, people, runtime):
    berit, browser = people.staff_id("berit"), people.staff("berit")
    assert browser.get("/staff/account").status_code == 200
    ada.get(f"/staff/users/{berit}")
    page = ada.post(f"/staff/users/{berit}/access", {"role": "nurse", "sites": ["LUN"], "reason": "  "})
    assert page.status_code == 422
    assert "Write why." in ada.text
    assert browser.get("/staff/account").status_code == 200
    ada.post(f"/staff/users/{berit}/access", {"role": "nurse", "sites": ["LUN"], "reason": "moved"})
    assert ada.page.status_code == 303
    assert browser.get("/staff/account").headers["Location"] == "/staff/sign-in"
    ada.follow()
    assert "signed out everywhere" in ada.text


def test_suspending_shuts_out_at_once_and_letting_in_again_needs_a_new_sign_in(ada, people):
    berit, browser = people.staff_id("berit"), people.staff("berit")
    ada.get(f"/staff/users/{berit}")
    assert ada.post(f"/staff/users/{berit}/suspend", {"suspend-reason": "on leave"}).status_code == 303
    assert browser.get("/staff/account").headers["Location"] == "/staff/sign-in"
    ada.follow()
    assert "Suspended" in ada.text
    assert ada.post(f"/staff/users/{berit}/suspend", {"suspend-reason": "again"}).status_code == 422
    assert "suspended already" in ada.text
    assert ada.post(f"/staff/users/{berit}/reactivate", {"suspend-reason": "back"}).status_code == 303
    assert browser.get("/staff/account").headers["Location"] == "/staff/sign-in"


def test_a_reset_shows_a_new_code_and_signs_the_person_out(ada, people):
    berit, browser = people.staff_id("berit"), people.staff("berit")
    ada.get(f"/staff/users/{berit}")
    assert ada.post(f"/staff/users/{berit}/reset", {"reset-reason": ""}).status_code == 422
    assert browser.get("/staff/account").status_code == 200
    assert ada.post(f"/staff/users/{berit}/reset", {"reset-reason": "lost phone"}).status_code == 200
    assert "/staff/set-up#" in ada.text
    assert browser.get("/staff/account").headers["Location"] == "/staff/sign-in"


def test_signing_somebody_out_everywhere(ada, people):
    berit, browsers = people.staff_id("berit"), [people.staff("berit"), people.staff("berit")]
    ada.get(f"/staff/users/{berit}")
    assert "2 devices" in ada.text
    ada.post(f"/staff/users/{berit}/end-sessions")
    ada.follow()
    assert "2 devices are signed out." in ada.text
    assert {one.get("/staff/account").headers["Location"] for one in browsers} == {"/staff/sign-in"}


def test_the_own_account_offers_no_change_and_refuses_it(ada, people, runtime):
    me = people.staff_id("ada")
    ada.get(f"/staff/users/{me}")
    assert "This is your own account." in ada.text
    assert "<textarea" not in ada.text
    for path, form in (
        ("access", {"role": "coordinator", "reason": "x"}),
        ("suspend", {"suspend-reason": "x"}),
        ("reset", {"reset-reason": "x"}),
    ):
        ada.get("/staff/users/invite")
        assert ada.post(f"/staff/users/{me}/{path}", form).status_code == 422
    assert user(runtime, "ada@example.org").role == "administrator"


def test_an_absent_person_is_a_plain_404(ada):
    assert ada.get("/staff/users/999").status_code == 404
    form = {"reason": "x", "suspend-reason": "x", "reset-reason": "x", "role": "monitor"}
    for path in ("access", "suspend", "reactivate", "reset", "end-sessions"):
        ada.get("/staff/users/invite")
        assert ada.post(f"/staff/users/999/{path}", form).status_code == 404, path


def test_failed_sign_ins_are_counted_on_the_page(ada, browsers, people):
    people.staff_id("berit")
    stranger = browsers()
    stranger.get("/staff/sign-in")
    for email in ("berit@example.org", "berit@example.org", "nobody@example.org"):
        stranger.post("/staff/sign-in", {"email": email, "password": "wrong wrong wrong"})
    ada.get("/staff/users")
    assert "3 failed sign-ins in the last 24 hours" in ada.text
    row = re.search(r"<tr>\s*<th[^>]*><a[^>]*>Berit</a>.*?</tr>", ada.text, re.DOTALL)[0]
    assert '<td class="n">2 failed</td>' in row


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_else_opens_or_changes_accounts(people, name, runtime):
    target, browser = people.staff_id("charlie"), people.staff(name)
    for path in ("/staff/users", "/staff/users/invite", f"/staff/users/{target}"):
        assert browser.get(path).status_code == 403
    browser.get("/staff/account")
    token = browser.form_token()
    for path in ("access", "suspend", "reactivate", "reset", "end-sessions"):
        page = browser.post(f"/staff/users/{target}/{path}", {"csrf_token": token, "reason": "x", "suspend-reason": "x", "reset-reason": "x", "role": "administrator"})  # fmt: skip
        assert page.status_code == 403
    assert user(runtime, "charlie@example.org").role == "nurse"
    assert user(runtime, "charlie@example.org").suspended_at is None


def test_the_list_costs_the_same_number_of_statements_for_any_number_of_people(ada, runtime, statements):
    counts = []
    for many in (1, 30):
        with runtime.writing.begin() as session:
            for number in range(many):
                session.add(StaffUser(email=f"{many}-{number}@example.org", name="X", role="monitor", language="en", created_at=runtime.clock()))  # fmt: skip
        statements.clear()
        assert ada.get("/staff/users").status_code == 200
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 8
