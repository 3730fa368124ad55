"""Whether everything runs: the clock ticks, what is due leaves, and what left arrives. Numbers only, nothing clinical.

The page for staff and the address that machines watch ask the same questions here, so that neither is rosier than the
other. Two statements (three before the first tick), whatever the number of messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import String, case, cast, func, literal, select, union_all
from sqlalchemy.orm import Session

from proapp.db.models import Installation, Message, SiteActivation, StudyVersion
from proapp.services.messages import ELECTRONIC
from proapp.services.reminding_search import day_begins, is_tried
from proapp.study.model import Study
from proapp.study.schedule import open_instant

Trouble = Literal[
    "tick_late",
    "queue_late",
    "gateway_failing",
    "nothing_sent",
    "no_gateway",
    "outcomes_unknown",
    "cap_reached",
    "activation_late",
]

TICK_LATE = timedelta(minutes=10)
QUEUE_LATE = timedelta(minutes=15)
FAILING_LATE = timedelta(hours=1)  # a message that was refused for so long is more than a passing fault
REFUSALS = 5  # a gateway that says no once or twice, as mail servers do to strangers, is none that fails
ACTIVATION_LATE = timedelta(minutes=10)  # the first tick after midnight begins with it
SILENCE = timedelta(hours=48)
UNKNOWN = 5  # so many possibly sent in a day are no accident: nobody sends them again by himself
RECENT = timedelta(hours=24)
RATE_OVER = timedelta(days=7)
ADDRESS_FAULTS = ("recipient_refused", "address_not_supported", "undeliverable", "no_contact")  # not the system's
BEGINS = "begins:"
WORKER = "worker:"  # a worker's sign of life: Installation worker:<name> holds the moment it last looked


@dataclass(frozen=True, slots=True)
class Health:
    """`states` counts messages by state; `oldest_waiting` is since when the first of those that may go now has waited,
    `oldest_retried` since when the first of those that a gateway refused is in the queue. `due` and `handed_over` are
    of the last 48 hours, and `oldest_unsent` is when the first of these that waits, was given up, or went perhaps, was
    due; `failed` and `unknown` (found possibly sent) are of the last 24 hours, `left` and `arrived` of the last 7 days.
    `tried_today` counts the messages to participants of the study's day, `cap` is the most that may be.

    `into_the_log` names the ways whose last message went to the gateway that sends nothing, though the trial is real.
    `not_begun` is (version, site, since when) of what should have begun at a site and has not.

    A message that failed because its address is wrong says nothing about the system: it is not in `due`, nor unsent.
    """

    now: datetime
    last_tick: datetime | None
    installed_at: datetime | None
    workers: Mapping[str, datetime]
    states: Mapping[str, int]
    oldest_waiting: datetime | None
    oldest_retried: datetime | None
    oldest_unsent: datetime | None
    last_handed_over: datetime | None
    due: int
    handed_over: int
    failed: int
    left: int
    arrived: int
    unknown: int
    tried_today: int
    cap: int
    into_the_log: Sequence[str] = ()
    not_begun: Sequence[tuple[str, str, datetime]] = ()

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What somebody has to look at; empty when all is well."""
        found: list[tuple[Trouble, bool]] = [
            ("tick_late", _far(self.last_tick or self.installed_at, TICK_LATE, self.now)),
            ("queue_late", _older(self.oldest_waiting, QUEUE_LATE, self.now)),
            ("gateway_failing", _older(self.oldest_retried, FAILING_LATE, self.now)),
            ("activation_late", any(_older(since, ACTIVATION_LATE, self.now) for _, _, since in self.not_begun)),
            ("nothing_sent", self.handed_over == 0 and _older(self.oldest_unsent, FAILING_LATE, self.now)),
            ("no_gateway", bool(self.into_the_log)),
            ("outcomes_unknown", self.unknown >= UNKNOWN),
            ("cap_reached", self.tried_today >= self.cap),
        ]
        return tuple(name for name, is_so in found if is_so)

    @property
    def delivery_rate(self) -> float | None:
        """Of the messages that left in the last 7 days, the part that is known to have arrived; None if none left."""
        return self.arrived / self.left if self.left else None


def health(session: Session, *, study: Study, now: datetime) -> Health:
    """How things stand at `now`. The study says when a day begins at a site."""
    told = {name: value for name, value in session.execute(_noted())}
    tick = _moment(told.get("last_tick"))
    rows = session.execute(_messages(now, midnight=day_begins(study, now))).all()
    return Health(
        now=now,
        last_tick=tick,
        installed_at=session.scalar(select(func.min(StudyVersion.recorded_at))) if tick is None else None,
        workers={
            name.removeprefix(WORKER): moment
            for name, value in sorted(told.items())
            if name.startswith(WORKER) and (moment := _moment(value)) is not None
        },
        states={row.state: int(row.number) for row in rows},
        oldest_waiting=_first(row.waiting for row in rows),
        oldest_retried=_first(row.retried for row in rows),
        oldest_unsent=_first(row.unsent for row in rows),
        last_handed_over=_last(row.handed_over_at for row in rows),
        due=sum(int(row.due) for row in rows),
        handed_over=sum(int(row.handed_over) for row in rows),
        failed=sum(int(row.failed) for row in rows),
        left=sum(int(row.left) for row in rows),
        arrived=sum(int(row.left) for row in rows if row.state == "delivered"),
        unknown=sum(int(row.unknown) for row in rows),
        tried_today=sum(int(row.tried_today) for row in rows),
        cap=study.follow_up.cap_study,
        into_the_log=() if told.get("kind") == "demo" else tuple(_into_the_log(rows, now)),
        not_begun=tuple(one for one in _beginnings(told, study) if one[2] <= now),
    )


