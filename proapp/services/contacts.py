"""How to reach a participant: kept apart from the research data and sealed, read only by those who have to call.

Values never leave through the audit trail or a log: what is recorded is which fields changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType
from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.db.models import Contact, Participant
from proapp.services import audit, contact_doubts, register
from proapp.services.audit import Actor, Entry
from proapp.services.contact_doubts import FIELDS, Doubt
from proapp.services.errors import NotFound, Refused
from proapp.services.vault import Vault

Channel = Literal["sms", "email", "letter"]
CHANNELS: tuple[Channel, ...] = ("sms", "email", "letter")
ROLES = frozenset({"nurse", "investigator", "coordinator"})
REGION = "SE"  # how a number without a country code is read
_EMAIL = re.compile(r"[^@\s<>()\",;:]{1,64}@(?:[^@\s<>()\",;:.]+\.)+[^@\s<>()\",;:.\d]{2,63}")
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """`mobile` in E.164 (+46701740605), `email` as given, and the channel the participant chose."""

    channel: str
    mobile: str | None = None
    email: str | None = None


NONE = ContactDetails("")  # nobody has recorded any


def checked(channel: str, mobile: str | None, email: str | None) -> ContactDetails:
    """The details as they are kept.

    Raises Refused: channel_unknown, mobile_invalid, mobile_landline, mobile_not_mobile, email_invalid, mobile_missing
    (the channel is sms), email_missing (the channel is email).
    """
    if channel not in CHANNELS:
        raise Refused("channel_unknown")
    details = ContactDetails(channel, parse_mobile(mobile), parse_email(email))
    if channel == "sms" and details.mobile is None:
        raise Refused("mobile_missing")
    if channel == "email" and details.email is None:
        raise Refused("email_missing")
    return details


def parse_mobile(typed: str | None) -> str | None:
    """What was typed as E.164, None for nothing. Raises Refused: mobile_invalid, mobile_landline, mobile_not_mobile."""
    text = (typed or "").strip()
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, REGION)
    except NumberParseException:
        raise Refused("mobile_invalid") from None  # the cause would quote the number
    if not phonenumbers.is_valid_number(number):
        raise Refused("mobile_invalid")
    kind = phonenumbers.number_type(number)
    if kind not in _MOBILE:
        raise Refused("mobile_landline" if kind == PhoneNumberType.FIXED_LINE else "mobile_not_mobile")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def parse_email(typed: str | None) -> str | None:
    """What was typed without surrounding space, None for nothing. Raises Refused: email_invalid.

    Only whether it can be an address is asked; whether it is the right one only a message can show.
    """
    address = (typed or "").strip()
    if not address:
        return None
    if len(address) > 254 or not _EMAIL.fullmatch(address) or ".." in address or not address.isprintable():
        raise Refused("email_invalid")
    return address


def written(mobile: str | None) -> str:
    """+46701740605 as people write it, 070-174 06 05; numbers from elsewhere with their country code."""
    if not mobile:
        return ""
    number = phonenumbers.parse(mobile)
    home = number.country_code == phonenumbers.country_code_for_region(REGION)
    return phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL)


def read(
    session: Session, *, vault: Vault, study_id: str, sites: frozenset[str] | None, actor: Actor
) -> ContactDetails:
    """A participant's contact details, NONE where none were ever recorded.

    Raises NotFound, also for whoever has no business with contact data.
    """
    require_role(actor)
    participant = register.find(session, study_id=study_id, sites=sites)
    row = session.get(Contact, participant.id)
    return NONE if row is None else opened(vault, row)


def require_role(actor: Actor) -> None:
    """Raise NotFound unless this is the system itself or somebody who has to reach participants."""
    if actor.kind != "system" and actor.role not in ROLES:
        raise NotFound("contact")


def add(
    session: Session,
    *,
    vault: Vault,
    participant: Participant,
    details: ContactDetails,
    allow_shared_mobile_reason: str | None,
    actor: Actor,
    now: datetime,
) -> Entry:
    """Keep the details of a participant who has none yet. Returns the audit entry for the caller to record.

    Raises Refused: mobile_in_use, unless a reason is given; reason_too_long.
    """
    reason = _shared_mobile(session, vault, details.mobile, participant.id, allow_shared_mobile_reason)
    row = Contact(participant_id=participant.id)
    fill(row, vault, details, actor, now)
    session.add(row)
    session.flush()
    given = [name for name, value in asdict(details).items() if value is not None]
    return Entry("contact.recorded", "contact", participant.id, {"fields": given}, reason, participant.site_code)


def change(
    session: Session,
    *,
    vault: Vault,
    study_id: str,
    sites: frozenset[str] | None,
    channel: str,
    mobile: str | None,
    email: str | None,
    actor: Actor,
    now: datetime,
    allow_shared_mobile_reason: str | None = None,
) -> tuple[str, ...]:
    """Replace the details, or record the first; returns the names of the fields that changed, and writes nothing when
    none did.

    Raises NotFound, and Refused as `checked` and `add` do.
    """
    require_role(actor)
    participant = register.find(session, study_id=study_id, sites=sites, lock=True)
    details = checked(channel, mobile, email)
    row = session.get(Contact, participant.id)
    if row is None:
        entry = add(
            session, vault=vault, participant=participant, details=details,
            allow_shared_mobile_reason=allow_shared_mobile_reason, actor=actor, now=now,
        )  # fmt: skip
        audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
        return differences(NONE, details)
    changed = differences(opened(vault, row), details)
    if not changed:
        return ()
    reason = None
    if "mobile" in changed:
        reason = _shared_mobile(session, vault, details.mobile, participant.id, allow_shared_mobile_reason)
    before, doubts = row.channel, known_doubts(session, vault, row)
    fill(row, vault, details, actor, now, changed=changed, doubts=doubts)
    session.flush()
    told = change_told(before, changed, doubts)
    entry = Entry("contact.changed", "contact", participant.id, told, reason, participant.site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    return changed


def reseal_all(session: Session, *, vault: Vault, actor: Actor, now: datetime) -> int:
    """Seal every row anew that is not under the newest key; returns how many. Afterwards the old keys can be destroyed.

    May be interrupted and repeated: rows already under the newest key are left alone. Raises vault.CannotOpen.
    """
    rows = session.execute(
        select(Contact.participant_id, Contact.sealed, Participant.site_code)
        .join(Participant)
        .order_by(Contact.participant_id)
    ).all()
    done = 0
    for participant_id, sealed, site_code in rows:
        if not vault.is_newest(sealed):
            done += _reseal(session, vault, participant_id, site_code, actor, now)
    return done


def _reseal(session: Session, vault: Vault, participant_id: int, site_code: str, actor: Actor, now: datetime) -> bool:
    """Behind the participant's lock, from what is in the row then: a number that somebody has just changed stays."""
    session.execute(select(Participant.id).where(Participant.id == participant_id).with_for_update(key_share=True))
    row = session.get_one(Contact, participant_id, populate_existing=True)
    if vault.is_newest(row.sealed):
        return False
    row.sealed = vault.seal(_plain(vault, row), bound_to=_place(participant_id))
    session.flush()
    entry = Entry("contact.resealed", "contact", participant_id, {}, site_code=site_code)
    audit.record(session, entry, actor=actor, now=now, participant_id=participant_id, locked=True)
    return True


