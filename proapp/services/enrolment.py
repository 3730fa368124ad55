"""How somebody becomes a participant, and is randomised: the two steps on which the whole plan of assessments rests.

What happens afterwards is in participant_events, event_corrections and patient_codes (the printed code); they are
offered here too, so that callers find the story of a participant behind one door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import cast

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from proapp.db.models import Assessment, Participant, ResponseSet
from proapp.services import audit, contact_check, contacts, planning, register, versions
from proapp.services.audit import Actor, Entry
from proapp.services.errors import NotFound, Refused
from proapp.services.event_corrections import revoke_event as revoke_event
from proapp.services.participant_events import append, check_date, check_not_ended
from proapp.services.participant_events import record_event as record_event
from proapp.services.patient_codes import issue_code as issue_code
from proapp.services.plan_changes import Move as Move
from proapp.services.vault import Vault
from proapp.study.events import Event, standing
from proapp.study.model import Site, Study
from proapp.study.schedule import Anchors, PlannedAssessment, is_clamped
from proapp.study.versions import chain, in_force, plan_in_force


@dataclass(frozen=True, slots=True)
class Window:
    """One line of the second look. `clamped`: the month is too short for the anchor's day, so its last day is taken."""

    planned: PlannedAssessment
    clamped: bool
    over: bool  # closed before today: nobody could be asked


def enrol(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    study_id: str,
    site_code: str,
    language: str,
    consent_on: date,
    channel: str | None,
    mobile: str | None,
    email: str | None,
    sites: frozenset[str] | None,
    actor: Actor,
    now: datetime,
    allow_shared_mobile_reason: str | None = None,
) -> int:
    """A new participant with contact, consent, plan and a first test message; returns the id (of the database).

    Without a `channel` no contact is recorded: a machine knows none, and the site is shown that it is missing.

    Raises NotFound for a site outside `sites` or unknown, and Refused: study_id_pattern(example),
    study_id_of_other_site(site), study_id_taken, site_not_open(site), date_in_future, language_not_offered, and what
    contacts.checked and contacts.add refuse.
    """
    if actor.kind != "machine" or channel is not None:
        contacts.require_role(actor)
    study_id = as_written(study, study_id)
    _check_enrolment(study, study_id, site_code, language, consent_on, sites, now)
    details = None if channel is None else contacts.checked(channel, mobile, email)
    participant = _add(session, study_id, site_code, language, actor, now)
    kept = []
    if details is not None:
        kept.append(
            contacts.add(
                session,
                vault=vault,
                participant=participant,
                details=details,
                allow_shared_mobile_reason=allow_shared_mobile_reason,
                actor=actor,
                now=now,
            )
        )
    _, consent = append(session, participant, type="pro_consent", effective_on=consent_on, actor=actor, now=now)
    enrolled = Entry(
        "participant.enrolled",
        "participant",
        participant.id,
        {"study_id": study_id, "site_code": site_code, "language": language},
        site_code=site_code,
    )
    audit.record(session, enrolled, *kept, consent, actor=actor, now=now, participant_id=participant.id, locked=True)
    planning.replan(session, study, participant.id, actor=actor, now=now)
    if details is not None:
        contact_check.at_enrolment(session, participant, channel=details.channel, actor=actor, now=now)
    return participant.id


def as_written(study: Study, typed: str) -> str:
    """The study id in the study's own letters: ume-001 is UME-001 where the study writes capitals."""
    return typed.strip().upper() if study.accepts_id(typed.strip().upper()) else typed.strip()


def _check_enrolment(
    study: Study,
    study_id: str,
    site_code: str,
    language: str,
    consent_on: date,
    sites: frozenset[str] | None,
    now: datetime,
) -> None:
    site = _site_in_scope(study, site_code, sites)
    check_study_id(study, study_id, site_code)
    if language not in study.languages:
        raise Refused("language_not_offered")
    if consent_on > register.today_at(study, site_code, now):
        raise Refused("date_in_future")
    if not is_open(site, consent_on):
        raise Refused("site_not_open", site=site.name)


