"""Figures of the follow-up: ticks, the outbox, a gateway that hangs, and fourteen months with workers that are killed."""

from __future__ import annotations

from pathlib import Path

from tests.bench import outbox, simulation, ticks


def measure(folder: Path) -> None:
    ticks.measure(folder)
    outbox.measure(folder)
    simulation.simulate(folder, "postgresql", participants=200, days=426, kills=40, seed=7)
