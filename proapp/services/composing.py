"""A queued message made ready to go, or the reason why it does not: decided from the facts of this moment, in words
made from the study file of this moment. The address and the text live no longer than the sending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from proapp.clock import local_date
from proapp.db.models import Contact, PatientPin, StaffUser
from proapp.services import versions
from proapp.services.messages import ELECTRONIC
from proapp.services.reminding import unhurried
from proapp.services.reminding_facts import Case, cases, person
from proapp.services.reminding_search import tried_with_room
from proapp.services.vault import CannotOpen, Vault, token_hash
from proapp.study.follow_up import Decision, recheck, text_kind
from proapp.study.model import Study
from proapp.study.status import stop_of
from proapp.study.texts import Text, render
from proapp.study.versions import closed_on, followed, in_force

FOR_PARTICIPANTS = ("reminder", "remind_later", "test")
NEVER_THE_SAME = timedelta(microseconds=1)  # its own moment is not to be taken for that of another that has gone
WAITED_FOR = timedelta(hours=1)  # whoever asked for a test message has gone home by then
LONGEST_WAIT = timedelta(hours=1)  # until it is looked at again, where nobody knows when it may go
STOPPED = {"death": "died", "trial_withdrawal": "withdrawn", "pro_stop": "stopped"}
Way = Literal["sms", "email"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Ready to be handed over, and of use until `not_after`. Its repr names neither address nor text."""

    channel: Way
    to: str = field(repr=False)
    text: str = field(repr=False)
    subject: str | None = field(repr=False)
    units: int | None
    not_after: datetime | None
    link_hash: str | None = field(default=None, repr=False)


class Verdict(NamedTuple):
    """Why a message does not go: never (`until` is None), or not before `until`; `channel` is its way from now on."""

    reason: str
    until: datetime | None
    channel: str


class Composer(Protocol):
    """Makes the text of a message to staff when it is sent; None if there is nothing to say any more."""

    def __call__(
        self, session: Session, *, study: Study, user_id: int, due_at: datetime, now: datetime
    ) -> Text | None: ...


def prepare(
    session: Session,
    row: Any,
    *,
    study: Study,
    vault: Vault,
    base_url: str,
    composers: Mapping[str, Composer],
    now: datetime,
) -> Prepared | Verdict:
    """What becomes of the queued `row` (a message, of a participant with study_id, site_code and language) at `now`.

    The caller holds the row and its participant. Raises what a row or a key raises that nothing can be made of.
    """
    if row.participant_id is None:
        return _to_staff(session, row, study, composers, now)
    if row.assessment_id is None:
        return _test(session, row, study, vault, base_url, now)
    found = cases(session, study=study, vault=vault, assessment_ids=[row.assessment_id])
    decision = decided_again(session, row, found[row.assessment_id], study, now)
    if decision.reason == "no_contact":
        require_openable(session, row.participant_id, vault)
    if decision.verdict != "send":
        return _not_now(row, decision, now)
    if decision.via not in ELECTRONIC:
        return Verdict("chose_letter", now, decision.via or row.channel)  # stays queued, in the list of letters
    return _prepared(session, row, decision.via, text_kind(row.step), decision.not_after, study, vault, base_url)


def decided_again(session: Session, row: Any, case: Case, study: Study, now: datetime) -> Decision:
    """What the plan says about a queued `row` at `now`: send it, let it wait, or never (not)."""
    study = versions.knowing(session, study, [case.version])
    zone = study.zone(case.site_code)
    follows = followed(study, case.version, case.timepoint, site=case.site_code)
    mine = next(
        (one for one in case.subject.sent if (one.step, one.channel) == (row.step, row.channel)),
        None,
    )
    if follows is None or mine is None:
        return Decision(row.step, row.channel, None, None, None, "not", "not_in_policy")
    study, timepoint = follows
    if row.channel == "letter":  # it may lie in its list for longer than a message is of use, and no cap counts it
        study, sent_today = unhurried(study), 0
    else:
        sent_today = tried_with_room(session, study=study, now=now, cap=study.follow_up.cap_study)
    # For the cap of the day what has gone counts: two that were rightly queued together do not hold each other up.
    known = replace(case.subject, sent_to_participant=case.gone)
    alone = mine._replace(at=row.queued_at - NEVER_THE_SAME)
    return recheck(study, timepoint, known, alone, now=now, zone=zone, study_sent_today=sent_today)


def require_openable(session: Session, participant_id: int, vault: Vault) -> None:
    """Before it is said that there is no contact: a worker with the wrong keys must not cancel everything. Raises
    CannotOpen."""
    sealed = session.scalar(select(Contact.sealed).where(Contact.participant_id == participant_id))
    if sealed is not None:
        vault.open(sealed, bound_to=f"contact:{participant_id}")


