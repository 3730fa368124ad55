"""The life of 200 participants over fourteen months, hour by hour, by three workers at once, of which some are killed,
with a gateway that behaves as gateways do and an amendment in the middle: compared message by message with what an
independent computation expects. A quarter of an hour or more, so it is done only when asked for.

    python -m tests.bench --only simulation [--engine sqlite]
    python -m tests.bench.simulation [--engine postgresql] [--participants 200] [--days 426] [--kills 40] [--seed 7]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.bench.databases import ENGINES, installed
from tests.life import amendment, cohort, hours_of
from tests.life_expected import expected
from tests.life_run import run, wrong

PARTICIPANTS, DAYS, KILLS, SEED = 200, 426, 40, 7


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.simulation")
    parser.add_argument("--engine", choices=ENGINES, default="postgresql")
    parser.add_argument("--participants", type=int, default=PARTICIPANTS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()
    measure(chosen.engine, chosen.participants, chosen.days, chosen.kills, chosen.seed)


def measure(
    engine: str, participants: int = PARTICIPANTS, days: int = DAYS, kills: int = KILLS, seed: int = SEED
) -> None:
    with tempfile.TemporaryDirectory(prefix="proapp-bench-") as folder:
        simulate(Path(folder), engine, participants, days, kills, seed)


def simulate(folder: Path, engine: str, participants: int, days: int, kills: int, seed: int) -> None:
    people, hours = cohort(participants, seed=seed, days=days), hours_of(days)
    amended = amendment(people, days, seed=seed)
    begun = time.perf_counter()
    wanted = expected(people, hours, amended)
    print(
        f"{engine}: {participants} participants, {days} days, {len(hours)} hours, three workers; "
        f"{len(wanted.sent)} messages expected (worked out in {time.perf_counter() - begun:.0f} s)",
        flush=True,
    )
    with installed(engine, folder) as runtime:
        lived = run(
            runtime.settings.database_url,
            people,
            hours,
            seed=seed,
            kills=kills,
            amended=amended,
            progress=lambda line: print(f"  {line}", flush=True),
        )
    faults = wrong(lived, wanted)
    print(f"  {lived.seconds:.0f} s, {lived.seconds / lived.steps * 1000:.1f} ms an hour")
    print(f"  {lived.facts} facts written through the services, {sum(lived.facts_refused.values())} refused by them")
    print(f"  {lived.kills} workers killed, {lived.kills_while_sending} of them while handing a message over")
    print(f"  messages: {len(lived.sent)}, of them {dict(Counter(one.channel for one in lived.sent))}")
    print(f"  the gateway put off {lived.put_off} times, refused {len(lived.failed)}, reported {lived.reports} times")
    print(f"  possibly sent: {len(lived.possibly)}; sites amended from {sorted(map(str, amended.values()))}")
    print(f"  differences to what was expected, twice, lost: {len(faults)}")
    for line in faults[:20]:
        print(f"    {line}")
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