def failures(session: Session, *, now: datetime) -> list[tuple[str, str, int]]:
    """(gateway, reason, number) of the messages that failed in the last 24 hours, and of those being tried again."""
    query = (
        select(Message.gateway, Message.state_reason, func.count())
        .where(
            Message.channel.in_(ELECTRONIC),
            ((Message.state == "failed") & (Message.settled_at >= now - RECENT))
            | ((Message.state == "queued") & (Message.attempts > 0)),
        )
        .group_by(Message.gateway, Message.state_reason)
        .order_by(func.count().desc(), Message.gateway, Message.state_reason)
    )
    return [(gateway or "", reason or "", int(number)) for gateway, reason, number in session.execute(query)]


def last_tick(session: Session) -> datetime | None:
    """When the clock last did its round; since when it could have, where it never did. One statement."""
    told = select(Installation.value).where(Installation.name == "last_tick").scalar_subquery()
    tick, installed_at = session.execute(select(told, func.min(StudyVersion.recorded_at))).one()
    return _moment(tick) or installed_at


def _noted() -> Any:
    """What the installation notes about itself and, in the same statement, which versions wait to begin at which sites
    (`begins:<site>:<version>` holds the day)."""
    place = literal(BEGINS) + SiteActivation.site_code + ":" + StudyVersion.number
    waiting = (
        select(place, cast(SiteActivation.active_from, String))
        .join(StudyVersion, StudyVersion.id == SiteActivation.version_id)
        .where(SiteActivation.applied_at.is_(None))
    )
    return union_all(select(Installation.name, Installation.value), waiting)


def _into_the_log(rows: Sequence[Any], now: datetime) -> Iterator[str]:
    """The ways on which the log was the last to take a message, lately: for a trial that is no gateway at all."""
    for channel in ELECTRONIC:
        logged, left = (_last(getattr(row, f"{channel}_{what}") for row in rows) for what in ("logged", "left"))
        if logged is not None and now - logged <= SILENCE and (left is None or logged > left):
            yield channel


def _beginnings(told: Mapping[str, str], study: Study) -> Iterator[tuple[str, str, datetime]]:
    """(version, site, from when on) of what waits to begin."""
    for name, day in sorted(told.items()):
        if name.startswith(BEGINS):
            site, _, number = name.removeprefix(BEGINS).partition(":")
            yield number, site, open_instant(date.fromisoformat(day), study.zone(site))


def _messages(now: datetime, *, midnight: datetime) -> Any:
    """Everything about the outbox, by state, in one pass. Letters are left out: they leave by hand."""
    waits, was_tried = Message.state == "queued", Message.attempts > 0
    since_silence = Message.due_at >= now - SILENCE
    perhaps = Message.state == "possibly_sent"
    unsent = (waits & (was_tried | (Message.next_try_at <= now))) | (Message.state == "failed") | perhaps
    lately = (Message.state == "failed") & (Message.settled_at >= now - RECENT)
    is_ours = (Message.state != "failed") | func.coalesce(Message.state_reason, "").not_in(ADDRESS_FAULTS)
    return (
        select(
            Message.state,
            func.count().label("number"),
            func.min(case((waits & ~was_tried & (Message.next_try_at <= now), Message.next_try_at))).label("waiting"),
            func.min(case((waits & (Message.attempts >= REFUSALS), Message.queued_at))).label("retried"),
            func.min(case((unsent & is_ours & since_silence, Message.due_at))).label("unsent"),
            func.max(Message.handed_over_at).label("handed_over_at"),
            _number((Message.state != "cancelled") & is_ours & since_silence & (Message.due_at <= now)).label("due"),
            _number(Message.handed_over_at >= now - SILENCE).label("handed_over"),
            _number(lately).label("failed"),
            _number(perhaps & (Message.settled_at >= now - RECENT)).label("unknown"),
            _number(is_tried(midnight)).label("tried_today"),
            _number(
                Message.state.in_(("sent", "delivered", "failed"))
                & (Message.handed_over_at.is_not(None))
                & (Message.handed_over_at >= now - RATE_OVER)
            ).label("left"),
            *(_last_to(channel, is_log=True).label(f"{channel}_logged") for channel in ELECTRONIC),
            *(_last_to(channel, is_log=False).label(f"{channel}_left") for channel in ELECTRONIC),
        )
        .where(Message.channel.in_(ELECTRONIC))
        .group_by(Message.state)
    )


def _last_to(channel: str, *, is_log: bool) -> Any:
    """When the log, or any other gateway, last took a message on that way."""
    to_it = (Message.gateway == "log") if is_log else (Message.gateway != "log")
    return func.max(case(((Message.channel == channel) & to_it, Message.handed_over_at)))


def _number(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


def _first(moments: Any) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _last(moments: Any) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _older(moment: datetime | None, limit: timedelta, now: datetime) -> bool:
    return moment is not None and now - moment > limit


def _far(moment: datetime | None, limit: timedelta, now: datetime) -> bool:
    """A moment to come says as little about now: the clock was wrong when it was noted."""
    return moment is not None and abs(now - moment) > limit
