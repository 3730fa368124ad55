"""Material of the study tests: the shipped example, and a small study file that single changes break."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from proapp.instruments.load import BUILT_IN, load_packs
from proapp.instruments.model import Instrument
from proapp.study.load import BRECLIM2, load_study
from proapp.study.model import Study

# What is generated here is about right and wrong; how long it takes says how busy the machine is.
settings.register_profile("study", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("study")

SMALL = """
code = "SMALL"
number = "1"
approved_on = 2019-11-01
effective_from = 2019-12-01
time_zone = "Europe/Stockholm"
languages = ["sv", "en"]
demo = true
id_pattern = "[A-Z]{3}-[0-9]{3}"
id_example = "UME-001"
title = { sv = "Liten", en = "Small" }
safety = { sv = "Ring oss", en = "Call us" }

[[sites]]
code = "UME"
name = "Umeå"
phone = "0980-319 201"
hours = { sv = "vardagar", en = "weekdays" }

[[arms]]
code = "SURG"
label = { sv = "Kirurgi", en = "Surgery" }

[[arms]]
code = "ONC"
label = { sv = "Onkologi", en = "Oncology" }

[[timepoints]]
code = "baseline"
label = { sv = "Start", en = "Start" }
kind = "baseline"
anchor = "consent"
instruments = ["c30"]

[[timepoints]]
code = "m03"
label = { sv = "3 mån", en = "3 m" }
kind = "scheduled"
anchor = "randomization"
months = 3
before_days = 14
after_days = 28
grace_days = 14
instruments = ["c30", "br23"]
reminders = [{ relative_to = "closes", days = -7, channel = "sms" }]

[[timepoints]]
code = "m06"
label = { sv = "6 mån", en = "6 m" }
kind = "scheduled"
anchor = "randomization"
months = 6
before_days = 14
after_days = 28
instruments = ["c30"]

[[timepoints]]
code = "op1"
label = { sv = "Efter operation", en = "After surgery" }
kind = "event"
anchor = "surgery"
days = 30
before_days = 7
after_days = 7
arms = ["SURG"]
instruments = ["c30"]

[[timepoints]]
code = "extra"
label = { sv = "Extra", en = "Extra" }
kind = "unscheduled"
anchor = "manual"
after_days = 7
instruments = ["c30"]
"""


@pytest.fixture(scope="session")
def packs() -> Mapping[str, Instrument]:
    return load_packs(BUILT_IN)


@pytest.fixture(scope="session")
def breclim2(packs: Mapping[str, Instrument]) -> Study:
    return load_study(BRECLIM2, packs)


@pytest.fixture(scope="session")
def small_text() -> str:
    return SMALL


@pytest.fixture(scope="session")
def small(packs: Mapping[str, Instrument], tmp_path_factory: pytest.TempPathFactory) -> Study:
    path = tmp_path_factory.mktemp("study") / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return load_study(path, packs)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the small study with changes: pairs of a text that must be there and what replaces it (everywhere)."""

    def written(*changes: tuple[str, str]) -> Path:
        text = SMALL
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "study.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written
