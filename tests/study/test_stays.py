from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proapp.study.events import Event
from proapp.study.stays import Stay, site_on, stays


def at(day):
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def moved(number, day, old, new, *, recorded=None, supersedes=None):
    payload = {"from": old, "to": new}
    return Event(number, "site_transfer", date(2026, 1, day), at(recorded or day), supersedes, None, payload)


AWAY = moved(1, 10, "UME", "LUN")
ON = moved(2, 20, "LUN", "GOT", recorded=22)


def test_who_never_moved_was_always_where_they_are():
    assert stays([], site_now="UME") == (Stay("UME", date.min),)


def test_the_day_of_a_transfer_belongs_to_the_new_site():
    found = stays([AWAY], site_now="LUN")
    assert [site_on(found, date(2026, 1, day)) for day in (1, 9, 10, 11)] == ["UME", "UME", "LUN", "LUN"]


def test_a_day_that_is_not_known_is_the_last_sites():
    assert site_on(stays([AWAY, ON], site_now="GOT"), None) == "GOT"


def test_a_transfer_put_right_or_taken_back_is_not_one():
    earlier = moved(3, 5, "UME", "LUN", recorded=12, supersedes=1)
    assert stays([AWAY, earlier], site_now="LUN")[0] == Stay("UME", date.min, date(2026, 1, 5))
    back = Event(3, "revoked", date(2026, 1, 10), at(11), 1)
    assert stays([AWAY, back], site_now="UME") == (Stay("UME", date.min),)


@pytest.mark.parametrize(
    ("day", "known", "site"), [(9, 31, "UME"), (10, 31, "LUN"), (21, 21, "LUN"), (21, 22, "GOT"), (31, 9, "UME")]
)
def test_only_what_was_known_by_then_counts(day, known, site):
    found = stays([AWAY, ON], site_now="GOT", cut_off=date(2026, 1, day), known_at=at(known))
    assert found[-1].site == site


@given(st.permutations([AWAY, ON, moved(3, 25, "GOT", "UPP")]), st.integers(-3, 40))
def test_every_day_has_exactly_one_site_whatever_the_order_of_recording(events, days):
    found = stays(events, site_now="UPP")
    day = date(2026, 1, 1) + timedelta(days=days)
    assert sum(stay.holds(day) for stay in found) == 1
    assert found == stays(sorted(events), site_now="UPP")
