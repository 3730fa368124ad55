"""Two invented packs with one of each kind of screen, and the picture book of one of them: made by `proapp screens` in a
process of its own, in the one font of the tests. `make looks` keeps the book; tests/e2e/test_screens.py compares."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.conftest import ROOT

ACCEPTED = ROOT / "tests" / "looks" / "book"

STRUCTURE = """
code = "night"
version = "2.1"
algorithm_version = "night/1"
languages = ["sv", "en"]
validated = true
core = false
minutes = 1
source = "Night questionnaire, manual of 2024"

[licence]
kind = "licensed"
holder = "Sleep & Sons <Ltd>"
reference = "Agreement 2027-001"

[responses.four]
codes = [1, 2, 3, 4]

[responses.seven]
codes = [1, 2, 3, 4, 5, 6, 7]
layout = "tiles"

[[items]]
number = 1
concept = "awake"
responses = "four"

[[items]]
number = 2
concept = "overall"
responses = "seven"
gate = { item = 1, above = 1 }

[[scales]]
code = "SLP"
kind = "symptom"
formula = "symptom"
items = [1]
high_is = "bad"

[[scales]]
code = "SLQ"
kind = "global"
formula = "symptom"
items = [2]
high_is = "good"
"""
WORDS = {
    "sv": ("Dina nätter", "Hur länge låg du vaken?", "Hur var din sömn?", "Inte alls", "Mycket"),
    "en": ("Your nights", "How long were you awake?", "How was your sleep?", "Not at all", "Very"),
}  # fmt: skip
DUSK = (
    STRUCTURE[: STRUCTURE.index("[responses.seven]")].replace('"night"', '"dusk"').replace('["sv", "en"]', '["sv"]')
    + '[[items]]\nnumber = 1\nconcept = "tired"\nresponses = "four"\n\n'
    + '[[scales]]\ncode = "TI"\nkind = "symptom"\nformula = "symptom"\nitems = [1]\nhigh_is = "bad"\n'
)
DUSK_WORDS = """
title = "Din kväll"
introduction = "En fråga."
[items]
1 = "Var du trött?"
[short]
1 = "Trött"
[responses.four]
1 = "Inte alls"
2 = "Lite"
3 = "En del"
4 = "Mycket"
[scales]
TI = "Trötthet"
"""
STUDY = """
code = "NIGHTS"
title = { sv = "Nätter" }
number = "3.14"
approved_on = 2026-01-01
effective_from = 2026-02-02
time_zone = "Europe/Stockholm"
languages = ["sv"]
id_pattern = "[0-9]+"
safety = { sv = "Ring oss." }
sites = [{ code = "A", name = "A", phone = "08-465 004 01", hours = { sv = "alltid" } }]
arms = [{ code = "X", label = { sv = "X" } }]

[[timepoints]]
code = "before"
label = { sv = "Före" }
kind = "baseline"
anchor = "consent"
instruments = ["night", "dusk"]
"""
SCREENS = ["start", "item 1", "item 1, left unanswered", "item 2", "item 2, left unanswered", "review", "receipt"]


def wording(language: str) -> str:
    title, first, second, low, high = WORDS[language]
    items = f'1 = "{first}"\n2 = "{second}"\n'
    four = f'1 = "{low}"\n2 = "2"\n3 = "3"\n4 = "{high}"\n'
    return (
        f'title = "{title}"\nintroduction = "{title}."\n[items]\n{items}[short]\n{items}[responses.four]\n{four}'
        f'[responses.seven]\n1 = "{low}"\n7 = "{high}"\n[scales]\nSLP = "1"\nSLQ = "2"\n'
    )


def written(folder: Path) -> Path:
    """Both packs, as a hospital would mount them."""
    (folder / "night").mkdir()
    (folder / "night" / "instrument.toml").write_text(STRUCTURE)
    for language in WORDS:
        (folder / "night" / f"wording.{language}.toml").write_text(wording(language))
    (folder / "dusk").mkdir()
    (folder / "dusk" / "instrument.toml").write_text(DUSK)
    (folder / "dusk" / "wording.sv.toml").write_text(DUSK_WORDS)
    return folder


def proapp(*words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")}
    return subprocess.run(
        [sys.executable, "-m", "proapp", "screens", *words],
        cwd=folder, env={**kept, "PYTHONPATH": str(ROOT), **more}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def pictures(text: str) -> Mapping[str, Image.Image]:
    """Caption → picture."""
    return {caption: Image.open(BytesIO(content)) for caption, content in _contents(text).items()}


def _contents(text: str) -> dict[str, bytes]:
    found = re.findall(r'<img src="data:image/webp;base64,([^"]+)" width="\d+" height="\d+" alt="([^"]+)"', text)
    assert len({caption for _, caption in found}) == len(found)
    return {caption: base64.b64decode(data) for data, caption in found}


def accept(text: str) -> None:
    """Keep the pictures of a book, a file each, and no others."""
    shutil.rmtree(ACCEPTED, ignore_errors=True)
    ACCEPTED.mkdir()
    for caption, content in _contents(text).items():
        (ACCEPTED / f"{file_name(caption)}.webp").write_bytes(content)


def accepted() -> Mapping[str, Image.Image]:
    """File name → picture."""
    return {path.stem: Image.open(path) for path in sorted(ACCEPTED.iterdir())}


def file_name(caption: str) -> str:
    """night-item-1-left-unanswered-sv-320-px-light"""
    return "-".join(re.findall(r"[a-z0-9]+", caption.lower()))
