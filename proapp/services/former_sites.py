"""What a site still reads of participants who have moved to another one: what belongs to its own time, and no more.

An assessment belongs to the site that was responsible on its target date; contacts and events to the site where they
happened. What came later, a death for example, does not change what the former site is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.services import cohort, versions
from proapp.services.members import Cohort, Event, Expected, Member
from proapp.study import events as history
from proapp.study.model import Study
from proapp.study.schedule import open_instant
from proapp.study.status import state
from proapp.study.stays import Stay
from proapp.study.versions import numbered


def load(
    session: Session,
    *,
    study: Study,
    sites: frozenset[str] | None,
    today: date,
    study_id: str | None = None,
) -> Cohort:
    """Participants of `sites`, and those who have left one of them, cut down to their time there (`Member.periods`).

    As many statements as `cohort.load`.
    """
    found = cohort.load(session, study=study, sites=sites, today=today, study_id=study_id, former=True)
    study = versions.knowing(session, study, {one.protocol_version for one in found.assessments()})
    return Cohort(today, tuple(_as_seen_by(member, sites, study, today) for member in found.members))


def load_responsible(
    session: Session, *, study: Study, sites: frozenset[str] | None, today: date, cut_off: date
) -> Cohort:
    """Every assessment for which one of `sites` is responsible, with the whole history of its participant, so that
    what is counted for single sites adds up to what is counted for all."""
    found = cohort.load(session, study=study, sites=sites, today=today, cut_off=cut_off, former=True)
    if sites is not None:
        for member in found.members:
            member.assessments = [one for one in member.assessments if one.site_code in sites]
    return found


def ends_of(periods: Sequence[Stay], study: Study) -> list[tuple[datetime | None, datetime | None]]:
    """The instants between which something was done at a former site: (first, first that no longer is)."""
    return [
        (
            None if stay.from_on == date.min else open_instant(stay.from_on, study.zone(stay.site)),
            None if stay.until_on is None else open_instant(stay.until_on, study.zone(stay.site)),
        )
        for stay in periods
    ]


def _as_seen_by(member: Member, sites: frozenset[str] | None, study: Study, today: date) -> Member:
    if sites is None or member.site_code in sites:
        return member
    periods = tuple(stay for stay in member.stays if stay.site in sites)
    events = [event for event in (*member.events, *member.superseded) if _happened_in(event, periods)]
    plain = [event.plain() for event in events]
    seen = replace(
        member,
        language=_language_then(member, periods),
        channel=None,
        contact=None,
        activated_at=None,
        facts=history.participant_facts(plain),
        anchors=history.anchors(plain),
        events=tuple(event for event in member.events if event in events),
        superseded=tuple(event for event in member.superseded if event in events),
        assessments=[],
        attempts=[one for one in member.attempts if _in(periods, _day(study, periods)(one.at))],
        periods=periods,
    )
    seen.assessments = [_again(one, seen, study, today) for one in member.assessments if one.site_code in sites]
    return seen


def _language_then(member: Member, periods: Sequence[Stay]) -> str:
    every = [event.plain() for event in (*member.events, *member.superseded)]
    until = periods[-1].until_on if periods else None
    return history.language(every, member.language, cut_off=until - timedelta(days=1) if until else None)


def _happened_in(event: Event, periods: Sequence[Stay]) -> bool:
    """In the site's time; the transfer that ended it belongs to it as well."""
    return _in(periods, event.effective_on) or (
        event.type == "site_transfer" and any(stay.until_on == event.effective_on for stay in periods)
    )


def _in(periods: Sequence[Stay], day: date) -> bool:
    return any(stay.holds(day) for stay in periods)


def _day(study: Study, periods: Sequence[Stay]) -> Callable[[datetime], date]:
    zone = study.zone(periods[-1].site if periods else None)
    return lambda moment: local_date(moment, zone)


def _again(one: Expected, seen: Member, study: Study, today: date) -> Expected:
    """The assessment as the facts of the site's own time make it."""
    version = numbered(study, one.protocol_version)
    return replace(one, member=seen, state=state(one.facts, seen.facts, today=today, study=version))
