"""What must hold for every history of events that repeat, however they were recorded: generated, not chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from proapp.services.plan_changes import Stored, changes
from proapp.study.events import Event, anchors, earlier_days, in_force
from proapp.study.schedule import plan
from tests.following import following

STUDY = following()
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
FIRST = date(2025, 1, 1)
REPEATED = {"surgery": "op1", "progression": "prog"}
day = st.integers(0, 60).map(lambda number: FIRST + timedelta(days=number))


@dataclass(frozen=True)
class Happening:
    """What happened, as it was recorded: the day first written down, then each day it was corrected to; and whether it
    was taken back at last."""

    type: str
    days: tuple[date, ...]
    revoked: bool


happenings = st.lists(
    st.builds(
        Happening,
        st.sampled_from(sorted(REPEATED)),
        st.lists(day, min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    max_size=5,
    # Nobody records the same thing twice on one day.
    unique_by=lambda one: (one.type, one.days[-1]),
)


@st.composite
def recordings(draw, told):
    """The events of `told` in some order in which they can have been recorded: each correction after what it corrects."""
    waiting = [
        [(one.type, on) for on in one.days] + ([("revoked", one.days[-1])] if one.revoked else []) for one in told
    ]
    last: list[int | None] = [None for _ in waiting]
    events = [Event(1, "pro_consent", FIRST, NOW), Event(2, "randomized", FIRST, NOW, None, "SURG")]
    while any(waiting):
        which = draw(st.sampled_from([number for number, steps in enumerate(waiting) if steps]))
        type_, on = waiting[which].pop(0)
        events.append(Event(len(events) + 1, type_, on, NOW, last[which]))
        last[which] = len(events)
    return events


def replanned(stored: list[Stored], events: list[Event]) -> list[Stored]:
    table = {(row.timepoint, row.occurrence): row for row in stored}
    for change in changes(STUDY, stored, anchors(events), earlier_days(events)):
        key = (change.timepoint, change.occurrence)
        before = table.get(key)
        table[key] = Stored(
            before.id if before else len(table) + 1,
            *key,
            change.new,
            change.cancelled_reason,
            opened=before.opened if before else False,
            completed_on=None,
            version=STUDY.number,
        )
    return list(table.values())


def alive(stored: list[Stored]) -> set:
    return {(row.timepoint, row.occurrence, row.dates.target_on) for row in stored if row.cancelled_reason is None}


def wanted(events: list[Event]) -> set:
    return {(one.timepoint, one.occurrence, one.target_on) for one in plan(STUDY, anchors(events))}


@given(st.data(), happenings)
@settings(max_examples=150, deadline=None)
def test_the_plan_is_the_same_whatever_the_order_of_recording(data, told):
    events = data.draw(recordings(told))
    stored: list[Stored] = []
    for number in range(1, len(events) + 1):
        stored = replanned(stored, events[:number])
    assert alive(stored) == wanted(events)
    assert replanned(stored, events) == stored
    other = data.draw(recordings(told))
    assert alive(stored) == alive(replanned([], other))


@given(st.data(), happenings)
@settings(max_examples=150, deadline=None)
def test_what_is_begun_never_moves_and_every_event_has_one_assessment(data, told):
    events = data.draw(recordings(told))
    stored: list[Stored] = []
    for number in range(1, len(events) + 1):
        begun = {row.id: row for row in stored if row.opened and row.timepoint in REPEATED.values()}
        stored = replanned(stored, events[:number])
        assert {row.id: row for row in stored if row.id in begun} == begun
        dated = [row.id for row in stored if row.dates.target_on and row.timepoint in REPEATED.values()]
        opened = data.draw(st.sets(st.sampled_from(dated), max_size=1)) if dated else set()
        stored = [replace(row, opened=row.opened or row.id in opened) for row in stored]
    for type_, timepoint in REPEATED.items():
        standing = {event.effective_on for event in in_force(events) if event.type == type_}
        rows = [row for row in stored if row.timepoint == timepoint and row.cancelled_reason is None]
        free = [row.dates.anchor_on for row in rows if not row.opened and row.dates.anchor_on]
        kept = sum(row.opened for row in rows)
        assert len(free) == len(set(free))
        assert set(free) <= standing
        assert len(standing) <= len(free) + kept
        assert len({row.occurrence for row in rows}) == len(rows)
    assert replanned(stored, events) == stored
