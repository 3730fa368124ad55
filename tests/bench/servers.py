"""Two servers of the same shape on one machine: BARE and proapp, each gunicorn with two sync workers on SQLite.

Counts the CPU that the workers use, and speaks to them over sockets as a browser would: with cookies, form tokens and a
new connection for each request (which is what sync workers give).
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from proapp.clock import local_date, system_clock
from proapp.config import Settings
from proapp.db.migrate import upgrade
from proapp.db.session import make_engine
from proapp.runtime import Runtime, build_runtime
from proapp.services import installation, sessions
from proapp.web.guard import PATIENT_COOKIE
from tests.people import People

ROOT = Path(__file__).parents[2]
SECRET = "bench-only-not-a-secret-0123456789abcdef"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """User and system time of the master and its workers so far."""
        return sum(_cpu(pid) for pid in [self.process.pid, *_children(self.process.pid)])


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def gunicorn(name: str, app: str, environment: dict[str, str], ready: str) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "gunicorn", app, "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    # proapp logs each request, as it does at a hospital; BARE does not.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*words, "--log-level", "error"], cwd=ROOT, env={**os.environ, **environment},
            stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        try:
            _wait(name, process, port, ready)
            yield Server(name, port, process)
        except Exception:
            log.seek(0)
            sys.stderr.writelines(line.decode() for line in log.readlines()[-10:])
            raise
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait(name: str, process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{name} did not answer")


@dataclass
class Visitor:
    """One phone."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""
    page: str = ""

    def get(self, path: str) -> int:
        return self._send("GET", path, None)

    def post(self, path: str, **form: str) -> int:
        return self._send("POST", path, urlencode({"csrf_token": self.token, **form}))

    def _send(self, method: str, path: str, body: str | None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        self.page = answer.read().decode()
        for name, value in answer.getheaders():
            if name == "Set-Cookie":
                self.cookies.update([value.split(";")[0].split("=", 1)])
            if name == "Location":
                self.location = urlsplit(value).path
        connection.close()
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.page)
        if found:
            self.token = found.group(1)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path} answered {answer.status}")
        return answer.status


@contextmanager
def bare(folder: Path) -> Iterator[tuple[Server, Callable[[], Visitor]]]:
    environment = {"BARE_DATABASE": str(folder / "bare.sqlite3")}
    subprocess.run(
        [sys.executable, "-c", "from tests.bench import bare; bare.prepare()"],
        cwd=ROOT, env={**os.environ, **environment}, check=True,
    )  # fmt: skip
    people = iter(range(1, 1_000_000))
    with gunicorn("BARE", "tests.bench.bare:app", environment, "/sign-in/0") as server:

        def visitor() -> Visitor:
            one = Visitor(server.port)
            one.get(f"/sign-in/{next(people)}")
            return one

        yield server, visitor


@dataclass
class House:
    """A proapp with as many participants, each with an assessment to answer, as are asked for."""

    runtime: Runtime
    people: People
    server: Server
    made: int = 0

    def visitor(self) -> tuple[Visitor, int]:
        """A signed-in patient and the assessment that waits."""
        self.made += 1
        today = local_date(system_clock(), self.runtime.study.zone())
        person = self.people.participant(f"UME-{self.made:03d}", consent_on=today, activated=False)
        with self.runtime.writing.begin() as session:
            token = sessions.start(
                session, self.runtime.vault, kind="patient", now=system_clock(), participant_id=person
            )
        return Visitor(self.server.port, {PATIENT_COOKIE: token}), self.people.assessment_id(person, "baseline")


@contextmanager
def house(folder: Path) -> Iterator[House]:
    key = base64.urlsafe_b64encode(b"k" * 32).decode()
    url = f"sqlite:///{folder / 'proapp.sqlite3'}"
    environment = {
        "PROAPP_DATABASE_URL": url,
        "PROAPP_SECRET_KEY": SECRET,
        "PROAPP_CONTACT_KEYS": key,
        "PROAPP_DEMO": "1",
    }
    engine = make_engine(url)
    upgrade(engine)
    settings = Settings(url, SECRET, (b"k" * 32,), "http://127.0.0.1:8000", demo=True)
    runtime = build_runtime(settings, check_database=False)
    with runtime.writing.begin() as session:
        installation.mark(session, demo=True)
    with gunicorn("proapp", "wsgi:app", environment, "/healthz") as server:
        yield House(runtime, People(runtime, None, lambda *_: None), server)
    runtime.close()
    engine.dispose()
    shutil.rmtree(folder, ignore_errors=True)
