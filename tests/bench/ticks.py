"""Seconds of a tick over trials of 200, 10,000 and 100,000 participants: with reminders due, and with nothing due."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, func, select

from proapp.db.models import Message
from proapp.delivery import Rounds
from proapp.runtime import Runtime
from proapp.worker import tick_once
from tests.bench.databases import ENGINES, installed
from tests.bench.large import NOW, large
from tests.conftest import MovableClock

SIZES = (200, 10_000, 100_000)


def measure(folder: Path, sizes: tuple[int, ...] = SIZES, engines: tuple[str, ...] = ENGINES) -> None:
    for engine in engines:
        for size in sizes:
            with installed(engine, folder, MovableClock(NOW), cap_study=1_000_000) as runtime:
                begun = time.perf_counter()
                rows = large(runtime, size)
                made = time.perf_counter() - begun
                one_trial(runtime, engine, size, rows, made)


def one_trial(runtime: Runtime, engine: str, size: int, rows: dict[str, int], made: float) -> None:
    print(
        f"{engine}, {size} participants ({sum(rows.values())} rows, {rows['message']} messages; made in {made:.0f} s)"
    )
    rounds = Rounds()
    queued, seconds, statements = ticked(runtime, NOW, rounds)
    print(f"  {queued} reminders due, 10:00: {seconds:.3f} s, {statements} statements", flush=True)
    for label, first, step in (
        ("nothing due, every minute from 10:01", NOW + timedelta(minutes=1), timedelta(minutes=1)),
        ("nothing due, the thorough search of every hour", NOW + timedelta(hours=1), timedelta(hours=1)),
        ("at night, every minute from 03:01", NOW + timedelta(hours=17, minutes=1), timedelta(minutes=1)),
    ):
        rounds.searched = first - step
        ticks = [ticked(runtime, first + step * number, rounds) for number in range(8)]
        seconds = statistics.median(one[1] for one in ticks)
        worst = max(one[1] for one in ticks)
        statements = max(one[2] for one in ticks)
        print(
            f"  {label}: median {seconds * 1000:.1f} ms, max {worst * 1000:.1f} ms, {statements} statements", flush=True
        )


def ticked(runtime: Runtime, moment: Any, rounds: Rounds) -> tuple[int, float, int]:
    """The whole tick as the worker makes it, with the sweep and its notes: (rows queued, seconds, statements)."""
    runtime.clock.set(moment)  # type: ignore[attr-defined]
    before = _messages(runtime)
    with counting(runtime) as sent:
        begun = time.perf_counter()
        tick_once(runtime, "bench", rounds)
        seconds = time.perf_counter() - begun
        statements = len(sent)
    return _messages(runtime) - before, seconds, statements


def _messages(runtime: Runtime) -> int:
    with runtime.reading() as session:
        return int(session.scalar(select(func.count()).select_from(Message)) or 0)


@contextmanager
def counting(runtime: Runtime) -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "PRAGMA")):
            sent.append(statement)

    event.listen(runtime.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(runtime.engine, "before_cursor_execute", note)
