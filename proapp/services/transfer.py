"""A participant moves to another clinic. From the day of the transfer on the new site is responsible, and sees all; the
old one still reads what belongs to its own time, and writes nothing any more.

The event is the fact. The participant's site and the periods of former sites are rows that follow from the events, like
the plan, so that every list can be limited to a site in SQL (docs/decisions/0005-transfer.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import FormerSite, Participant
from proapp.services import audit, planning, register
from proapp.services.audit import Actor, Entry
from proapp.services.errors import Refused
from proapp.services.participant_events import append, check_date, check_not_ended
from proapp.study.events import Event, in_force, standing
from proapp.study.model import Study
from proapp.study.stays import Stay, stays

Period = tuple[str, date, date]  # site, first day, day on which the next site took over


def transfer(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    to: str,
    effective_on: date,
    note: str | None,
    actor: Actor,
    now: datetime,
) -> int:
    """The participant belongs to the site `to` from `effective_on` (today or earlier) on; returns the event's id.

    Phones stay signed in, and the plan stays as it is, unless the sites work by different versions of the study. Raises
    NotFound, and Refused as `check_transfer` does.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    _check(session, study, participant, to, effective_on, now)
    row, entry = append(
        session,
        participant,
        type="site_transfer",
        effective_on=effective_on,
        payload={"from": participant.site_code, "to": to},
        reason=register.optional_reason(note),
        actor=actor,
        now=now,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    settle(session, study, participant, actor=actor, now=now)
    planning.replan(session, study, participant.id, actor=actor, now=now)  # by the new site's version of the study
    return row.id


def check_transfer(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    to: str,
    effective_on: date,
    now: datetime,
) -> None:
    """Before the second look. Writes nothing. Raises NotFound, and Refused: site_unknown, same_site(site),
    site_not_open(site), date_in_future, date_before_consent(consent_on), after_end(type, effective_on), transfer_order.
    """
    participant = register.find(session, study_id=study_id, sites=sites)
    _check(session, study, participant, to, effective_on, now)


def _check(
    session: Session, study: Study, participant: Participant, to: str, effective_on: date, now: datetime
) -> None:
    site = next((one for one in study.sites if one.code == to), None)
    if site is None:
        raise Refused("site_unknown")
    if to == participant.site_code:
        raise Refused("same_site", site=site.name)
    events = planning.load_events(session, participant.id)
    found = standing(events)
    check_date(found, effective_on, today=register.today_at(study, participant.site_code, now))
    check_not_ended(found, effective_on)
    closed = site.closed_on is not None and site.closed_on < effective_on
    if closed or (site.opened_on is not None and effective_on < site.opened_on):
        raise Refused("site_not_open", site=site.name)
    before = _transfers(events)
    if before and effective_on <= before[-1].effective_on:
        raise Refused("transfer_order")


def check_last(events: Sequence[Event], event: Event) -> None:
    """Only the last transfer can be taken back: the next one began where it led. Raises Refused."""
    if _transfers(events)[-1].id != event.id:
        raise Refused("not_the_last_transfer")


def check_order(events: Sequence[Event], event: Event, new_date: date) -> None:
    """A corrected day keeps its place among the transfers. Raises Refused: transfer_order."""
    row = _transfers(events)
    place = [one.id for one in row].index(event.id)
    earlier, later = row[:place], row[place + 1 :]
    if (earlier and new_date <= earlier[-1].effective_on) or (later and new_date >= later[0].effective_on):
        raise Refused("transfer_order")


def _transfers(events: Sequence[Event]) -> list[Event]:
    return [event for event in in_force(events) if event.type == "site_transfer"]


def settle(session: Session, study: Study, participant: Participant, *, actor: Actor, now: datetime) -> None:
    """Bring the participant's site and the periods of former sites in step with the events. Twice is once."""
    events = planning.load_events(session, participant.id)
    found = stays(events, site_now=participant.site_code)
    entries = [*_move(session, participant, found[-1].site)]
    consent = standing(events).get("pro_consent")
    enrolled_on = register.today_at(study, found[0].site, participant.enrolled_at)
    begins = min(enrolled_on, consent.effective_on) if consent else enrolled_on
    entries += _keep_periods(session, participant, _periods(found, begins))
    audit.record(session, *entries, actor=actor, now=now, participant_id=participant.id, locked=True)


def _periods(found: Sequence[Stay], begins: date) -> list[Period]:
    return [(stay.site, max(stay.from_on, begins), stay.until_on) for stay in found if stay.until_on is not None]


def _move(session: Session, participant: Participant, site: str) -> list[Entry]:
    before = participant.site_code
    if site == before:
        return []
    participant.site_code = site
    session.flush()
    details = {"old": {"site_code": before}, "new": {"site_code": site}}
    return [Entry("participant.changed", "participant", participant.id, details, site_code=before)]


def _keep_periods(session: Session, participant: Participant, wanted: Sequence[Period]) -> list[Entry]:
    """The rows are few, and those that stay keep their place in time; the last ones go or are added."""
    query = select(FormerSite).where(FormerSite.participant_id == participant.id).order_by(FormerSite.id)
    rows = list(session.scalars(query))
    entries = []
    for row, period in zip(rows, wanted, strict=False):
        if _period(row) != period:
            before = _period(row)
            row.site_code, row.from_on, row.until_on = period
            session.flush()
            entries.append(_entry("former_site.changed", row.id, period[0], old=before, new=period))
    for row in rows[len(wanted) :]:
        session.delete(row)
        session.flush()
        entries.append(_entry("former_site.removed", row.id, row.site_code, old=_period(row)))
    for period in wanted[len(rows) :]:
        site, from_on, until_on = period
        row = FormerSite(participant_id=participant.id, site_code=site, from_on=from_on, until_on=until_on)
        session.add(row)
        session.flush()
        entries.append(_entry("former_site.recorded", row.id, site, new=period))
    return entries


def _period(row: FormerSite) -> Period:
    return row.site_code, row.from_on, row.until_on


def _entry(action: str, row_id: int, site: str, *, old: Period | None = None, new: Period | None = None) -> Entry:
    told = {"old": old, "new": new}
    details = {name: _details(period) for name, period in told.items() if period is not None}
    return Entry(action, "former_site", row_id, details, site_code=site)


def _details(period: Period) -> dict[str, object]:
    return dict(zip(("site_code", "from_on", "until_on"), period, strict=True))
