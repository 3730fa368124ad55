"""At which clinic a participant was on which day. A transfer is an event; its day belongs to the new site."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from proapp.study.events import Event, in_force


class Stay(NamedTuple):
    """From `from_on` up to, but not including, `until_on` (None: still there)."""

    site: str
    from_on: date
    until_on: date | None = None

    def holds(self, day: date) -> bool:
        return self.from_on <= day and (self.until_on is None or day < self.until_on)


def stays(
    events: Iterable[Event], *, site_now: str, cut_off: date | None = None, known_at: datetime | None = None
) -> tuple[Stay, ...]:
    """The clinics of one participant in order of time; the first from the beginning of time on.

    `events` are all that were recorded, `site_now` is where somebody is who was never transferred. With `cut_off` or
    `known_at` only the transfers known by then count, so that the last stay is the one of that moment.
    """
    recorded = sorted((event for event in events if event.type in ("site_transfer", "revoked")), key=_recorded)
    first = next((str(event.payload["from"]) for event in recorded if event.type == "site_transfer"), site_now)
    known = in_force(recorded, cut_off=cut_off, known_at=known_at)
    transfers = [event for event in known if event.type == "site_transfer"]
    days = [event.effective_on for event in transfers]
    sites = [first, *(str(event.payload["to"]) for event in transfers)]
    return tuple(
        Stay(site, from_on, until_on)
        for site, from_on, until_on in zip(sites, (date.min, *days), (*days, None), strict=True)
    )


def _recorded(event: Event) -> int:
    return event.id


def site_on(found: tuple[Stay, ...], day: date | None) -> str:
    """The clinic responsible on `day`; the last one for a day that is not known."""
    for stay in found:
        if day is not None and stay.holds(day):
            return stay.site
    return found[-1].site
