"""Figures that stand alone: bytes and requests of a first load, milliseconds of the lists, seconds of files."""

from __future__ import annotations

import csv
import gzip
import http.client
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from proapp.clock import local_date, system_clock
from proapp.demo import place
from proapp.runtime import build_runtime
from proapp.services import sessions
from proapp.web.guard import STAFF_COOKIE
from tests.bench.servers import ROOT, House, Visitor, gunicorn, house
from tests.people import People

COMMAND = [sys.executable, "-m", "proapp"]


def measure(folder: Path) -> None:
    (folder / "pages").mkdir()
    with house(folder / "pages") as ours:
        first_load(ours)
    lists(folder)
    score(folder)


def first_load(ours: House) -> None:
    """What a phone fetches for its first question: the page, and everything the page names."""
    one, number = ours.visitor()
    one.get(f"/assessment/{number}")
    one.post(f"/assessment/{number}", who="self")
    one.get(one.location)
    html = one.page
    parts = {"page": (len(html.encode()), len(gzip.compress(html.encode())))}
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
        parts[address.rsplit("/", 1)[-1]] = fetched(ours.server.port, address)
        for more in re.findall(r'import[^"\']*["\'](\./[^"\']+)["\']', one.page):
            print("  imports", more)
    print(f"question page, first load: {len(parts)} requests")
    for name, (plain, compressed) in parts.items():
        print(f"  {name:14} {plain:6} bytes, {compressed:6} compressed")
    total, sent = (sum(sizes) for sizes in zip(*parts.values(), strict=True))
    print(f"  {'together':14} {total:6} bytes, {sent:6} compressed (goal at most 30 KB in at most 4 requests)")


def fetched(port: int, address: str) -> tuple[int, int]:
    sizes = []
    for encoding in ("identity", "gzip"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", urlsplit(address).path, headers={"Accept-Encoding": encoding})
        sizes.append(len(connection.getresponse().read()))
        connection.close()
    return sizes[0], sizes[1]


def lists(folder: Path) -> None:
    """The demonstration of 200 participants: its making, the pages of staff, a tick, an export, the audit trail."""
    database = f"sqlite:///{folder / 'demo.sqlite3'}"
    today = local_date(system_clock(), ZoneInfo("Europe/Stockholm"))
    chosen = place.Demonstration(today, False, 200, 1, database, "http://127.0.0.1:8000")
    with timed("demonstration of 200 participants, made"):
        place.make(chosen)
    runtime = build_runtime(chosen.settings())
    with gunicorn("proapp", "wsgi:app", chosen.environment(), "/a") as server:
        ours = House(runtime, People(runtime, None, lambda *_: None), server)
        for name, path in (
            ("worklist, all sites", "/staff/work"),
            ("grid, 200 participants", "/staff/participants"),
            ("participant page", "/staff/participants/UME-001"),
            ("compliance", "/staff/compliance"),
        ):
            pages_of(ours, name, path)
    runtime.close()
    with timed("proapp tick, nothing due for most"):
        run("tick", environment=chosen.environment())
    with timed("proapp export, 200 participants"):
        run("export", "--out", str(folder / "out.zip"), environment=chosen.environment())
    with timed("proapp audit verify"):
        print("  " + run("audit", "verify", environment=chosen.environment()).strip())


@contextmanager
def timed(what: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - begun:.1f} s", flush=True)


def run(*words: str, environment: dict[str, str] | None = None) -> str:
    """What a command prints. Raises RuntimeError when it fails."""
    env = {**os.environ, **(environment or {})}
    done = subprocess.run([*COMMAND, *words], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"proapp {words[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout


def pages_of(ours: House, name: str, path: str, rounds: int = 15) -> None:
    """Milliseconds from request to last byte, as a signed-in coordinator."""
    user = ours.people.staff_id("karin")
    with ours.runtime.writing.begin() as session:
        token = sessions.start(session, ours.runtime.vault, kind="staff", now=system_clock(), user_id=user)
    one = Visitor(ours.server.port, {STAFF_COOKIE: token})
    one.get(path)
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        one.get(path)
        times.append((time.perf_counter() - begun) * 1000)
    html = one.page.encode()
    print(
        f"{name}: median {statistics.median(times):.0f} ms, max {max(times):.0f} ms; "
        f"{len(html) / 1000:.0f} KB, {len(gzip.compress(html)) / 1000:.0f} KB compressed"
    )


def score(folder: Path, rows: int = 100_000) -> None:
    """File to file, start of the interpreter included."""
    chance = random.Random(2026)
    source, target = folder / "answers.csv", folder / "scores.csv"
    with source.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *(f"q{item}" for item in range(1, 31))])
        for row in range(rows):
            top = [4] * 28 + [7] * 2
            writer.writerow([row, *("" if chance.random() < 0.03 else chance.randint(1, high) for high in top)])
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        run("score", "c30", str(source), "-o", str(target))
        times.append(time.perf_counter() - begun)
    print(
        f"proapp score c30, {rows:,} rows file to file: median {statistics.median(times):.2f} s, "
        f"min {min(times):.2f} s (goal at most 1.0 s)"
    )
