"""What the style sheets say twice, they say alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[2] / "static" / "css"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_more_contrast_is_the_same_whoever_asks_for_it(scheme: str) -> None:
    """The device by its setting, or the patient by a choice."""
    text = (CSS / "look.css").read_text(encoding="utf-8")
    dark = r"@media \(prefers-color-scheme: dark\)"
    chosen = {"light": r'^:root\[data-contrast="high"\] \{', "dark": dark + r' \{\s+:root\[data-contrast="high"\] \{'}
    set_ = {
        "light": r"^@media \(prefers-contrast: more\) \{\s+:root \{",
        "dark": dark + r" and \(prefers-contrast: more\) \{\s+:root \{",
    }
    found = [_colours(text, start[scheme]) for start in (chosen, set_)]
    assert found[0] == found[1]
    assert len(found[0]) > 20


def _colours(text: str, start: str) -> dict[str, str]:
    block = re.search(start + r"([^}]*)\}", text, re.MULTILINE)
    assert block
    return dict(re.findall(r"(--[\w-]+): ([^;]+);", block.group(1)))


def test_the_rules_beside_the_colours_are_the_same_too() -> None:
    text = (CSS / "look.css").read_text(encoding="utf-8")
    chosen = re.findall(r'^:root\[data-contrast="high"\] ([^{]+ \{.*\})$', text, re.MULTILINE)
    [block] = re.findall(
        r"^@media \(prefers-contrast: more\) \{\n((?:  [^:][^\n]*\n|  :is[^\n]*\n)+)\}", text, re.MULTILINE
    )
    assert len(chosen) > 4
    assert [line.strip() for line in block.splitlines()] == chosen


def test_more_contrast_changes_every_colour() -> None:
    base = (CSS / "base.css").read_text(encoding="utf-8")
    look = (CSS / "look.css").read_text(encoding="utf-8")
    every = {name for name, value in re.findall(r"(--[\w-]+): ([^;]+);", base) if value.startswith("#")}
    assert every - set(_colours(look, r'^:root\[data-contrast="high"\] \{')) - {"--na", "--na-bg"} == set()
