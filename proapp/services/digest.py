"""Messages to staff: on Mondays the week's list for those who want it, and to investigators what the reminder plan
passes on to them. Counts and study ids only; whoever has nothing to do gets nothing.

Queued once a day from seven in the morning at the site, by whichever tick comes first; a day on which nothing ticked is
made up for. The text is made when the message leaves, from the facts of that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Installation, Message, StaffSite, StaffUser
from proapp.services import audit, cohort, follow_up, messages
from proapp.services.audit import WORKER, Actor, Entry
from proapp.services.digest_words import LINES, words
from proapp.services.follow_up import CALLS, CLOSING, REASONS, WISHES, Work
from proapp.services.sessions import ALL_SITES
from proapp.services.work_cases import may_contact, step_due
from proapp.study.model import Study
from proapp.study.steps import local_instant
from proapp.study.texts import Text
from proapp.study.versions import versions

ROLES = frozenset({"nurse", "investigator", "coordinator", "monitor"})  # who has a worklist
AT = time(7)
TOLD = ("queued", "sending", "sent", "delivered", "possibly_sent")
USEFUL = timedelta(hours=36)
MARK = "digest:"  # Installation digest:<zone> holds the day that was last done there
MOST_IDS = 40  # in a line; the rest is told by its count


@dataclass(frozen=True, slots=True)
class Reader:
    """A member of staff who may get a message. `sites` None: all."""

    user_id: int
    role: str
    language: str
    wants_digest: bool
    sites: frozenset[str] | None

    def zone(self, study: Study) -> ZoneInfo:
        """That of the first of the sites."""
        return study.zone(min(self.sites)) if self.sites else study.zone()


@dataclass(frozen=True, slots=True)
class Escalated:
    """An assessment that the plan passes on to the investigator, since `due_at`."""

    study_id: str
    site_code: str
    timepoint: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message to queue."""

    kind: str
    user_id: int
    day: date
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """What a tick found to do: messages, and the zones for which the day is done with them."""

    wanted: tuple[Wanted, ...] = ()
    days: Mapping[str, date] = field(default_factory=dict)


def look(session: Session, *, study: Study, now: datetime) -> Look:
    """What is to be queued at `now`; writes nothing. One statement on any tick but the first after seven."""
    done = _done(session)
    due = _due(study, done, now)
    if not due:
        return Look()
    asked = _Asked(session, study, now)
    there = [(reader, reader.zone(study).key) for reader in readers(session)]
    found = (asked.wanted(reader, done.get(zone)) for reader, zone in there if zone in due)
    return Look(
        tuple(one for one in found if one is not None), {key: local_date(now, zone) for key, zone in due.items()}
    )


def queue(session: Session, found: Look, *, now: datetime, actor: Actor = WORKER) -> int:
    """Queue what was found; returns how many messages are new. Running it twice, or twice at once, queues nothing
    twice."""
    queued = [
        messages.queue(
            session,
            key=f"{one.kind}:{one.user_id}:{one.day}",
            kind=one.kind,
            channel="email",
            due_at=one.due_at,
            not_after=one.due_at + USEFUL,
            user_id=one.user_id,
            actor=actor,
            now=now,
        )
        for one in found.wanted
    ]
    for zone, day in found.days.items():
        _mark(session, zone, day)
    return sum(message_id is not None for message_id in queued)


def queue_digests(session: Session, *, study: Study, now: datetime, actor: Actor = WORKER) -> int:
    """`look` and `queue` in one go; the caller commits."""
    found = look(session, study=study, now=now)
    return queue(session, found, now=now, actor=actor) if found.days else 0