def check_study_id(study: Study, typed: str, site_code: str) -> None:
    """Raises Refused: study_id_pattern(example), study_id_of_other_site(site). Whether it is free the database says."""
    study_id = as_written(study, typed)
    if not study.accepts_id(study_id):
        raise Refused("study_id_pattern", example=study.id_example or "")
    other = _site_named_in(study, study_id)
    if other is not None and other.code != site_code:
        raise Refused("study_id_of_other_site", site=other.name)


def _site_in_scope(study: Study, site_code: str, sites: frozenset[str] | None) -> Site:
    if sites is not None and site_code not in sites:
        raise NotFound(site_code)
    try:
        return study.site(site_code)
    except KeyError:
        raise NotFound(site_code) from None


def _site_named_in(study: Study, study_id: str) -> Site | None:
    """The site whose code the study id begins with (UME-001), where a study numbers its participants by site."""
    return next((site for site in study.sites if study_id.startswith(f"{site.code}-")), None)


def is_open(site: Site, day: date) -> bool:
    """Whether the site takes participants on `day`; a consent of that time may be registered later."""
    return (site.opened_on is None or site.opened_on <= day) and (site.closed_on is None or day <= site.closed_on)


def _add(session: Session, study_id: str, site_code: str, language: str, actor: Actor, now: datetime) -> Participant:
    """The participant's row. Two at once with the same number: one is refused, by the database's own constraint."""
    participant = Participant(
        study_id=study_id,
        site_code=site_code,
        language=language,
        enrolled_at=now,
        enrolled_by_id=actor.id if actor.kind == "staff" else None,
    )
    try:
        with session.begin_nested():
            session.add(participant)
    except IntegrityError:
        raise Refused("study_id_taken") from None
    return participant


def suggestions(session: Session, *, study: Study, sites: frozenset[str] | None) -> dict[str, str]:
    """By site code, the number after the highest in use there; nothing where a study does not number by site."""
    wanted = [site.code for site in study.sites if sites is None or site.code in sites]
    numbered = select(_numbered_at(study).label("site"), Participant.study_id).subquery()
    highest = session.execute(
        select(numbered.c.site, func.max(numbered.c.study_id)).where(numbered.c.site.in_(wanted)).group_by("site")
    )
    used = {site_code: study_id for site_code, study_id in highest}
    found = {code: _next_number(study, code, used.get(code)) for code in wanted}
    return {code: study_id for code, study_id in found.items() if study_id is not None}


def _numbered_at(study: Study) -> ColumnElement[str]:
    """The site whose number a participant has: of one who was transferred, not the one where they are now."""
    if _site_named_in(study, study.id_example or "") is None:
        return cast("ColumnElement[str]", Participant.site_code)
    begins = ((Participant.study_id.startswith(f"{site.code}-", autoescape=True), site.code) for site in study.sites)
    return case(*begins, else_=Participant.site_code)


def _next_number(study: Study, site_code: str, highest: str | None) -> str | None:
    sample = highest or study.id_example or ""
    prefix, dash, digits = sample.rpartition("-")
    if not dash or not digits.isascii() or not digits.isdigit():
        return None
    number = int(digits) + 1 if highest else 1
    candidate = f"{prefix if highest else site_code}-{number:0{len(digits)}}"
    return candidate if study.accepts_id(candidate) else None


def randomize(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    arm: str,
    randomized_on: date,
    randomized_time: time | None,
    actor: Actor,
    now: datetime,
    override_reason: str | None = None,
) -> int:
    """Record the randomisation, plan what follows from it; returns the event's id.

    Where the study requires it, a valid baseline must have been submitted before; `override_reason` lets it pass and is
    kept. Raises NotFound, and Refused as `check_randomization` does.
    """
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    reason = register.optional_reason(override_reason)
    ready = _check_randomization(session, study, participant, arm, randomized_on, randomized_time, reason, now)
    payload = {"arm": arm} if ready else {"arm": arm, "baseline_overridden": True}
    event, entry = append(
        session,
        participant,
        type="randomized",
        effective_on=randomized_on,
        effective_time=randomized_time,
        payload=payload,
        reason=None if ready else reason,
        actor=actor,
        now=now,
    )
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    planning.replan(session, study, participant.id, actor=actor, now=now)
    return event.id


