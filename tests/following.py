"""A study for tests with what BreCLIM-2 does not have: time points that follow from surgery and progression, and ones
that staff open by hand. It is the shipped file with a few time points more."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from proapp.study.load import BRECLIM2, load_study
from proapp.study.model import Study
from tests.conftest import definitions

MORE = Path(__file__).with_suffix(".toml")


@cache
def following() -> Study:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "following.toml"
        path.write_text(BRECLIM2.read_text(encoding="utf-8") + MORE.read_text(encoding="utf-8"), encoding="utf-8")
        return load_study(path, definitions()[1])