def readers(session: Session, user_id: int | None = None) -> list[Reader]:
    """Everybody with a worklist who may sign in, or that one of them. Two statements."""
    users = select(StaffUser).where(StaffUser.suspended_at.is_(None), StaffUser.role.in_(sorted(ROLES)))
    if user_id is not None:
        users = users.where(StaffUser.id == user_id)
    sites: dict[int, set[str]] = {}
    for owner, site in session.execute(select(StaffSite.user_id, StaffSite.site_code)):
        sites.setdefault(owner, set()).add(site)
    return [
        Reader(user.id, user.role, user.language, user.wants_digest, _sites(user.role, sites.get(user.id, set())))
        for user in session.scalars(users.order_by(StaffUser.id))
    ]


def choose(session: Session, *, user_id: int, wants: bool, actor: Actor, now: datetime) -> None:
    """Switch the Monday message on or off for oneself; saying the same twice writes nothing."""
    user = session.get(StaffUser, user_id, with_for_update=True)
    if user is None or user.wants_digest == wants:
        return
    user.wants_digest = wants
    session.flush()
    entry = Entry("user.digest", "staff_user", user_id, {"old": {"on": not wants}, "new": {"on": wants}})
    audit.record(session, entry, actor=actor, now=now)


def render_digest(
    session: Session, *, user_id: int, due_at: datetime, now: datetime, study: Study, base_url: str
) -> Text | None:
    """The Monday message as it is true at `now`, in the reader's language; None if all its counts are zero."""
    reader = next(iter(readers(session, user_id)), None)
    return None if reader is None else _text(session, reader, study=study, base_url=base_url, now=now, whole=True)


def render_escalation(
    session: Session, *, user_id: int, due_at: datetime, now: datetime, study: Study, base_url: str
) -> Text | None:
    """What is passed on to an investigator, as it is true at `now`; None if nothing is any more."""
    reader = next(iter(readers(session, user_id)), None)
    return None if reader is None else _text(session, reader, study=study, base_url=base_url, now=now, whole=False)


def escalated(session: Session, *, study: Study, sites: frozenset[str] | None, now: datetime) -> list[Escalated]:
    """Every assessment of `sites` with a step for the investigator that has come, the longest due first."""
    points = (timepoint for version in versions(study) for timepoint in version.timepoints)
    if not any(step.channel == "digest" for timepoint in points for step in timepoint.reminders):
        return []
    today = local_date(now, study.zone())
    found = []
    for one in cohort.load(session, study=study, sites=sites, today=today).assessments():
        due_at = step_due(one, "digest", study=study, now=now)
        if due_at is not None and may_contact(one.member, today):
            found.append(Escalated(one.member.study_id, one.member.site_code, one.timepoint, due_at))
    return sorted(found, key=lambda one: (one.due_at, one.study_id))


# --- queueing -------------------------------------------------------------------------------------------------------


class _Asked:
    """Who is to get what; a worklist that several readers share is made once."""

    def __init__(self, session: Session, study: Study, now: datetime) -> None:
        self.session, self.study, self.now = session, study, now
        self.totals: dict[frozenset[str] | None, int] = {}

    def wanted(self, reader: Reader, last_done: date | None) -> Wanted | None:
        zone = reader.zone(self.study)
        today = local_date(self.now, zone)
        passed_on: list[Escalated] = []
        if reader.role == "investigator":
            passed_on = escalated(self.session, study=self.study, sites=reader.sites, now=self.now)
        kind = None
        if reader.wants_digest and _had_a_monday(last_done, today) and (passed_on or self._total(reader) > 0):
            kind = "digest"
        elif passed_on and any(one.due_at > self._told_at(reader) for one in passed_on):
            kind = "escalation"
        return Wanted(kind, reader.user_id, today, local_instant(today, AT, zone)) if kind else None

    def _total(self, reader: Reader) -> int:
        if reader.sites not in self.totals:
            found = follow_up.work(self.session, study=self.study, sites=reader.sites, now=self.now)
            self.totals[reader.sites] = found.total
        return self.totals[reader.sites]

    def _told_at(self, reader: Reader) -> datetime:
        """When the reader was last told, as far as a message left or is on its way: one that failed has told nobody.
        At first a week before the first of them, so that a new account is not told of years."""
        went = Message.state.in_(TOLD)
        row = self.session.execute(
            select(func.max(case((went, Message.queued_at))).label("told"), func.min(Message.queued_at).label("first"))
            .where(Message.user_id == reader.user_id, Message.kind.in_(("digest", "escalation")))
        ).one()  # fmt: skip
        told: datetime | None = row.told
        return told or (row.first or self.now) - timedelta(days=7)