def check_randomization(
    session: Session,
    *,
    study: Study,
    study_id: str,
    sites: frozenset[str] | None,
    arm: str,
    randomized_on: date,
    randomized_time: time | None,
    now: datetime,
    override_reason: str | None = None,
) -> tuple[Window, ...]:
    """The second look at a randomisation that would be accepted: its windows. Writes nothing.

    Raises NotFound, and Refused: already_randomized(effective_on, arm), arm_unknown, date_in_future,
    time_in_future, date_before_consent(consent_on), after_end(type, effective_on), baseline_missing, reason_too_long.
    """
    participant = register.find(session, study_id=study_id, sites=sites)
    reason = register.optional_reason(override_reason)
    _check_randomization(session, study, participant, arm, randomized_on, randomized_time, reason, now)
    consent = standing(planning.load_events(session, participant.id)).get("pro_consent")
    today = register.today_at(study, participant.site_code, now)
    study, consent_on = versions.current(session, study), consent.effective_on if consent else None
    return preview(study, consent_on, randomized_on, arm, today=today, site=participant.site_code)


def preview(
    study: Study, consent_on: date | None, randomized_on: date, arm: str | None, *, today: date, site: str = ""
) -> tuple[Window, ...]:
    """Every assessment as it would be planned at `site`, in the study's order. Pure."""
    return tuple(
        Window(
            planned,
            clamped=planned.anchor_on is not None
            and is_clamped(version.timepoint(planned.timepoint), planned.anchor_on),
            over=planned.late_until is not None and planned.late_until < today,
        )
        for planned, version, cancelled in plan_in_force(chain(study, site), Anchors(consent_on, randomized_on, arm))
        if cancelled is None
    )


def _check_randomization(
    session: Session,
    study: Study,
    participant: Participant,
    arm: str,
    randomized_on: date,
    randomized_time: time | None,
    override_reason: str | None,
    now: datetime,
) -> bool:
    """Whether the baseline is there (or not required); False when only the override lets it pass."""
    found = standing(planning.load_events(session, participant.id))
    _check_once(found)
    if arm not in {known.code for known in in_force(study, participant.site_code).arms}:
        raise Refused("arm_unknown")
    check_date(found, randomized_on, today=register.today_at(study, participant.site_code, now))
    local = now.astimezone(study.zone(participant.site_code))
    if randomized_time is not None and (randomized_on, randomized_time) > (local.date(), local.time()):
        raise Refused("time_in_future")
    check_not_ended(found, randomized_on)
    if not study.baseline_required or baseline_before(session, study, participant, randomized_on, randomized_time):
        return True
    if override_reason is None:
        raise Refused("baseline_missing")
    return False


def _check_once(found: Mapping[str, Event]) -> None:
    before = found.get("randomized")
    if before is not None:
        raise Refused("already_randomized", effective_on=before.effective_on, arm=before.arm)


def baseline_before(
    session: Session, study: Study, participant: Participant, day: date, at: time | None = None
) -> bool:
    """Whether a valid baseline was submitted before the randomisation on `day` (local), at `at` where that is known.

    On the same day the times decide if both are known; a baseline keyed on a later day has none of its own.
    """
    rows = session.execute(
        select(ResponseSet.completed_on, ResponseSet.submitted_at)
        .join(Assessment, Assessment.id == ResponseSet.assessment_id)
        .where(
            Assessment.participant_id == participant.id,
            Assessment.timepoint == study.baseline.code,
            ResponseSet.submitted_at.is_not(None),
            ResponseSet.void_reason.is_(None),
            ResponseSet.valid.is_(True),
        )
    )
    zone = study.zone(participant.site_code)
    return any(_came_before(row.completed_on, row.submitted_at.astimezone(zone), day, at) for row in rows)


def _came_before(completed_on: date | None, submitted: datetime, day: date, at: time | None) -> bool:
    if completed_on is None or completed_on != day:
        return completed_on is not None and completed_on < day
    return at is None or submitted.date() != day or submitted.time() <= at
