"""The only reader of the system clock.

Everything else is told what time it is, so that any hour of a trial's life can be replayed and tested. A demonstration
may live on another day: its clock runs at normal speed from the same time of that day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def shifted_clock(today: date, zone: ZoneInfo) -> Clock:
    """A clock that runs at normal speed but whose local date, at this moment, is `today`."""
    shift = timedelta(days=(today - datetime.now(zone).date()).days)
    return lambda: datetime.now(UTC) + shift


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day on which `moment` (aware) falls in `zone`."""
    return moment.astimezone(zone).date()