def _had_a_monday(last_done: date | None, today: date) -> bool:
    """Whether today is a Monday, or one has passed on which nothing ticked."""
    monday = today - timedelta(days=today.weekday())
    return monday == today or (last_done is not None and last_done < monday)


def _due(study: Study, done: Mapping[str, date], now: datetime) -> Mapping[str, ZoneInfo]:
    """The time zones, by name, in which today is still to be done."""
    zones = {zone.key: zone for zone in (study.zone(), *(study.zone(site.code) for site in study.sites))}
    return {key: zone for key, zone in zones.items() if _is_time(zone, done.get(key), now)}


def _is_time(zone: ZoneInfo, done: date | None, now: datetime) -> bool:
    local = now.astimezone(zone)
    return local.time() >= AT and done != local.date()  # a day to come was done by a clock that was wrong


def _done(session: Session) -> Mapping[str, date]:
    rows = session.execute(
        select(Installation.name, Installation.value).where(Installation.name.startswith(MARK, autoescape=True))
    )
    return {name.removeprefix(MARK): date.fromisoformat(value) for name, value in rows}


def _mark(session: Session, zone: str, day: date) -> None:
    """A note to ourselves, not a fact about the trial: it has no audit event."""
    name, value = f"{MARK}{zone}"[:40], day.isoformat()
    session.execute(update(Installation).where(Installation.name == name).values(value=value))
    if session.get(Installation, name) is None:
        try:
            with session.begin_nested():
                session.execute(insert(Installation).values(name=name, value=value))
        except IntegrityError:
            return  # another tick was first, a moment ago


def _sites(role: str, sites: set[str]) -> frozenset[str] | None:
    return None if role in ALL_SITES else frozenset(sites)


# --- the text -------------------------------------------------------------------------------------------------------


def _text(session: Session, reader: Reader, *, study: Study, base_url: str, now: datetime, whole: bool) -> Text | None:
    said = words(reader.language)
    passed_on = escalated(session, study=study, sites=reader.sites, now=now) if reader.role == "investigator" else []
    counted = list(_counted(session, reader, study=study, now=now)) if whole else []
    if not counted and not passed_on:
        return None
    parts = ["\n".join([said.greeting, *counted])] if counted else []
    if passed_on:
        parts.append(_line(said.escalated, list(dict.fromkeys(one.study_id for one in passed_on))))
    parts.append(said.look % {"address": f"{base_url}/staff/work"})
    if whole:
        parts.append(said.switch % {"address": f"{base_url}/staff/account"})
    subject = said.subject if whole else said.escalation_subject
    return Text(subject=subject, body="\n\n".join(parts) + "\n", units=None)


def _counted(session: Session, reader: Reader, *, study: Study, now: datetime) -> Iterator[str]:
    found = follow_up.work(session, study=study, sites=reader.sites, now=now)
    said = words(reader.language)
    for name in LINES:
        ids = _ids(found, name)
        if ids:
            yield _line(said.lines[name], ids)


def _ids(found: Work, name: str) -> Sequence[str]:
    wanted = {"calls": CALLS, "closing": CLOSING, "wishes": WISHES, "reasons": REASONS, "letters": "letter_due"}[name]
    return [row.member.study_id for row in found.rows if wanted in row.groups]


def _line(said: tuple[str, str], ids: Sequence[str]) -> str:
    one, several = said
    listed = ", ".join(ids[:MOST_IDS]) + (" …" if len(ids) > MOST_IDS else "")
    return (one if len(ids) == 1 else several) % {"n": len(ids), "ids": listed}
