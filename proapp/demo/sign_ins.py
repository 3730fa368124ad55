"""Who can sign in to the demonstration, and with what, as it stands now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

import pyotp
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import ActivationCode, StaffUser
from proapp.demo import people
from proapp.runtime import Runtime
from proapp.services import cohort
from proapp.services.accounts import normal_email
from proapp.services.cohort import Member
from proapp.services.errors import NotFound
from proapp.services.patient_codes import LOOKUP
from proapp.services.staff_sign_in import TOTP_SECONDS
from proapp.services.vault import grouped
from proapp.study.status import is_waiting


@dataclass(frozen=True, slots=True)
class PatientSignIn:
    """`pin` is None for somebody who has not chosen one yet."""

    study_id: str
    link: str
    code: str
    pin: str | None


@dataclass(frozen=True, slots=True)
class StaffSignIn:
    name: str
    role: str
    site: str | None
    email: str
    secret: str
    code: str


def patients(session: Session, runtime: Runtime, *, seed: int, now: datetime) -> Iterator[PatientSignIn]:
    """One who has a questionnaire to answer, and one whose sheet was just printed; at the first site if possible."""
    today = local_date(now, runtime.study.zone())
    everybody = cohort.load(session, study=runtime.study, sites=None, today=today).members
    first = runtime.study.sites[0].code
    crowd = sorted(everybody, key=lambda one: (one.site_code != first, one.language != "sv", _distance(one, today)))
    open_now = (member for member in crowd if member.activated_at and _has_open(member))
    printed = (member for member in crowd if not member.activated_at and _may_start(member))
    for wanted in (open_now, printed):
        for member in wanted:
            code = _code(session, runtime, member, seed, now)
            if code is not None:
                link = f"{runtime.settings.base_url}/a#{grouped(code)}"
                pin = people.PIN if member.activated_at else None
                yield PatientSignIn(member.study_id, link, grouped(code), pin)
                break


def _has_open(member: Member) -> bool:
    """A questionnaire nobody has begun, after the baseline: a whole journey lies ahead."""
    return any(is_waiting(one.state) and one.state.collection == "NONE" for one in member.assessments[1:])


def _distance(member: Member, today: date) -> int:
    """Days between today and the nearest target date of a window that is open; many where none is."""
    targets = [one.facts.target_on for one in member.assessments if is_waiting(one.state)]
    return min((abs((target - today).days) for target in targets if target), default=9999)


def _may_start(member: Member) -> bool:
    return any(is_waiting(one.state) for one in member.assessments)


def _code(session: Session, runtime: Runtime, member: Member, seed: int, now: datetime) -> str | None:
    """The code of the newest sheet, if it still opens the door."""
    row = session.scalars(
        select(ActivationCode)
        .where(ActivationCode.participant_id == member.id, ActivationCode.revoked_at.is_(None))
        .order_by(ActivationCode.id.desc())
        .limit(1)
    ).first()
    if row is None or (row.used_at is None and row.expires_at <= now):
        return None
    sheets = (people.code_of(seed, member.study_id, sheet) for sheet in (1, 2))
    return next((code for code in sheets if runtime.vault.lookup(LOOKUP, code) == row.lookup), None)


def staff(session: Session, runtime: Runtime, *, now: datetime) -> Iterator[StaffSignIn]:
    for member in people.printed(people.staff(runtime.study)):
        secret = _secret(session, runtime, member.email)
        site = runtime.study.site(member.sites[0]).name if member.sites else None
        code = pyotp.TOTP(secret).at(now)
        yield StaffSignIn(member.name, member.role, site, member.email, secret, code)


def one_time_code(session: Session, runtime: Runtime, *, email: str, now: datetime) -> str:
    """The number an authenticator would show now. Raises NotFound."""
    return pyotp.TOTP(_secret(session, runtime, normal_email(email))).at(now)


def _secret(session: Session, runtime: Runtime, email: str) -> str:
    user = session.scalars(select(StaffUser).where(StaffUser.email == email)).first()
    if user is None or user.totp_sealed is None:
        raise NotFound(email)
    return str(runtime.vault.open(user.totp_sealed, bound_to=f"totp:{user.id}")["secret"])


def forget_future_steps(session: Session, *, now: datetime) -> None:
    """A demonstration of another day begins that day anew at each start; numbers spent later that day count again."""
    current = int(now.timestamp()) // TOTP_SECONDS
    session.execute(update(StaffUser).where(StaffUser.totp_last_step > current).values(totp_last_step=current - 2))