def differences(before: ContactDetails, after: ContactDetails) -> tuple[str, ...]:
    """The names of the fields that are not the same."""
    old, new = asdict(before), asdict(after)
    return tuple(name for name in new if new[name] != old[name])


def _shared_mobile(
    session: Session, vault: Vault, mobile: str | None, participant_id: int, reason: str | None
) -> str | None:
    """The reason for sharing, None when the number is nobody else's. Whose is not said: perhaps another site's."""
    if not is_shared(session, vault, mobile, participant_id):
        return None
    given = register.optional_reason(reason)
    if given is None:
        raise Refused("mobile_in_use")
    return given


def is_shared(session: Session, vault: Vault, mobile: str | None, participant_id: int) -> bool:
    """Whether somebody else of the study has the same number."""
    if mobile is None:
        return False
    others = select(Contact.participant_id).where(
        Contact.mobile_index == _mobile_index(vault, mobile), Contact.participant_id != participant_id
    )
    return session.scalar(others.limit(1)) is not None


def fill(
    row: Contact,
    vault: Vault,
    details: ContactDetails,
    actor: Actor,
    now: datetime,
    *,
    changed: tuple[str, ...] = (),
    doubts: Mapping[str, Doubt] = MappingProxyType({}),
) -> None:
    """Put the details into the row. What is known of an address goes with it and with no other: `doubts` about one that
    was not changed go on, and what was shown of the way that was chosen holds while it leads to the same address."""
    kept = {field: doubt for field, doubt in doubts.items() if field not in changed}
    used = FIELDS.get(details.channel, "")
    if changed:
        about = kept.get(used)
        row.undeliverable_at, row.undeliverable_reason = about or (None, None)
    if "channel" in changed or used in changed:
        row.verified_at = None
    row.sealed = _sealed(vault, row.participant_id, details, kept)
    row.channel = details.channel
    row.mobile_index = _mobile_index(vault, details.mobile) if details.mobile else None
    row.updated_at = now
    row.updated_by_id = actor.id if actor.kind == "staff" else None
    if "mobile" in changed or "email" in changed:
        row.confirmed_at = None


def known_doubts(session: Session, vault: Vault, row: Contact) -> dict[str, Doubt]:
    """What stands against each of the addresses in the row. Raises vault.CannotOpen."""
    return contact_doubts.known(session, row, _plain(vault, row))


def change_told(channel_before: str, changed: tuple[str, ...], doubts: Mapping[str, Doubt]) -> dict[str, Any]:
    """What the trail says of a change: which fields, the way that was used until then, and of which addresses what is
    known against them goes on. Never a number or an address."""
    told: dict[str, Any] = {"fields": changed}
    if "channel" in changed:
        told["was"] = channel_before
    kept = sorted(field for field in doubts if field not in changed)
    return {**told, "doubted": kept} if kept else told


def _mobile_index(vault: Vault, mobile: str) -> str:
    return vault.keyed_hash("mobile", mobile)


def _sealed(vault: Vault, participant_id: int, details: ContactDetails, doubts: Mapping[str, Doubt]) -> bytes:
    plain = {"mobile": details.mobile, "email": details.email, **contact_doubts.to_seal(doubts)}
    return vault.seal(plain, bound_to=_place(participant_id))


def opened(vault: Vault, row: Contact) -> ContactDetails:
    """What is in the row. Raises vault.CannotOpen."""
    plain = _plain(vault, row)
    return ContactDetails(row.channel, plain["mobile"], plain["email"])


def _plain(vault: Vault, row: Contact) -> dict[str, Any]:
    return vault.open(row.sealed, bound_to=_place(row.participant_id))


def _place(participant_id: int) -> str:
    return f"contact:{participant_id}"
