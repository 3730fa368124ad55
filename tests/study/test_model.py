from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from proapp.study.model import Study


def test_a_study_cannot_be_changed(small):
    with pytest.raises(ValidationError, match="frozen"):
        small.code = "OTHER"
    with pytest.raises(ValidationError, match="frozen"):
        small.timepoints[0].months = 3


def test_sites_arms_and_time_points_are_found_by_code(small):
    assert small.site("UME").name == "Umeå"
    assert small.arm("ONC").label["en"] == "Oncology"
    assert small.timepoint("m03").months == 3
    assert small.baseline.code == "baseline"
    assert small.instruments == ("c30", "br23")
    for find in (small.site, small.arm, small.timepoint):
        with pytest.raises(KeyError):
            find("nowhere")


def test_study_ids_are_matched_as_a_whole(small):
    assert small.accepts_id("UME-001")
    assert not small.accepts_id("UME-0011")
    assert not small.accepts_id("xUME-001")


def test_the_content_hash_follows_what_is_said_and_not_how(small_text):
    said = tomllib.loads(small_text)
    first = Study.of(said).content_hash
    assert Study.of(tomllib.loads("# a remark\n" + small_text)).content_hash == first
    assert Study.of(dict(reversed(said.items()))).content_hash == first
    assert Study.of({**said, "number": "2"}).content_hash != first
    assert Study.of(tomllib.loads(small_text.replace("Ring oss", "Ring gärna"))).content_hash != first


def test_a_time_point_of_one_arm_is_for_that_arm_and_for_those_not_yet_randomised(small):
    assert [small.timepoint("op1").is_for(arm) for arm in ("SURG", None, "ONC")] == [True, True, False]
    assert small.timepoint("m03").is_for("ONC")


def test_a_changed_copy_knows_nothing_of_what_the_original_had_worked_out(small):
    before = small.site("UME"), small.content_hash, small.timepoints_by_code
    sites = tuple(site.model_copy(update={"name": "Elsewhere"}) for site in small.sites)
    copied = small.model_copy(update={"sites": sites, "timepoints": small.timepoints[:1]})
    assert copied.site("UME").name == "Elsewhere"
    assert list(copied.timepoints_by_code) == ["baseline"]
    assert (small.site("UME"), small.content_hash, small.timepoints_by_code) == before
