"""`proapp export`: the file whole or not at all, and never one that the audit trail does not know of."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from proapp.cli import export as command
from proapp.cli import main
from proapp.db.models import AuditEvent, StaffUser
from proapp.services import exporting


@pytest.fixture
def proapp(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command against the database of this test."""

    @contextmanager
    def opened() -> Any:
        yield runtime

    monkeypatch.setattr(command, "open_runtime", opened)
    return lambda *arguments: CliRunner().invoke(main, ["export", *map(str, arguments)])


def created(runtime: Any) -> list[AuditEvent]:
    with runtime.reading() as session:
        return list(session.scalars(select(AuditEvent).where(AuditEvent.action == "export.created")))


def test_the_command_writes_the_file_says_its_hash_and_is_in_the_trail(proapp, runtime, trial, export, tmp_path):
    out = tmp_path / "out.zip"
    done = proapp("--out", out, "--cutoff", "2026-11-22")
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == export().content
    sha256 = hashlib.sha256(out.read_bytes()).hexdigest()
    assert f"SHA-256 {sha256}" in done.stdout
    assert "data/participants.csv" in done.stdout
    assert "The cut-off day is not over" not in done.output
    (event,) = created(runtime)
    details = json.loads(event.details)
    assert (event.chain, event.actor_kind, event.actor_role) == ("system", "system", "command_line")
    assert (details["cut_off"], details["sha256"]) == ("2026-11-22", sha256)
    assert details["rows"]["data/participants.csv"] == 14
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_today_in_the_studys_zone_is_the_default_and_said_to_be_unfinished(proapp, runtime, clock, tmp_path):
    clock.set(clock.moment.replace(hour=23, minute=30))  # half past midnight, the day after, in Stockholm
    done = proapp("--out", tmp_path / "out.zip")
    assert done.exit_code == 0, done.output
    assert "cut-off 2026-11-24" in done.stdout
    assert "The cut-off day is not over" in done.stderr


@pytest.mark.parametrize(
    ("cutoff", "sentence"),
    [
        ("2026-11-24", "2026-11-24 is still to come; the last day that can be exported is 2026-11-23"),
        ("2026-02-30", '"2026-02-30" is not a date'),
        ("20261122", '"20261122" is not a date'),
        ("tomorrow", '"tomorrow" is not a date'),
        ("", '"" is not a date'),
    ],
)
def test_a_day_that_cannot_be_is_refused_in_words(proapp, runtime, tmp_path, cutoff, sentence):
    done = proapp("--out", tmp_path / "out.zip", "--cutoff", cutoff)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "out.zip").exists()
    assert created(runtime) == []


def test_a_moment_without_a_zone_is_one_in_the_studys_and_in_the_trail(proapp, runtime, trial, export, tmp_path):
    out = tmp_path / "out.zip"
    done = proapp("--out", out, "--cutoff", "2026-11-22", "--as-of", "2026-11-23T08:30")
    assert done.exit_code == 0, done.output
    assert "cut-off 2026-11-22, as of 2026-11-23T07:30:00Z" in done.stdout
    assert out.read_bytes() == export(as_of=datetime(2026, 11, 23, 7, 30, tzinfo=UTC)).content
    assert json.loads(created(runtime)[0].details)["as_of"] == "2026-11-23T07:30:00+00:00"


@pytest.mark.parametrize(
    ("as_of", "sentence"),
    [
        ("2026-11-24T00:00Z", "is still to come"),
        ("2026-11-21T12:00", "is before 2026-11-22: nobody knew then"),
        ("2026-11-22", '"2026-11-22" is not a moment'),
        ("noonT", '"noonT" is not a moment'),
    ],
)
def test_a_moment_that_cannot_be_is_refused_in_words(proapp, runtime, tmp_path, as_of, sentence):
    done = proapp("--out", tmp_path / "out.zip", "--cutoff", "2026-11-22", "--as-of", as_of)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert created(runtime) == []


def test_the_profile_of_the_file_is_in_the_trail_and_can_be_asked_for_again(proapp, runtime, trial, tmp_path):
    out = tmp_path / "out.zip"
    assert proapp("--out", out, "--cutoff", "2026-11-22", "--profile", "site", "--site", "UME").exit_code == 0
    with runtime.reading() as session:
        (one,) = exporting.earlier(session)
    asked = exporting.ask(
        runtime.study, now=runtime.clock(), cut_off=date(2026, 11, 22), profile="site", site="UME", arms=False
    )
    assert one.made.asked == asked


def test_a_key_from_a_file_gives_other_ids_and_small_groups_are_said(proapp, runtime, trial, export, tmp_path):
    out, key = tmp_path / "out.zip", tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    done = proapp("--out", out, "--cutoff", "2026-11-22", "--pseudonym-key", key)
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == export(key=b"0123456789abcdef").content
    assert "Small groups, who could be recognised: GOT x ONC: 1;" in done.stderr
    assert "0123456789abcdef" not in done.output + created(runtime)[0].details
    key.write_text("short")
    assert "openssl rand" in proapp("--out", out, "--pseudonym-key", key).stderr


