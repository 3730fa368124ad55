"""Changing the contact key: new key in front, reseal, old key gone, and everything can still be read."""

from __future__ import annotations

import base64
import re

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from proapp.cli.keys import keys
from proapp.db.models import Contact, StaffUser
from proapp.services.vault import Vault
from tests.conftest import SECRET

OLD, NEW = b"k" * 32, b"n" * 32


@pytest.fixture
def environment(settings):
    def of(*ring: bytes) -> dict[str, str]:
        return {
            "PROAPP_DATABASE_URL": settings.database_url,
            "PROAPP_SECRET_KEY": SECRET,
            "PROAPP_CONTACT_KEYS": ",".join(base64.urlsafe_b64encode(key).decode() for key in ring),
        }

    return of


def test_printed_keys_are_accepted_as_settings():
    from proapp.config import read_settings

    printed = CliRunner().invoke(keys).output
    settings = read_settings(dict(re.findall(r"^(\w+)=(.+)$", printed, re.MULTILINE)))
    assert len(settings.contact_keys[0]) == 32


def test_after_resealing_the_old_key_is_not_needed(people, runtime, environment):
    person = people.participant("UME-001")
    user = people.staff_id("berit")
    with runtime.writing.begin() as session:
        session.get(StaffUser, user).totp_sealed = runtime.vault.seal({"secret": "ABC"}, bound_to=f"totp:{user}")
    done = CliRunner().invoke(keys, ["reseal"], env=environment(NEW, OLD))
    assert done.output == "sealed anew: 1 contacts, 1 second factors\n"
    alone = Vault(SECRET, (NEW,))
    with runtime.reading() as session:
        contact = session.scalars(select(Contact)).one()
        assert alone.open(contact.sealed, bound_to=f"contact:{person}")["mobile"]
        assert alone.open(session.get(StaffUser, user).totp_sealed, bound_to=f"totp:{user}") == {"secret": "ABC"}
    assert (
        CliRunner().invoke(keys, ["reseal"], env=environment(NEW)).output
        == "sealed anew: 0 contacts, 0 second factors\n"
    )


def test_a_missing_key_changes_nothing_and_is_said(people, runtime, environment):
    people.participant("UME-001")
    refused = CliRunner().invoke(keys, ["reseal"], env=environment(NEW))
    assert refused.exit_code == 1
    assert "not in PROAPP_CONTACT_KEYS" in refused.output
    assert "701740605" not in refused.output
