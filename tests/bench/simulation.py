"""The life of 200 participants over fourteen months, hour by hour, by three workers at once, of which some are killed:
compared message by message with what an independent computation expects.

    python -m tests.bench.simulation [--engine postgresql] [--participants 200] [--days 426] [--kills 40] [--seed 7]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.databases import ENGINES, installed
from tests.life import cohort, expected, hours_of
from tests.life_run import differences, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.simulation")
    parser.add_argument("--engine", choices=ENGINES, default="postgresql")
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--days", type=int, default=426)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="proapp-bench-") as folder:
        simulate(Path(folder), chosen.engine, chosen.participants, chosen.days, chosen.kills, chosen.seed)


def simulate(folder: Path, engine: str, participants: int, days: int, kills: int, seed: int) -> None:
    people, hours = cohort(participants, seed=seed, days=days), hours_of(days)
    begun = time.perf_counter()
    wanted = expected(people, hours)
    print(
        f"{engine}: {participants} participants, {days} days, {len(hours)} hours, three workers; "
        f"{len(wanted)} messages expected (worked out in {time.perf_counter() - begun:.0f} s)",
        flush=True,
    )
    with installed(engine, folder) as runtime:
        lived = run(
            runtime.settings.database_url,
            people,
            hours,
            seed=seed,
            kills=kills,
            progress=lambda line: print(f"  {line}", flush=True),
        )
    wrong = differences(lived.sent, wanted)
    twice = [reference for reference, number in lived.handed_over.items() if number > 1]
    electronic = {one for one in lived.sent if one.channel != "letter"}
    reached = {lived.references[reference] for reference in lived.handed_over}
    lost = electronic - reached - set(lived.possibly)
    print(f"  {lived.seconds:.0f} s, {lived.seconds / lived.steps * 1000:.1f} ms an hour")
    print(f"  {lived.kills} workers killed, {lived.kills_while_sending} of them while handing a message over")
    print(f"  messages: {len(lived.sent)}, of them {dict(Counter(one.channel for one in lived.sent))}")
    print(f"  differences to what was expected: {len(wrong)}; handed over twice: {len(twice)}; lost: {len(lost)}")
    print(f"  possibly sent: {len(lived.possibly)}, of which the gateway has {len(reached & set(lived.possibly))}")
    for line in wrong[:20]:
        print(f"    {line}")
    if wrong or twice or lost or len(lived.possibly) > lived.kills:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
