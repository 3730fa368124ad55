"""Seconds of a tick over trials of 200, 10,000 and 100,000 participants: with reminders due, and with nothing due."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event

from proapp.delivery import queue_due
from proapp.runtime import Runtime
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
    queued, seconds, statements = ticked(runtime, NOW)
    print(f"  {queued} reminders due: {seconds:.3f} s, {statements} statements", flush=True)
    for label, moment in (
        ("nothing due any more, 10:01", NOW + timedelta(minutes=1)),
        ("before the hour, 09:30 the next day", NOW + timedelta(hours=23, minutes=30)),
        ("at night, 03:00", NOW + timedelta(hours=17)),
    ):
        ticks = [ticked(runtime, moment) for _ in range(7)]
        seconds = statistics.median(one[1] for one in ticks)
        worst = max(one[1] for one in ticks)
        statements = max(one[2] for one in ticks)
        print(
            f"  {label}: median {seconds * 1000:.1f} ms, max {worst * 1000:.1f} ms, {statements} statements", flush=True
        )


def ticked(runtime: Runtime, moment: Any) -> tuple[int, float, int]:
    with counting(runtime) as sent:
        begun = time.perf_counter()
        queued = sum(1 for _ in queue_due(runtime, now=moment, thorough=False))
        return queued, time.perf_counter() - begun, len(sent)


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
