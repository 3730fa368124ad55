"""What must be true of the repository as a newcomer clones it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from proapp.version import __version__

ROOT = Path(__file__).parents[2]


def test_the_readme_fits_in_150_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_pictures_of_the_readme_exist():
    pictures = re.findall(r"(?:src=\"|\]\()([^)\"]+\.(?:png|webp))", (ROOT / "README.md").read_text())
    assert len(pictures) >= 2
    assert [name for name in pictures if not (ROOT / name).is_file()] == []


def test_the_version_is_the_newest_of_the_changelog():
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest.group(1) == __version__


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_locks_carry_hashes_and_no_addresses(name):
    text = (ROOT / name).read_text()
    assert not re.search(r"https?:|file:/|--(extra-)?index-url|--find-links", text)
    pinned = re.findall(r"^[a-z0-9][^\s=]*==", text, re.MULTILINE)
    assert len(pinned) > 20
    assert text.count("--hash=sha256:") >= len(pinned)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_what_is_asked_for_with_extras_is_pinned_with_them(name):
    """Older pips take such a demand for one without a pin as soon as a newer version is published, and install nothing."""
    pins = [Requirement(line) for line in re.findall(r"^[a-z0-9][^\s=]*==\S+", (ROOT / name).read_text(), re.MULTILINE)]
    pinned = {canonicalize_name(pin.name): pin.extras for pin in pins}
    asked = [
        (owner, demand)
        for owner, extras in [("proapp", {"build", "dev"}), *pinned.items()]
        for demand in map(Requirement, requires(owner) or [])
        if demand.extras and any(_wanted(demand, extra) for extra in {"", *extras})
    ]
    assert "psycopg" in {demand.name for _, demand in asked}
    missing = [
        f"{owner} asks for {demand}"
        for owner, demand in asked
        if canonicalize_name(demand.name) in pinned and not demand.extras <= pinned[canonicalize_name(demand.name)]
    ]
    assert missing == []


def _wanted(demand: Requirement, extra: str) -> bool:
    return demand.marker is None or demand.marker.evaluate({"extra": extra})


def test_every_command_is_documented():
    from proapp.cli import COMMANDS

    documents = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert [name for name in COMMANDS if f"proapp {name}" not in documents] == []


def test_nothing_personal_or_machine_bound_is_tracked():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in tracked if name.endswith((".sqlite3", ".mo", ".pem", ".key"))] == []


@pytest.mark.parametrize(("ci", "status"), [("true", 1), (None, 0)])
def test_without_a_browser_the_tests_say_so_at_the_end_and_fail_in_ci(tmp_path, ci, status):
    for name, text in {".ci/browser": "#!/bin/sh\nexit 1\n", ".venv/bin/python": '#!/bin/sh\necho "$@"\n'}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / ".ci/test", tmp_path / ".ci/test")
    (tmp_path / "tests/web").mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)} | ({"CI": ci} if ci else {})
    done = subprocess.run(
        [tmp_path / ".ci/test"], env=environment, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == status
    run, *_, first, last = done.stdout.splitlines()
    assert "tests/web/ -m not e2e" in run
    assert first.startswith("NO BROWSER")
    assert "were NOT run" in last
