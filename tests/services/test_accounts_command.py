"""`proapp user` and `proapp audit` as a hospital's technician types them."""

from __future__ import annotations

import base64
import re

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from proapp.cli import main
from proapp.db.models import AuditEvent, StaffUser
from proapp.services import installation
from proapp.services.vault import normal_code


@pytest.fixture
def proapp(settings, runtime, session):
    """Runs `proapp …` against this test's database; gives the result."""
    installation.mark(session, demo=False)
    session.commit()
    environment = {
        "PROAPP_DATABASE_URL": settings.database_url,
        "PROAPP_SECRET_KEY": settings.secret_key,
        "PROAPP_CONTACT_KEYS": base64.urlsafe_b64encode(settings.contact_keys[0]).decode(),
        "PROAPP_BASE_URL": settings.base_url,
    }

    def run(*arguments, **more):
        return CliRunner().invoke(
            main, [str(one) for one in arguments], env={**environment, **more}, catch_exceptions=False
        )

    return run


@pytest.fixture
def add(proapp):
    def one(email="ada@example.org", role="administrator", *sites):
        return proapp(
            "user",
            "add",
            "--email",
            email,
            "--name",
            "Ada",
            "--role",
            role,
            *(word for site in sites for word in ("--site", site)),
        )

    return one


def test_the_first_administrator_gets_a_link_and_a_code_that_work(add, runtime, session, clock):
    from proapp.services import staff_sign_in

    result = add()
    assert result.exit_code == 0
    link = re.search(r"https://pro\.example\.org/staff/set-up#([A-Z0-9]{12})$", result.output, re.MULTILINE)
    code = re.search(r"Set-up code: ([A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4})$", result.output, re.MULTILINE)
    assert normal_code(code[1]) == link[1]
    step = staff_sign_in.give_setup_code(
        session, runtime.vault, code=code[1], address=None, device="", now=runtime.clock()
    )
    assert step.token


def test_it_is_audited_as_done_from_the_command_line(add, session):
    add()
    assert {event.actor_role for event in session.scalars(select(AuditEvent))} == {"command_line"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ada", "administrator"), "that is not an e-mail address"),
        (("b@example.org", "nurse"), "name at least one site for this role"),
        (("b@example.org", "nurse", "XXX"), "the study has no site XXX"),
        (("b@example.org", "monitor", "UME"), "this role is for all sites"),
    ],
)
def test_what_is_wrong_is_said_plainly_and_nothing_is_added(add, session, arguments, sentence):
    result = add(*arguments)
    assert result.exit_code == 1
    assert sentence in result.output
    assert session.scalars(select(StaffUser)).all() == []


def test_an_address_is_never_given_twice(add):
    add()
    result = add()
    assert result.exit_code == 1
    assert "never used for two people" in result.output


def test_the_list_shows_everybody(proapp, add):
    add()
    add("berit@example.org", "nurse", "UME", "LUN")
    lines = proapp("user", "list").output.splitlines()
    assert lines == [
        "ada@example.org\tadministrator\t-\tinvited\tAda",
        "berit@example.org\tnurse\tLUN,UME\tinvited\tAda",
    ]


def test_suspending_and_resetting(proapp, add):
    add("berit@example.org", "nurse", "UME")
    assert "Set-up code: " in proapp("user", "reset", "berit@example.org", "--reason", "lost phone").output
    assert proapp("user", "suspend", "berit@example.org", "--reason", "left").exit_code == 0
    again = proapp("user", "suspend", "berit@example.org", "--reason", "left")
    assert (again.exit_code, "suspended already" in again.output) == (1, True)
    assert "suspended" in proapp("user", "list").output
    assert proapp("user", "reset", "berit@example.org", "--reason", "x").exit_code == 1


@pytest.mark.parametrize("command", ["suspend", "reset"])
def test_an_unknown_address_is_said_so(proapp, command):
    result = proapp("user", command, "nobody@example.org", "--reason", "x")
    assert (result.exit_code, result.output) == (1, "Error: there is no account with that address\n")


# --- audit


def test_an_intact_trail_is_said_to_be_intact(proapp, add):
    add()
    result = proapp("audit", "verify")
    assert (result.exit_code, result.output) == (0, "intact: 2 events in 1 chains\n")


def test_a_bad_row_is_named_with_status_1(proapp, add, engine):
    add()
    from proapp.db.append_only import guards, unprotect

    with engine.execution_options(proapp_write=True).begin() as connection:
        for statement in (
            *unprotect("audit_event", engine.dialect.name),
            "UPDATE audit_event SET reason = 'x' WHERE seq = 2",
            *guards("audit_event", engine.dialect.name).values(),
        ):
            connection.exec_driver_sql(statement)
    result = proapp("audit", "verify")
    assert result.exit_code == 1
    assert "system: event 2 (row 2) was changed after it was written" in result.output
    assert "NOT intact" in result.output


def test_heads_kept_in_a_file_find_a_tail_cut_off(proapp, add, engine, tmp_path):
    from proapp.db.append_only import guards, unprotect

    add()
    kept = tmp_path / "heads.txt"
    kept.write_text(proapp("audit", "heads").output, encoding="utf-8")
    assert proapp("audit", "verify", "--anchor", kept).exit_code == 0
    with engine.execution_options(proapp_write=True).begin() as connection:
        for statement in (
            *unprotect("audit_event", engine.dialect.name),
            "DELETE FROM audit_event WHERE seq = 2",
            *guards("audit_event", engine.dialect.name).values(),
        ):
            connection.exec_driver_sql(statement)
    assert proapp("audit", "verify").exit_code == 0
    result = proapp("audit", "verify", "--anchor", kept)
    assert result.exit_code == 1
    assert "system: event 2 is not there any more" in result.output


@pytest.mark.parametrize("content", ["", "<html>", "system 1\n", b"\xff\xfe"])
def test_a_file_of_another_kind_is_refused_before_anything_is_read(proapp, tmp_path, content):
    other = tmp_path / "other.txt"
    other.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = proapp("audit", "verify", "--anchor", other)
    assert result.exit_code == 1
    assert str(other) in result.output


def test_without_settings_the_problem_is_said_and_the_status_is_1(proapp):
    result = proapp("audit", "verify", PROAPP_SECRET_KEY="short")
    assert result.exit_code == 1
    assert "PROAPP_SECRET_KEY" in result.output
    assert "Traceback" not in result.output
