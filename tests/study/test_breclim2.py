"""The study that is shipped: what 2019's registry record leaves open is an example, and says so."""

from __future__ import annotations

import re
from datetime import time

from proapp.study.load import BRECLIM2

# Number series that the Swedish Post and Telecom Authority sets aside for fiction.
FICTIONAL = r"031-?3900[6]\d\d|040-?62804\d\d|08-?46500[4]\d\d|0980-?319[2]\d\d|070-?17406\d\d"


def test_seven_time_points_each_with_the_core_and_both_modules(breclim2):
    assert [timepoint.code for timepoint in breclim2.timepoints] == [
        "baseline",
        "m03",
        "m06",
        "m12",
        "m18",
        "m24",
        "m36",
    ]
    assert {timepoint.instruments for timepoint in breclim2.timepoints} == {("c30", "br23", "lmc21")}
    assert [timepoint.months for timepoint in breclim2.timepoints[1:]] == [3, 6, 12, 18, 24, 36]
    assert {timepoint.anchor for timepoint in breclim2.timepoints[1:]} == {"randomization"}


def test_six_sites_and_two_arms(breclim2):
    assert [site.name for site in breclim2.sites] == ["Umeå", "Göteborg", "Karolinska", "Linköping", "Lund", "Uppsala"]
    assert [arm.code for arm in breclim2.arms] == ["SURG", "ONC"]
    assert all(breclim2.accepts_id(f"{site.code}-001") for site in breclim2.sites)


def test_it_says_that_it_is_an_example(breclim2):
    assert breclim2.example
    assert breclim2.demo
    assert "example" in breclim2.note["en"]
    assert "exempel" in breclim2.note["sv"]
    assert "AN EXAMPLE, TO BE REPLACED" in BRECLIM2.read_text(encoding="utf-8")


def test_patients_are_told_whom_to_call(breclim2):
    for language in ("sv", "en"):
        assert "112" in breclim2.safety[language]
        assert "1177" in breclim2.safety[language]


def test_telephone_numbers_belong_to_nobody(breclim2):
    for site in breclim2.sites:
        digits = re.sub(r"[ ]", "", site.phone)
        assert re.fullmatch(FICTIONAL.replace("-?", "-"), digits), site.phone


def test_the_patient_is_reminded_first_then_the_nurse_rings_then_the_investigator_hears(breclim2):
    for timepoint in breclim2.timepoints[1:]:
        steps = [(reminder.channel, reminder.relative_to) for reminder in timepoint.reminders]
        assert [channel for channel, _ in steps] == ["message", "message", "task", "digest", "message"]
        assert steps[-1] == ("message", "closes")
    assert [reminder.key for reminder in breclim2.timepoint("m03").reminders] == [
        "opens+0",
        "target+3",
        "target+10",
        "closes-8",
        "closes-7",
    ]


def test_messages_go_when_the_clinic_answers_its_telephone(breclim2):
    policy = breclim2.follow_up
    assert policy.weekdays == ("mon", "tue", "wed", "thu", "fri")
    assert not policy.public_holidays
    assert [policy.is_quiet(time(hour)) for hour in (7, 8, 10, 19, 20, 0)] == [True, False, False, False, True, True]