def _not_now(row: Any, decision: Decision, now: datetime) -> Verdict:
    if decision.verdict != "wait":
        return Verdict(decision.reason, None, row.channel)
    until = decision.params.get("until")
    return Verdict(decision.reason, until if isinstance(until, datetime) else now + LONGEST_WAIT, row.channel)


def _test(session: Session, row: Any, study: Study, vault: Vault, base_url: str, now: datetime) -> Prepared | Verdict:
    """A test goes at once, whatever the hour and however many the participant has had: somebody is waiting for it. If
    nobody can be any more (an outage), not at night either. Never to who is not to be written to, nor beyond the most
    that the study sends in a day."""
    facts, reach = person(session, row.participant_id, vault=vault)
    today = local_date(now, study.zone(row.site_code))
    _, stop = stop_of(facts, today=today)
    paused = any(first <= today and (last is None or today <= last) for first, last in reach.pauses)
    way = reach.channel
    if stop is not None:
        return Verdict(STOPPED[stop], None, row.channel)
    if paused or reach.lost:
        return Verdict("paused" if paused else "lost", None, row.channel)
    no = closed_on(study, row.site_code, today) or ("wrong_number" if reach.wrong_number else None)
    if no is not None:
        return Verdict(no, None, row.channel)
    if row.not_after is not None and now >= row.not_after:
        return Verdict("too_late", None, row.channel)
    if way not in ELECTRONIC or not (reach.has_mobile if way == "sms" else reach.has_email):
        require_openable(session, row.participant_id, vault)
        return Verdict("no_contact", None, row.channel)
    local = now.astimezone(study.zone(row.site_code)).time()
    if now - row.queued_at > WAITED_FOR and study.follow_up.is_quiet(local):
        return Verdict("quiet_hours", now + LONGEST_WAIT, row.channel)
    cap = study.follow_up.cap_study
    if tried_with_room(session, study=study, now=now, cap=cap) >= cap:
        return Verdict("cap_study", now + LONGEST_WAIT, row.channel)
    return _prepared(session, row, way, "test", row.not_after, study, vault, base_url)


def _prepared(
    session: Session,
    row: Any,
    way: str,
    kind: Any,
    not_after: datetime | None,
    study: Study,
    vault: Vault,
    base_url: str,
) -> Prepared | Verdict:
    to = _address(session, row.participant_id, way, vault)
    if to is None:
        return Verdict("no_contact", None, row.channel)
    link, link_hash = (None, None) if kind == "test" else _link(session, row, to, study, vault, base_url)
    said = in_force(study, row.site_code)  # the words of an amendment are approved for the sites it names
    text = render(said, kind, language=row.language, channel=way, site=row.site_code, link=link)
    return Prepared(cast(Way, way), to, text.body, text.subject, text.units, not_after, link_hash)


def _address(session: Session, participant_id: int, way: str, vault: Vault) -> str | None:
    sealed = session.scalar(select(Contact.sealed).where(Contact.participant_id == participant_id))
    if sealed is None:
        return None
    try:
        found = vault.open(sealed, bound_to=f"contact:{participant_id}").get("mobile" if way == "sms" else "email")
    except CannotOpen:
        return None
    return str(found) if found else None


def _link(
    session: Session, row: Any, to: str, study: Study, vault: Vault, base_url: str
) -> tuple[str | None, str | None]:
    """The address that stands in the message, and the hash of the token in it. Who has not chosen a PIN yet is led to
    the start page: a personal link opens nothing without one.

    A message has one link for each number or address that it goes to: of one that perhaps went and is sent again the
    gateway may drop the second copy, and then the first must not be dead.
    """
    how = study.site(row.site_code).link
    if how == "none":
        return None, None
    chosen = select(PatientPin.participant_id).where(PatientPin.participant_id == row.participant_id)
    if how == "domain" or session.scalar(chosen) is None:
        return base_url, None
    token = vault.link_token_of(f"{row.key} to {to}")
    return f"{base_url}/l#{token}", token_hash(token)


def _to_staff(
    session: Session, row: Any, study: Study, composers: Mapping[str, Composer], now: datetime
) -> Prepared | Verdict:
    user = session.get(StaffUser, row.user_id)
    composer = composers.get(row.kind)
    if user is None or user.suspended_at is not None or composer is None:
        return Verdict("no_account" if composer else "no_text", None, row.channel)
    if row.not_after is not None and now >= row.not_after:
        return Verdict("too_late", None, row.channel)
    text = composer(session, study=study, user_id=user.id, due_at=row.due_at, now=now)
    if text is None:
        return Verdict("nothing_to_say", None, row.channel)
    return Prepared("email", user.email, text.body, text.subject, None, row.not_after)
