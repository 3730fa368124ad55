"""Contact data: read by those who call, sealed for everybody else, and never repeated in the audit trail."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from proapp.db.models import AuditEvent, Base, Contact
from proapp.services import contacts, enrolment
from proapp.services.audit import WORKER, Actor
from proapp.services.audit_review import faults
from proapp.services.contacts import ContactDetails
from proapp.services.errors import NotFound, Refused
from proapp.services.vault import CannotOpen, Vault
from tests.conftest import SECRET
from tests.people import People

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MOBILE, EMAIL = "070-174 06 55", "anna.larsson@example.se"
E164 = "+46701740655"


@pytest.fixture
def nurse(runtime):
    return Actor("staff", People(runtime, None, None).staff_id("berit"), "nurse")


@pytest.fixture
def enrolled(session, runtime, study, nurse):
    def enrol(study_id="UME-001", **changes):
        details = {"channel": "sms", "mobile": MOBILE, "email": EMAIL, **changes}
        return enrolment.enrol(
            session,
            study=study,
            vault=runtime.vault,
            study_id=study_id,
            site_code=study_id[:3],
            language="sv",
            consent_on=date(2026, 11, 20),
            sites=None,
            actor=nurse,
            now=NOW,
            **details,
        )

    return enrol


def change(session, runtime, actor, **wanted):
    details = {"channel": "sms", "mobile": MOBILE, "email": EMAIL, "sites": frozenset({"UME"}), **wanted}
    return contacts.change(session, vault=runtime.vault, study_id="UME-001", actor=actor, now=NOW, **details)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("070-174 06 05", "+46701740605"),
        (" +46 (0)70 174 06 05 ", "+46701740605"),
        ("0046701740605", "+46701740605"),
        ("+47 412 34 567", "+4741234567"),
        ("", None),
        ("   ", None),
        (None, None),
    ],
)
def test_mobile_numbers_are_kept_in_one_way_of_writing(typed, kept):
    assert contacts.parse_mobile(typed) == kept


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("090-785 00 00", "mobile_landline"),
        ("08-465 004 01", "mobile_landline"),
        ("010-123 45 67", "mobile_not_mobile"),
        ("0700", "mobile_invalid"),
        ("call me", "mobile_invalid"),
        ("+999 70 174 06 05", "mobile_invalid"),
    ],
)
def test_what_is_not_a_mobile_number_is_refused_with_its_own_code(typed, code):
    with pytest.raises(Refused) as refused:
        contacts.parse_mobile(typed)
    assert refused.value.code == code
    assert typed not in str(refused.value)


@pytest.mark.parametrize("typed", ["anna@example.se", "a.b+c@mail.example.org", "å@räksmörgås.se"])
def test_plausible_addresses_pass(typed):
    assert contacts.parse_email(f" {typed} ") == typed


@pytest.mark.parametrize(
    "typed",
    [
        "anna",
        "anna@",
        "@example.se",
        "anna@example",
        "a b@example.se",
        "a@b..se",
        "a@b.se\n@c",
        "a@" + "b" * 260 + ".se",
    ],
)
def test_implausible_addresses_are_refused(typed):
    with pytest.raises(Refused, match="email_invalid"):
        contacts.parse_email(typed)


@pytest.mark.parametrize(
    ("channel", "mobile", "email", "code"),
    [
        ("sms", "", EMAIL, "mobile_missing"),
        ("email", MOBILE, "", "email_missing"),
        ("pigeon", MOBILE, EMAIL, "channel_unknown"),
    ],
)
def test_the_channel_needs_its_address(channel, mobile, email, code):
    with pytest.raises(Refused, match=code):
        contacts.checked(channel, mobile, email)


def test_a_letter_needs_neither_number_nor_address():
    assert contacts.checked("letter", "", "") == ContactDetails("letter")


def test_numbers_are_written_as_people_write_them():
    assert contacts.written(E164) == "070-174 06 55"
    assert contacts.written("+4741234567") == "+47 41 23 45 67"
    assert contacts.written(None) == ""


@pytest.mark.parametrize("role", ["nurse", "investigator", "coordinator"])
def test_who_has_to_call_may_read(session, runtime, enrolled, role):
    enrolled()
    found = contacts.read(
        session, vault=runtime.vault, study_id="UME-001", sites=frozenset({"UME"}), actor=Actor("staff", 1, role)
    )
    assert found == ContactDetails("sms", E164, EMAIL)


@pytest.mark.parametrize("role", ["monitor", "statistician", "administrator"])
def test_for_everybody_else_there_is_nothing_to_find(session, runtime, enrolled, role):
    enrolled()
    outsider = Actor("staff", 1, role)
    with pytest.raises(NotFound):
        contacts.read(session, vault=runtime.vault, study_id="UME-001", sites=None, actor=outsider)
    with pytest.raises(NotFound):
        change(session, runtime, outsider, sites=None)


def test_charlie_at_another_site_finds_nothing(session, runtime, enrolled, nurse):
    enrolled()
    for study_id in ("UME-001", "UME-999"):
        with pytest.raises(NotFound):
            contacts.read(session, vault=runtime.vault, study_id=study_id, sites=frozenset({"LUN"}), actor=nurse)
    with pytest.raises(NotFound):
        change(session, runtime, nurse, sites=frozenset({"LUN"}), email="new@example.se")


def test_a_change_says_which_fields_changed_and_never_the_values(session, runtime, enrolled, nurse):
    anna = enrolled()
    assert change(session, runtime, nurse, email="new@example.se", channel="email") == ("channel", "email")
    last = session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc())).first()
    assert (last.action, last.chain, last.entity_id) == ("contact.changed", f"p{anna}", str(anna))
    assert last.details == '{"fields":["channel","email"],"was":"sms"}'
    trail = " ".join(event.details + str(event.reason) for event in session.scalars(select(AuditEvent)))
    for secret in ("701740655", EMAIL, "new@example.se"):
        assert secret not in trail


def test_the_same_details_again_write_nothing(session, runtime, enrolled, nurse):
    enrolled()
    before = session.scalars(select(AuditEvent.id)).all()
    assert change(session, runtime, nurse, mobile="+46 70 174 06 55") == ()
    assert session.scalars(select(AuditEvent.id)).all() == before


def test_a_number_in_use_is_refused_unless_there_is_a_reason(session, runtime, enrolled, nurse):
    enrolled()
    with pytest.raises(Refused, match="mobile_in_use"):
        enrolled("LUN-001", mobile="0046 70 174 06 55")
    session.rollback()
    enrolled()
    lena = enrolled("LUN-001", allow_shared_mobile_reason=" Sisters with one phone ")
    reasons = session.scalars(select(AuditEvent.reason).where(AuditEvent.chain == f"p{lena}")).all()
    assert "Sisters with one phone" in reasons


def test_a_blank_reason_is_no_reason(session, enrolled):
    enrolled()
    with pytest.raises(Refused, match="mobile_in_use"):
        enrolled("LUN-001", allow_shared_mobile_reason="   ")


def test_changing_something_else_does_not_ask_again_about_a_shared_number(session, runtime, enrolled, nurse):
    enrolled()
    enrolled("UME-002", allow_shared_mobile_reason="A couple")
    assert change(session, runtime, nurse, channel="letter") == ("channel",)


def test_another_way_of_contact_is_not_held_to_be_out_of_reach(session, runtime, enrolled, nurse):
    anna = enrolled()
    row = session.get(Contact, anna)
    row.verified_at, row.undeliverable_at, row.undeliverable_reason = NOW, NOW, "absent"
    session.flush()
    change(session, runtime, nurse, channel="email")
    session.refresh(row)
    assert (row.undeliverable_at, row.undeliverable_reason, row.verified_at) == (None, None, None)


def test_a_number_given_up_can_be_used_by_another(session, runtime, enrolled, nurse):
    enrolled()
    change(session, runtime, nurse, mobile="", channel="email")
    assert enrolled("UME-002")


def test_nothing_readable_is_in_the_database(session, runtime, engine, enrolled, nurse, tmp_path):
    enrolled()
    change(session, runtime, nurse, email="new@example.se")
    session.commit()
    dump = ""
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            dump += "".join(repr(tuple(row)) for row in connection.execute(table.select()))
    assert "UME-001" in dump  # the dump holds what it should
    raw = [dump.encode()]
    if engine.dialect.name == "sqlite":
        file = Path(make_url(str(engine.url)).database)
        raw += [path.read_bytes() for path in file.parent.glob(f"{file.name}*")]
        assert any(b"UME-001" in content for content in raw[1:])
    for content in raw:
        for secret in (b"701740655", b"06 55", b"anna.larsson", b"new@example.se"):
            assert secret not in content


def test_resealing_lets_the_old_key_be_destroyed(session, runtime, enrolled, nurse):
    enrolled()
    enrolled("UME-002", mobile="070-174 06 56")
    both, newest = Vault(SECRET, (b"n" * 32, b"k" * 32)), Vault(SECRET, (b"n" * 32,))
    with pytest.raises(CannotOpen):
        contacts.read(session, vault=newest, study_id="UME-001", sites=None, actor=nurse)
    assert contacts.reseal_all(session, vault=both, actor=WORKER, now=NOW) == 2
    session.expire_all()
    found = contacts.read(session, vault=newest, study_id="UME-001", sites=None, actor=nurse)
    assert found == ContactDetails("sms", E164, EMAIL)
    assert contacts.reseal_all(session, vault=both, actor=WORKER, now=NOW) == 0
    actions = session.scalars(select(AuditEvent.action).where(AuditEvent.actor_kind == "system")).all()
    assert actions == ["contact.resealed", "contact.resealed"]


def test_a_number_that_is_changed_while_rows_are_resealed_stays_changed(session, runtime, enrolled, nurse, monkeypatch):
    if session.get_bind().dialect.name != "postgresql":
        pytest.skip("there is one writer")
    enrolled()
    session.commit()
    both = Vault(SECRET, (b"n" * 32, b"k" * 32))
    looked = both.is_newest

    def meanwhile(sealed):
        monkeypatch.undo()
        with runtime.writing.begin() as other:
            change(other, runtime, nurse, mobile="070-174 06 77")
        return looked(sealed)

    monkeypatch.setattr(both, "is_newest", meanwhile)
    assert contacts.reseal_all(session, vault=both, actor=WORKER, now=NOW) == 1
    found = contacts.read(session, vault=both, study_id="UME-001", sites=None, actor=nurse)
    assert found.mobile == "+46701740677"


def test_sealed_rows_cannot_be_swapped(session, runtime, enrolled, nurse):
    anna, lena = enrolled(), enrolled("UME-002", mobile="070-174 06 56")
    session.get(Contact, anna).sealed = session.get(Contact, lena).sealed
    session.flush()
    with pytest.raises(CannotOpen):
        contacts.read(session, vault=runtime.vault, study_id="UME-001", sites=None, actor=nurse)


def test_the_chain_verifies_after_all_of_it(session, runtime, enrolled, nurse):
    enrolled()
    change(session, runtime, nurse, channel="email")
    assert list(faults(session)) == []