@pytest.fixture
def signed(runtime: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Runs the command with a password typed, for somebody of a role who has one."""

    @contextmanager
    def opened() -> Any:
        yield runtime

    monkeypatch.setattr(command, "open_runtime", opened)
    with runtime.writing.begin() as session:
        for role in ("statistician", "nurse"):
            session.add(
                StaffUser(
                    email=f"{role}@example.org", name=role, role=role, created_at=runtime.clock(), totp_sealed=b"x",
                    totp_last_step=0, password_hash=runtime.vault.slow_hash("korrekt häst batteri"),
                )
            )  # fmt: skip
    out = ("--out", str(tmp_path / "out.zip"), "--cutoff", "2026-11-22", "--freeze")

    def run(*options: str, password: str = "korrekt häst batteri") -> Any:
        return CliRunner().invoke(main, ["export", *out, *options], input=f"{password}\n")

    return run


def test_a_cut_is_frozen_with_a_name_and_the_password_of_who_signs(signed, runtime):
    done = signed("Interim 1", "--signed-by", "statistician@example.org")
    assert done.exit_code == 0, done.output
    assert 'frozen as "Interim 1"' in done.stdout
    assert "korrekt" not in done.output
    with runtime.reading() as session:
        (one,) = exporting.earlier(session, action=exporting.FROZEN)
        (file,) = exporting.earlier(session)
    assert (one.named, one.who, one.made) == ("Interim 1", "statistician", file.made)
    again = signed("interim 1", "--signed-by", "statistician@example.org")
    assert (again.exit_code, len(created(runtime))) == (2, 1)
    assert 'there is a cut with the name "interim 1" already' in again.stderr


@pytest.mark.parametrize(
    ("options", "password", "sentence"),
    [
        (("Interim 1", "--signed-by", "statistician@example.org"), "another", "not the password of an account in use"),
        (("Interim 1", "--signed-by", "nobody@example.org"), "korrekt häst batteri", "not the password of an account"),
        (("Interim 1", "--signed-by", "nurse@example.org"), "korrekt häst batteri", "a coordinator or a statistician"),
        (("Interim 1",), "", "--freeze and --signed-by belong together"),
        ((" ", "--signed-by", "statistician@example.org"), "", "the cut needs a name"),
    ],
)
def test_without_a_signature_nothing_is_exported(signed, runtime, tmp_path, options, password, sentence):
    done = signed(*options, password=password)
    assert done.exit_code != 0
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / "out.zip").exists()
    assert created(runtime) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--profile", "submission"), "SDTM, ADaM and Define-XML, which proapp does not write yet"),
        (("--profile", "site"), "needs a site, as in --site UME"),
        (("--profile", "site", "--site", "ROM"), "ROM is not a site of the study file"),
        (("--site", "UME"), "only the profile site holds one site"),
        (("--profile", "archive", "--without-arms"), "the archive holds everything, the arms too"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_in_words(proapp, runtime, tmp_path, options, sentence):
    done = proapp("--out", tmp_path / "out.zip", *options)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert created(runtime) == []


def test_a_place_that_cannot_be_is_refused_in_words(proapp, runtime, tmp_path):
    for out, sentence in ((tmp_path / "nowhere" / "out.zip", "does not exist"), (tmp_path, "is a folder")):
        done = proapp("--out", out)
        assert done.exit_code == 2
        assert sentence in done.stderr
    assert proapp().exit_code == 2
    assert created(runtime) == []


def test_an_older_file_is_replaced_in_one_step(proapp, trial, tmp_path):
    out = tmp_path / "out.zip"
    out.write_bytes(b"old")
    assert proapp("--out", out, "--cutoff", "2026-11-22").exit_code == 0
    assert zipfile.is_zipfile(out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))] == ["out.zip"]


def test_answers_that_cannot_be_read_leave_the_older_file_as_it_was(proapp, runtime, trial, tmp_path):
    out = tmp_path / "out.zip"
    out.write_bytes(b"old")
    trial.answer(trial.id_of("UME-002"), "m06", date(2026, 8, 5), {("c30", 99): 1})
    done = proapp("--out", out, "--cutoff", "2026-11-22")
    assert done.exit_code == 1
    assert "UME-002, m06: the answers were given to c30" in done.stderr
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert created(runtime) == []


def test_without_an_audit_event_there_is_no_file(proapp, runtime, trial, tmp_path, monkeypatch):
    def away(*_args: Any, **_kwargs: Any) -> None:
        raise OperationalError("INSERT", {}, Exception("locked"))

    monkeypatch.setattr(exporting, "record", away)
    done = proapp("--out", tmp_path / "out.zip", "--cutoff", "2026-11-22")
    assert isinstance(done.exception, OperationalError)
    assert not (tmp_path / "out.zip").exists()


def test_a_full_or_forbidden_disk_is_said_in_words(proapp, runtime, trial, tmp_path, monkeypatch):
    def full(*_args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    done = proapp("--out", tmp_path / "out.zip", "--cutoff", "2026-11-22")
    assert done.exit_code == 1
    assert "cannot be written: No space left on device." in done.stderr


def test_every_option_is_in_the_document():
    document = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    for option in command.export.params:
        assert option.opts[0] in document, option.opts[0]
    for name in command.export.commands:
        assert f"proapp export {name}" in document


def test_the_list_of_exports_is_the_newest_first_and_no_longer_than_asked(proapp, runtime, clock, tmp_path):
    for day in ("2026-11-20", "2026-11-21", "2026-11-22"):
        assert proapp("--out", tmp_path / "out.zip", "--cutoff", day).exit_code == 0
        clock.forward(minutes=1)
    with runtime.reading() as session:
        found = exporting.earlier(session, limit=2)
    assert [one.made.asked.cut_off for one in found] == [date(2026, 11, 22), date(2026, 11, 21)]
    assert {(one.who, one.role) for one in found} == {("", "command_line")}
    assert found[0].made.definitions == exporting.definitions(runtime.study, runtime.instruments)
