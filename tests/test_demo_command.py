"""`proapp demo` as a person runs it: real processes, one Ctrl-C, plain sentences when something is in the way."""

from __future__ import annotations

import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from proapp.cli import main

READY = "Ctrl-C ends both processes"


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")}
    return kept | {"PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """A running `proapp demo` and what it has said so far."""

    def __init__(self, folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "proapp", "demo", "--participants", "6", *words]
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.said = ""

    def until(self, words: str, seconds: float = 120) -> str:
        deadline = time.monotonic() + seconds
        assert self.process.stdout is not None
        while words not in self.said:
            assert time.monotonic() < deadline, self.said
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                chunk = os.read(self.process.stdout.fileno(), 65536)
                assert chunk, self.said
                self.said += chunk.decode()
        return self.said

    def stop(self, how: int = signal.SIGINT) -> int:
        self.process.send_signal(how)
        self.process.communicate(timeout=90)
        return self.process.returncode


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.stop()
        assert one.process.stdout is not None
        one.process.stdout.close()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_it_serves_ends_with_one_ctrl_c_and_keeps_what_was_there(tmp_path: Path, running: list[Demo]):
    port = free_port()
    running.append(Demo(tmp_path, "--port", str(port)))
    said = running[0].until(READY)
    assert "made." in said
    assert get(port, "/healthz")[0] == 200
    assert re.search(rf"http://127\.0\.0\.1:{port}/a#[A-Z2-9]{{4}}-[A-Z2-9]{{4}}-[A-Z2-9]{{4}}\n", said)
    for words in (
        "PIN 4729",
        "nurse, Umeå",
        "investigator",
        "coordinator",
        "statistician",
        "administrator",
        "password",
    ):
        assert words in said
    status, page = get(port, "/a")
    assert status == 200
    assert "DEMO" in page
    assert running[0].stop() == 0
    with pytest.raises(OSError, match="refused"):
        get(port, "/healthz")
    running.append(Demo(tmp_path, "--port", str(port)))
    again = running[1].until(READY)
    assert "what was answered in it is kept" in again
    assert re.findall(r"code (\S+)", said) == re.findall(r"code (\S+)", again)
    assert running[1].stop(signal.SIGTERM) == 0


def test_it_ends_when_one_of_its_processes_does(tmp_path: Path, running: list[Demo]):
    running.append(Demo(tmp_path, "--port", str(free_port())))
    running[0].until(READY)
    children = Path(f"/proc/{running[0].process.pid}/task/{running[0].process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)  # the worker
    assert running[0].process.wait(timeout=90) == 1
    assert not Path(f"/proc/{children[0]}").exists()


def test_another_day_moves_the_clock_of_the_pages(tmp_path: Path, running: list[Demo]):
    running.append(Demo(tmp_path, "--port", str(free_port()), "--today", "2027-03-29"))
    said = running[0].until(READY)
    assert "as of 2027-03-29" in said
    assert "PROAPP_TODAY='2027-03-29'" in (tmp_path / "var/demo/environment.sh").read_text()
    # The number that was printed belongs to the shifted clock, and so does that of demo-code.
    code = subprocess.run(
        [sys.executable, "-m", "proapp", "demo-code", "nurse.ume@example.org"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert re.fullmatch(r"[0-9]{6}\n", code.stdout), code.stderr


def demo(*words: str) -> Any:
    return CliRunner().invoke(main, ["demo", *words])


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = demo("--port", str(port))
    assert said.exit_code == 1
    assert f"port {port} is taken" in said.output
    assert f"PORT={port + 1}" in said.output
    assert not (tmp_path / "var").exists()


def test_a_database_that_is_no_demonstration_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sqlite3

    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("precious.sqlite3")
    connection.execute("CREATE TABLE journal (entry TEXT)")
    connection.close()
    said = demo("--no-serve", "--database", "sqlite:///precious.sqlite3")
    assert said.exit_code == 1
    assert "left as it is" in said.output


def test_numbers_are_printed_for_a_demonstration_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert "run: proapp demo" in runner.invoke(main, ["demo-code", "nurse.ume@example.org"]).output
    assert demo("--no-serve", "--participants", "2").exit_code == 0
    assert re.fullmatch(r"[0-9]{6}\n", runner.invoke(main, ["demo-code", "nurse.ume@example.org"]).output)
    assert "nobody" in runner.invoke(main, ["demo-code", "berit@example.org"]).output
    monkeypatch.setenv("PROAPP_DATABASE_URL", f"sqlite:///{tmp_path / 'live.sqlite3'}")
    monkeypatch.setenv("PROAPP_SECRET_KEY", "a-secret-of-the-tests-0123456789-abcdefg")
    monkeypatch.setenv("PROAPP_CONTACT_KEYS", "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")
    refused = runner.invoke(main, ["demo-code", "nurse.ume@example.org"])
    assert refused.exit_code == 1
    assert "demonstration only" in refused.output
