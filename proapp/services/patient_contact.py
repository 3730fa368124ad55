"""A patient looks at the own contact details, says that they are right, and changes them.

Nobody's but the own: every function is told who the patient is by the session, never by an address. Before anything is
shown in full the PIN must have been given a moment ago; until then only enough is shown to recognise the own number,
since whoever finds an unused sheet could choose a PIN with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.orm import Session

from proapp.db.models import Contact, Participant
from proapp.services import audit, contacts, register
from proapp.services.audit import Actor, Entry
from proapp.services.contacts import ContactDetails
from proapp.services.sessions import Patient
from proapp.services.vault import Vault

Field = Literal["mobile", "email"]
NOTHING_KNOWN = ContactDetails("letter")
_DOT = "•"
_PREFIX, _SUFFIX = 3, 2  # digits of a number that are shown: 070-••• •• 05


@dataclass(frozen=True, slots=True)
class Own:
    """The patient's contact details; `confirmed_at` is when the patient last said that they are right."""

    details: ContactDetails
    confirmed_at: datetime | None


def read(session: Session, *, vault: Vault, who: Patient) -> Own:
    """What is recorded about reaching this patient; a letter and nothing else where nothing is."""
    row = session.get(Contact, who.participant_id)
    return Own(NOTHING_KNOWN, None) if row is None else Own(contacts.opened(vault, row), row.confirmed_at)


def is_confirmed(session: Session, who: Patient) -> bool:
    """Whether the patient has ever said that the details, as they are now, are right."""
    row = session.get(Contact, who.participant_id)
    return row is not None and row.confirmed_at is not None


def masked_mobile(mobile: str | None) -> str:
    """+46701740605 as 070-••• •• 05: enough to know one's own number, not enough to learn somebody's."""
    shown = contacts.written(mobile)
    places = [place for place, sign in enumerate(shown) if sign.isdigit()]
    hidden = set(places[_PREFIX:-_SUFFIX])
    return "".join(_DOT if place in hidden else sign for place, sign in enumerate(shown))


def masked_email(email: str | None) -> str:
    """anna.larsson@example.se as a•••@e•••.se; the whole domain may be a family's name."""
    if not email:
        return ""
    name, _, domain = email.rpartition("@")
    host, _, top = domain.rpartition(".")
    return f"{name[:1]}{_DOT * 3}@{host[:1]}{_DOT * 3}.{top}"


def set_field(
    session: Session, *, vault: Vault, who: Patient, field: Field, typed: str | None, actor: Actor, now: datetime
) -> tuple[str, ...]:
    """Put another number or address in the place of the recorded one; None or nothing takes it away.

    Where messages went to what is gone, they go another way that is left, in the end by letter. Returns the fields that
    changed. Raises Refused: mobile_invalid, mobile_landline, mobile_not_mobile, email_invalid.
    """
    parsed = contacts.parse_mobile(typed) if field == "mobile" else contacts.parse_email(typed)
    participant, row, before = _locked(session, vault, who)
    after = replace(before, mobile=parsed) if field == "mobile" else replace(before, email=parsed)
    return _save(session, vault, participant, row, before, _reachable(after), actor=actor, now=now)


def _reachable(details: ContactDetails) -> ContactDetails:
    """The same with a channel that leads somewhere."""
    if details.channel == "sms" and details.mobile is None:
        return replace(details, channel="email" if details.email else "letter")
    if details.channel == "email" and details.email is None:
        return replace(details, channel="sms" if details.mobile else "letter")
    return details


def choose_channel(
    session: Session, *, vault: Vault, who: Patient, channel: str, actor: Actor, now: datetime
) -> tuple[str, ...]:
    """How the patient wants to be reminded; the last step, so it also confirms what the steps before it showed.

    Raises Refused: channel_unknown, mobile_missing, email_missing.
    """
    participant, row, before = _locked(session, vault, who)
    after = contacts.checked(channel, before.mobile, before.email)
    return _save(session, vault, participant, row, before, after, actor=actor, now=now, confirm=True)


def change(
    session: Session,
    *,
    vault: Vault,
    who: Patient,
    channel: str,
    mobile: str | None,
    email: str | None,
    actor: Actor,
    now: datetime,
) -> tuple[str, ...]:
    """Replace all of it at once, from the page of one's own details; what stands there afterwards is confirmed.

    Returns the fields that changed. Raises Refused as contacts.checked does, but never says that somebody else has the
    number: who takes part is nobody's business.
    """
    details = contacts.checked(channel, mobile, email)
    participant, row, before = _locked(session, vault, who)
    return _save(session, vault, participant, row, before, details, actor=actor, now=now, confirm=True)


def _locked(session: Session, vault: Vault, who: Patient) -> tuple[Participant, Contact | None, ContactDetails]:
    participant = register.find(session, study_id=who.study_id, sites=None, lock=True)
    row = session.get(Contact, participant.id)
    return participant, row, NOTHING_KNOWN if row is None else contacts.opened(vault, row)


def _save(
    session: Session,
    vault: Vault,
    participant: Participant,
    row: Contact | None,
    before: ContactDetails,
    after: ContactDetails,
    *,
    actor: Actor,
    now: datetime,
    confirm: bool = False,
) -> tuple[str, ...]:
    """Write what differs, and that it is confirmed; nothing at all, and no event, when neither is news.

    Who says that an address is right after it was found wrong or out of reach is believed: it is tried again.
    """
    changed = contacts.differences(before, after)
    doubts = contacts.known_doubts(session, vault, row) if row is not None else {}
    doubted = confirm and bool(doubts)
    is_news = confirm and (row is None or row.confirmed_at is None or doubted)
    if not changed and not is_news:
        return ()
    kept = row or Contact(participant_id=participant.id)
    if changed or row is None or doubted:
        contacts.fill(kept, vault, after, actor, now, changed=changed, doubts={} if confirm else doubts)
    if confirm:
        kept.confirmed_at, kept.undeliverable_at, kept.undeliverable_reason = now, None, None
    session.add(kept)
    session.flush()
    told = contacts.change_told(before.channel, changed, {} if confirm else doubts)
    entry = _entry(session, vault, participant, after, changed, told, confirm=confirm)
    audit.record(session, entry, actor=actor, now=now, participant_id=participant.id, locked=True)
    return changed


def _entry(
    session: Session,
    vault: Vault,
    participant: Participant,
    after: ContactDetails,
    changed: tuple[str, ...],
    told: Mapping[str, Any],
    *,
    confirm: bool,
) -> Entry:
    """Which fields changed, never what is in them; staff see that a number is shared, the patient is not told."""
    if not changed:
        return Entry("contact.confirmed", "contact", participant.id, {}, site_code=participant.site_code)
    details: dict[str, object] = {**told, "confirmed": confirm}
    if "mobile" in changed and contacts.is_shared(session, vault, after.mobile, participant.id):
        details["shared_mobile"] = True
    return Entry("contact.changed", "contact", participant.id, details, site_code=participant.site_code)
