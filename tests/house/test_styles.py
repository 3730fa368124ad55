"""What the style sheets say twice, they say alike."""

from __future__ import annotations

import re
from pathlib import Path

LOOK = (Path(__file__).parents[2] / "static" / "css" / "look.css").read_text(encoding="utf-8")


def test_more_contrast_is_the_same_whoever_asks_for_it() -> None:
    """The device by its setting, or the patient by a choice."""
    chosen = re.findall(r'^:root\[data-contrast="high"\] (.*?\})$', LOOK, re.MULTILINE | re.DOTALL)
    [device] = re.findall(r"^@media \(prefers-contrast: more\) \{\n(.*?)^\}", LOOK, re.MULTILINE | re.DOTALL)
    set_ = re.findall(r"^  (\S.*?\})$", device, re.MULTILINE | re.DOTALL)
    assert [_words(rule) for rule in chosen] == [_words(rule.removeprefix(":root ")) for rule in set_]
    assert len(chosen) > 5
    assert chosen[0].count("Canvas") > 10


def _words(rule: str) -> str:
    return " ".join(rule.split())
