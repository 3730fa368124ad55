"""A member of staff at a desk: signing in with password and one-time number, as a person does."""

from __future__ import annotations

import re

import pyotp
from playwright.sync_api import Page, expect

from proapp.clock import system_clock
from proapp.db.models import StaffUser
from proapp.services import passwords

PASSWORD = "a long walk by the river"


def with_password(site, name: str) -> tuple[str, str]:
    """Give this member of staff a password and a second factor; returns (e-mail, TOTP secret)."""
    user_id = site.people.staff_id(name)
    secret = pyotp.random_base32()
    with site.runtime.writing.begin() as session:
        user = session.get(StaffUser, user_id)
        user.password_hash = site.runtime.vault.slow_hash(passwords.normal_password(PASSWORD))
        user.totp_sealed = site.runtime.vault.seal({"secret": secret}, bound_to=f"totp:{user_id}")
        user.totp_last_step = 0  # set up: a number of this secret was shown once
        return user.email, secret


def sign_in(page: Page, site, name: str) -> Page:
    email, secret = with_password(site, name)
    page.goto("/staff/sign-in")
    page.locator("input[name=email]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button").first.click()
    expect(page).to_have_url(re.compile("second-factor"))
    page.locator("input[name=code]").fill(pyotp.TOTP(secret).at(system_clock()))
    page.locator("main form button").first.click()
    expect(page).not_to_have_url(re.compile("second-factor|sign-in"))
    return page
