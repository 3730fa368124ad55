"""One table of settings, true to the program: each is documented once, read, and refused when it makes no sense."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from proapp import config
from proapp.cli import main
from proapp.config import SettingsError, read_settings

ROOT = Path(__file__).parents[2]
GOOD = {
    "PROAPP_SECRET_KEY": "a-secret-of-the-tests-0123456789-abcdefg",
    "PROAPP_CONTACT_KEYS": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
}


def table() -> dict[str, tuple[str, str]]:
    """Setting → (default, description) of docs/settings.md."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(PROAPP_\w+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    return {name: (default, described) for name, default, described in rows}


def test_the_table_lists_every_setting_in_the_order_of_the_program():
    assert tuple(table()) == config.NAMES


def test_the_table_marks_exactly_the_secrets():
    assert {name for name, (_, described) in table().items() if "**Secret.**" in described} == config.SECRETS


@pytest.mark.parametrize("name", [name for name, (default, _) in table().items() if default.startswith("`")])
def test_a_documented_default_is_the_one_in_force(name: str):
    default = table()[name][0].strip("`")
    assert read_settings({**GOOD, name: default}) == read_settings(GOOD)


@pytest.mark.parametrize("name", config.NAMES)
def test_every_setting_is_read(name: str):
    """A value no setting accepts, or a different result: either shows that the name is looked at."""
    nonsense = {**GOOD, name: "nonsense nonsense nonsense nonsense"}
    assert _outcome(nonsense) != _outcome(GOOD)


def _outcome(environment: dict[str, str]) -> object:
    try:
        return read_settings(environment)
    except SettingsError as error:
        return error.problems


def test_every_problem_is_said_at_once():
    with pytest.raises(SettingsError) as raised:
        read_settings({"PROAPP_BASE_URL": "http://pro.example.se", "PROAPP_TODAY": "soon", "PROAPP_DATBASE_URL": "x"})
    text = str(raised.value)
    for name in ("PROAPP_SECRET_KEY", "PROAPP_CONTACT_KEYS", "PROAPP_BASE_URL", "PROAPP_TODAY", "PROAPP_DATBASE_URL"):
        assert name in text


@pytest.mark.parametrize("weak", ["", "short", "a" * 40, "changeme" * 2])
def test_a_weak_key_does_not_start(weak: str):
    with pytest.raises(SettingsError, match="PROAPP_SECRET_KEY"):
        read_settings({**GOOD, "PROAPP_SECRET_KEY": weak})


def test_a_secret_can_come_from_a_file(tmp_path: Path):
    file = tmp_path / "key"
    file.write_text(GOOD["PROAPP_SECRET_KEY"] + "\n")
    settings = read_settings({"PROAPP_SECRET_KEY_FILE": str(file), "PROAPP_CONTACT_KEYS": GOOD["PROAPP_CONTACT_KEYS"]})
    assert settings.secret_key == GOOD["PROAPP_SECRET_KEY"]


WEBHOOK = {"PROAPP_WEBHOOK_URL": "https://other.example.se/hook", "PROAPP_WEBHOOK_SECRET": "s" * 16 + "t" * 16}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"PROAPP_WEBHOOK_SECRET": ""}, "belong together"),
        ({"PROAPP_WEBHOOK_URL": ""}, "belong together"),
        ({"PROAPP_WEBHOOK_SECRET": "short"}, "at least 32"),
        ({"PROAPP_WEBHOOK_URL": "http://other.example.se/hook"}, "https://"),
        ({"PROAPP_DEMO": "1"}, "on this machine"),
    ],
)
def test_a_webhook_is_whole_encrypted_and_not_for_invented_people(more, said):
    assert read_settings({**GOOD, **WEBHOOK}).webhook_url == WEBHOOK["PROAPP_WEBHOOK_URL"]
    with pytest.raises(SettingsError, match=said):
        read_settings({**GOOD, **WEBHOOK, **more})


def test_secrets_are_not_shown_with_the_settings():
    shown = repr(read_settings(GOOD))
    assert GOOD["PROAPP_SECRET_KEY"] not in shown
    assert "kkk" not in shown


def test_the_keys_that_are_printed_are_accepted_and_never_twice_the_same():
    runner = CliRunner()
    first, second = (runner.invoke(main, ["keys"]).output for _ in range(2))
    assert first != second
    read_settings(dict(line.split("=", 1) for line in first.splitlines()))


def test_the_clock_is_moved_for_a_demonstration_only():
    with pytest.raises(SettingsError, match="PROAPP_DEMO"):
        read_settings({**GOOD, "PROAPP_TODAY": "2027-03-29"})


@pytest.mark.parametrize("manual", ["operations.md", "messages.md"])
def test_every_setting_named_in_a_manual_exists(manual: str):
    text = (ROOT / "docs" / manual).read_text(encoding="utf-8")
    assert set(re.findall(r"PROAPP_[A-Z_]+[A-Z]", text)) <= set(config.NAMES)
