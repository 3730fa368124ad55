"""Lighthouse on the pages where patients spend their time: a phone on a slow 4G network, simulated, beside BARE.

The npm package is fetched once, at the version named here, into a folder of the user's cache; nothing of it is in git.
Each figure is the median of five. What costs a page a point is named, so that it can be mended.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proapp.screens.browser import FLAGS, chromium_path
from tests.bench import taps
from tests.bench.servers import Visitor, bare, house

VERSION = "12.8.2"  # the last for Node 20; 13 asks for Node 22.19
RUNS = 5
TRIES = 3  # on a busy machine a recording fails now and then
CATEGORIES = ("performance", "accessibility", "best-practices")
GOALS = {"performance": 99, "accessibility": 100, "best-practices": 100}
PAINTS = {
    "first-contentful-paint": 1.2,
    "largest-contentful-paint": 1.3,
}  # most that we may take, as a multiple of BARE's
SHIFT = 0.02


@dataclass(frozen=True)
class Result:
    """One page: each figure the median of all runs, the paints of each run; `lost`: audits that cost points in any."""

    scores: Mapping[str, float]
    paints: Mapping[str, list[float]]
    shift: float
    blocking: float
    size: int
    requests: int
    lost: tuple[str, ...]


class CannotRun(Exception):
    """Lighthouse cannot be had here; the message says why."""


def measure(folder: Path) -> None:
    (folder / "lighthouse").mkdir()
    (folder / "yardstick").mkdir()
    try:
        script = installed()
    except CannotRun as error:
        print(f"Lighthouse: not measured, {error}")
        return
    with bare(folder / "yardstick") as (yardstick, bare_visitor), house(folder / "lighthouse") as ours:
        home, question = ours.visitor(), ours.visitor()
        one, number = question
        one.get(f"/assessment/{number}")
        one.post(f"/assessment/{number}", who="self")
        pages = {
            "BARE": (f"http://127.0.0.1:{yardstick.port}/1", bare_visitor()),
            "home": (f"http://127.0.0.1:{ours.server.port}/home", home[0]),
            "question": (f"http://127.0.0.1:{ours.server.port}{one.location}", one),
        }
        print(f"Lighthouse {VERSION}, phone, slow 4G simulated, median of {RUNS} in alternation", flush=True)
        tell(of_pages(script, folder, pages))
        taps.measure(ours)


def installed() -> Path:
    """Lighthouse's script. Raises CannotRun."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise CannotRun(f"there is no {program} on the path")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "proapp" / f"lighthouse-{VERSION}"
    script = place / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not script.is_file():
        print(f"Fetching Lighthouse {VERSION} (once)", flush=True)
        place.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--prefix", str(place), "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(
            [*words, "--ignore-scripts", f"lighthouse@{VERSION}"], cwd=place, capture_output=True, text=True
        )
        if done.returncode or not script.is_file():
            raise CannotRun(f"npm could not fetch it: {done.stderr.strip()[-300:]}")
    return script


def of_pages(script: Path, folder: Path, pages: Mapping[str, tuple[str, Visitor]]) -> dict[str, Result]:
    reports: dict[str, list[dict[str, Any]]] = {name: [] for name in pages}
    for _ in range(RUNS):
        for name, (address, visitor) in pages.items():
            reports[name].append(report(script, folder, address, visitor))
    return {name: result(some) for name, some in reports.items()}


def report(script: Path, folder: Path, address: str, visitor: Visitor) -> dict[str, Any]:
    """What Lighthouse says of one load. The cookie goes by a file: a command line is seen by everybody."""
    headers, target = folder / "headers.json", folder / "report.json"
    headers.touch(mode=0o600)
    headers.write_text(json.dumps({"Cookie": "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())}))
    words = [
        "node", str(script), address, "--quiet", "--output=json", f"--output-path={target}",
        f"--only-categories={','.join(CATEGORIES)}", f"--extra-headers={headers}", "--no-enable-error-reporting",
        f"--chrome-flags=--headless=new {' '.join(FLAGS)}",
    ]  # fmt: skip
    chromium = chromium_path()
    environment = {**os.environ, **({"CHROME_PATH": chromium} if chromium else {})}
    for _ in range(TRIES):
        done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, timeout=180)
        if not done.returncode:
            break
    else:
        raise RuntimeError(f"Lighthouse ended with {done.returncode}: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(target.read_text())
    if found["finalDisplayedUrl"] != address:
        raise RuntimeError("Lighthouse was led to another page: the sign-in did not hold")
    return found


def result(reports: list[dict[str, Any]]) -> Result:
    def median(audit: str) -> float:
        return statistics.median(one["audits"][audit]["numericValue"] for one in reports)

    loads = [
        [item for item in one["audits"]["network-requests"]["details"]["items"] if item["url"].startswith("http")]
        for one in reports
    ]
    return Result(
        scores={
            name: statistics.median(one["categories"][name]["score"] * 100 for one in reports) for name in CATEGORIES
        },
        paints={name: [one["audits"][name]["numericValue"] for one in reports] for name in PAINTS},
        shift=median("cumulative-layout-shift"),
        blocking=median("total-blocking-time"),
        size=round(statistics.median(sum(item["transferSize"] for item in load) for load in loads)),
        requests=round(statistics.median(map(len, loads))),
        lost=tuple(dict.fromkeys(line for one in reports for line in _lost(one))),
    )


def _lost(one: dict[str, Any]) -> Iterable[str]:
    for category in CATEGORIES:
        for part in one["categories"][category]["auditRefs"]:
            audit = one["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 0.995:
                yield f"{category}: {audit['title']} ({audit.get('displayValue') or audit['score']})"


def tell(results: Mapping[str, Result]) -> None:
    yardstick = results["BARE"]
    for name, one in results.items():
        scores = ", ".join(
            f"{category} {one.scores[category]:.0f}" + (f" (goal {GOALS[category]})" if name != "BARE" else "")
            for category in CATEGORIES
        )
        print(f"{name}: {scores}")
        for paint, most in PAINTS.items():
            ours, bare_ones = one.paints[paint], yardstick.paints[paint]
            share, best = statistics.median(ours) / statistics.median(bare_ones), min(ours) / min(bare_ones)
            goal = f", {share:.2f} of BARE's, the best {best:.2f} (goal at most {most})" if name != "BARE" else ""
            print(f"  {paint.replace('-', ' ')}: {statistics.median(ours):.0f} ms, at best {min(ours):.0f}{goal}")
        print(f"  layout shift {one.shift:.3f} (goal at most {SHIFT}), blocked for {one.blocking:.0f} ms")
        print(f"  first load: {one.size} bytes in {one.requests} requests")
        for line in one.lost:
            print(f"  costs points: {line}")
