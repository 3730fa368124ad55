"""docs/study-file.md keeps up with the file format."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proapp.study.load import load_study
from proapp.study.model import Arm, FollowUp, FollowUpTexts, MessageTexts, Reminder, Site, Study, TimePoint

DOC = (Path(__file__).parents[2] / "docs" / "study-file.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [Study, Site, Arm, TimePoint, Reminder, FollowUp, FollowUpTexts, MessageTexts])
def test_every_key_is_explained(model):
    explained = set(re.findall(r"`([a-z_]+)`", DOC))
    assert set(model.model_fields) <= explained


def test_defaults_are_as_explained():
    fields = {**Site.model_fields, **FollowUp.model_fields, **TimePoint.model_fields, **Study.model_fields}
    told = re.findall(r"^\| `([a-z_]+)` \| no, `?\"?([a-z0-9:]+)\"?`? \|", DOC, flags=re.MULTILINE)
    assert len(told) > 15
    for key, default in told:
        assert key in ("arms", "weekdays") or str(fields[key].default).lower().removesuffix(":00") == default


def test_the_small_study_is_in_order(tmp_path, packs):
    """With the two pieces that the later sections show put in."""
    whole, reminders, texts = re.findall(r"```toml\n(.*?)```", DOC, flags=re.DOTALL)
    plain = whole.replace(re.search(r"^reminders = .*\n", whole, flags=re.MULTILINE)[0], reminders)
    for text in (whole, plain.replace("[[sites]]", f"{texts}\n[[sites]]", 1)):
        path = tmp_path / "study.toml"
        path.write_text(text, encoding="utf-8")
        assert load_study(path, packs).code == "EXAMPLE-1"
