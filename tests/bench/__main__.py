"""`make bench`: ratios to the bare reference, measured in alternation, and the figures of pages and files.

Prints; asserts nothing. Absolute figures move with the machine's load, ratios of alternating rounds much less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from proapp.instruments.load import BUILT_IN, load_packs
from tests.bench import follow_up, lighthouse, pages, simulation
from tests.bench.databases import ENGINES
from tests.bench.servers import House, Server, Visitor, bare, house

ITEMS = 74


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--patients", type=int, default=4, help="at the same time")
    kinds = ["answering", "pages", "follow-up", "lighthouse", "simulation"]
    parser.add_argument("--only", choices=kinds, default=None)
    parser.add_argument("--engine", choices=ENGINES, default="postgresql", help="of the simulation")
    options = parser.parse_args()
    if options.only == "simulation":  # a quarter of an hour: not unless asked for
        simulation.measure(options.engine)
        return
    with tempfile.TemporaryDirectory(prefix="proapp-bench-") as folder:
        if options.only in (None, "answering"):
            answering(Path(folder), options.rounds, options.patients)
        if options.only in (None, "pages"):
            pages.measure(Path(folder))
        if options.only in (None, "follow-up"):
            follow_up.measure(Path(folder))
        if options.only in (None, "lighthouse"):
            lighthouse.measure(Path(folder))


def answering(folder: Path, rounds: int, patients: int) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    rates: list[float] = []
    costs: list[float] = []
    with bare(folder / "a") as (yardstick, bare_visitor), house(folder / "b") as ours:
        print(f"{rounds} rounds in alternation, {patients} patients at once, two workers each, SQLite synchronous=FULL")
        for number in range(1, rounds + 1):
            rate, cost = one_round(yardstick, ours, bare_visitor, patients)
            print(f"  round {number}: saving {rate:.2f} of BARE's rate, a journey {cost:.2f} times its CPU", flush=True)
            rates.append(rate)
            costs.append(cost)
    print(f"saving, rate as a share of BARE's:  {spread(rates)}   (goal at least 0.60, aim 0.75)")
    print(f"whole journey, CPU times BARE's:    {spread(costs)}   (goal at most 2.0, aim 1.5)")


def spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.2f}, min {min(values):.2f}, max {max(values):.2f}"


def one_round(
    yardstick: Server, ours: House, bare_visitor: Callable[[], Visitor], patients: int
) -> tuple[float, float]:
    bare_people = [bare_visitor() for _ in range(patients)]
    our_people = [started(*ours.visitor()) for _ in range(patients)]
    bare_rate = rate([lambda one=one: bare_saves(one) for one in bare_people])
    our_rate = rate([lambda one=one: our_saves(*one) for one in our_people])
    bare_cost = cost(yardstick, [lambda: bare_journey(bare_visitor()) for _ in range(patients)])
    fresh = [ours.visitor() for _ in range(patients)]
    our_cost = cost(ours.server, [lambda one=one: our_journey(*one) for one in fresh])
    return our_rate / bare_rate, our_cost / bare_cost


def together(journeys: list[Callable[[], None]]) -> float:
    """Seconds until all are done."""
    failures: list[BaseException] = []

    def guarded(journey: Callable[[], None]) -> None:
        try:
            journey()
        except BaseException as failure:  # reported below, in the thread that can stop the run
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(journey,)) for journey in journeys]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begun


def rate(journeys: list[Callable[[], None]]) -> float:
    """Saved answers per second."""
    return ITEMS * len(journeys) / together(journeys)


def cost(server: Server, journeys: list[Callable[[], None]]) -> float:
    """Seconds of the server's CPU per journey."""
    before = server.cpu_seconds()
    together(journeys)
    return (server.cpu_seconds() - before) / len(journeys)


# --- the two ways through 74 items ----------------------------------------------------------------------------------


def bare_saves(one: Visitor) -> None:
    """POSTs only: an answer to each item, one after the other."""
    for item in range(1, ITEMS + 1):
        one.post(f"/{item}", answer="2")


def bare_journey(one: Visitor) -> None:
    for item in range(1, ITEMS + 1):
        one.get(f"/{item}")
        one.post(f"/{item}", answer="2")
    one.get("/submit")
    one.post("/submit")


def started(one: Visitor, assessment: int) -> tuple[Visitor, str]:
    one.get(f"/assessment/{assessment}")
    one.post(f"/assessment/{assessment}", who="self")
    one.get(one.location)
    return one, f"/assessment/{assessment}"


@cache
def items() -> list[tuple[str, int]]:
    packs = load_packs(BUILT_IN)
    return [(code, item.number) for code in ("c30", "br23", "lmc21") for item in packs[code].items]


def our_saves(one: Visitor, assessment: str) -> None:
    for instrument, item in items():
        one.post(f"{assessment}/{instrument}/{item}", answer="2", do="save")


def our_journey(one: Visitor, number: int) -> None:
    started(one, number)
    for instrument, item in items():
        one.get(f"/assessment/{number}/{instrument}/{item}")
        one.post(f"/assessment/{number}/{instrument}/{item}", answer="2", do="save")
    one.get(f"/assessment/{number}/review")
    one.post(f"/assessment/{number}/review", do="send")
    one.get(one.location)


if __name__ == "__main__":
    main()
