"""What the reminder plan wants now becomes rows of the outbox. No message to come is ever stored: what is due is worked
out when the clock ticks, from the study file as it is then.

A tick first asks the database which assessments may have a step due and no row for it; participants with nothing due
are not read. Only then are facts loaded, a portion at a time, and `follow_up.decide` decides. The rows carry a key that
is unique, so ticks may run twice, at once, or days late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from proapp.db.models import AuditEvent, Participant
from proapp.services import audit, versions
from proapp.services.audit import WORKER, Actor, Entry
from proapp.services.messages import ELECTRONIC, insert_new, queued_entry
from proapp.services.reminding_facts import Case, cases
from proapp.services.reminding_facts import subjects as subjects
from proapp.services.reminding_search import candidates, tried_today
from proapp.services.vault import Vault
from proapp.study.follow_up import Decision, decide
from proapp.study.model import Study
from proapp.study.versions import followed

PORTION = 200
WAYS = (*ELECTRONIC, "letter")  # tasks and digests are worked out when somebody looks


@dataclass(frozen=True, slots=True)
class Due:
    """A message that the plan wants now."""

    case: Case
    decision: Decision

    @property
    def key(self) -> str:
        return f"reminder:{self.case.assessment_id}:{self.decision.step}:{self.decision.channel}"


@dataclass(frozen=True, slots=True)
class Look:
    """What one portion wants now; `after` is where the next one begins, None after the last."""

    due: tuple[Due, ...] = ()
    after: int | None = None
    failed: tuple[int, ...] = ()  # assessments that could not be decided about


@dataclass(frozen=True, slots=True)
class Queued:
    """Rows that were added, and where the next portion begins (None after the last)."""

    added: tuple[Due, ...] = ()
    after: int | None = None


def look(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    now: datetime,
    after: int = 0,
    portion: int = PORTION,
    since: datetime | None = None,
) -> Look:
    """What would be queued at `now`, of assessments whose id is greater than `after`; writes nothing.

    One statement when nothing may be due; nine when something may, whatever the number of participants. With
    `since`, the moment of the last search, only what fell due after it.
    """
    ids = candidates(session, study=study, now=now, since=since, after=after, portion=portion)
    due, failed = _decided(session, study=study, vault=vault, now=now, assessment_ids=ids)
    return Look(tuple(due), ids[-1] if len(ids) == portion else None, tuple(failed))


def queue_due(
    session: Session,
    *,
    study: Study,
    vault: Vault,
    now: datetime,
    actor: Actor = WORKER,
    after: int = 0,
    portion: int = PORTION,
) -> Queued:
    """Queue one portion of what is due; the caller commits. A participant whom somebody else is writing about at this
    moment is passed over, and found again by the next tick."""
    seen = look(session, study=study, vault=vault, now=now, after=after, portion=portion)
    return Queued(queue(session, seen.due, study=study, vault=vault, now=now, actor=actor), seen.after)


def queue(
    session: Session, seen: Sequence[Due], *, study: Study, vault: Vault, now: datetime, actor: Actor = WORKER
) -> tuple[Due, ...]:
    """Queue what `look` found, decided anew behind the locks of its participants; returns what was added."""
    if not seen:
        return ()
    people = _lock(session, {one.case.participant_id for one in seen})
    ids = {one.case.assessment_id for one in seen if one.case.participant_id in people}
    wanted, _ = _decided(session, study=study, vault=vault, now=now, assessment_ids=ids)
    due = {one.key: one for one in wanted}
    if not due:
        return ()
    values = {key: _values(one, key) for key, one in due.items()}
    rows = insert_new(session.connection(), list(values.values()), now=now)
    entries = [
        (due[row.key].case.participant_id, queued_entry(row.id, values[row.key], due[row.key].case.site_code))
        for row in sorted(rows, key=lambda row: row.id)
    ]
    _note_all(session, entries, actor=actor, now=now)
    return tuple(due[row.key] for row in rows)


def _values(one: Due, key: str) -> Mapping[str, Any]:
    decision, wish = one.decision, one.decision.step.startswith("later:")
    return {
        "key": key,
        "kind": "remind_later" if wish else "reminder",
        "participant_id": one.case.participant_id,
        "assessment_id": one.case.assessment_id,
        "step": decision.step,
        "channel": decision.via,
        "due_at": decision.due_at,
        "not_after": decision.not_after,
    }


def _lock(session: Session, people: Collection[int]) -> set[int]:
    """Those of whom nobody else is writing, now held until the end of the transaction (on SQLite: all)."""
    query = select(Participant.id).where(Participant.id.in_(sorted(people))).order_by(Participant.id)
    return set(session.scalars(query.with_for_update(key_share=True, skip_locked=True)))


def _note_all(session: Session, entries: Sequence[tuple[int, Entry]], *, actor: Actor, now: datetime) -> None:
    """One event in each participant's chain, two statements in all; the caller holds the participants' locks."""
    if not entries:
        return
    chains = {audit.participant_chain(participant_id) for participant_id, _ in entries}
    last = (
        select(AuditEvent.chain, func.max(AuditEvent.seq).label("seq"))
        .where(AuditEvent.chain.in_(sorted(chains)))
        .group_by(AuditEvent.chain)
        .subquery()
    )
    found = session.execute(
        select(AuditEvent.chain, AuditEvent.seq, AuditEvent.hash).join(
            last, (last.c.chain == AuditEvent.chain) & (last.c.seq == AuditEvent.seq)
        )
    )
    heads = {chain: (seq, hash_) for chain, seq, hash_ in found}
    rows = []
    for participant_id, group in groupby(sorted(entries, key=lambda one: one[0]), key=lambda one: one[0]):
        chain = audit.participant_chain(participant_id)
        seq, hash_ = heads.get(chain, (0, audit.GENESIS))
        rows += audit.chained(chain, seq, hash_, [entry for _, entry in group], actor=actor, now=now)
    session.execute(insert(AuditEvent), rows)


# --- deciding -------------------------------------------------------------------------------------------------------


def _decided(
    session: Session, *, study: Study, vault: Vault, now: datetime, assessment_ids: Collection[int]
) -> tuple[list[Due], list[int]]:
    """What the plan wants now of these assessments, and the ids of those that could not be decided about. What is
    decided about one counts for the participant's next, and for the study's cap; of two that may not both go on one
    day, the one that closes first goes."""
    if not assessment_ids:
        return [], []
    found = cases(session, study=study, vault=vault, assessment_ids=assessment_ids)
    study = versions.knowing(session, study, {case.version for case in found.values()})
    sent_today = tried_today(session, study=study, now=now, queued=True)
    lately: dict[int, int] = Counter()
    due: list[Due] = []
    failed = sorted(set(assessment_ids) - set(found))  # poisoned, or gone since
    for case in sorted(found.values(), key=_closes_first):
        try:
            wanted = _wanted(case, study, now, lately[case.participant_id], sent_today)
        except Exception:  # one poisoned row must not hold up the others; it is reported by its id
            failed.append(case.assessment_id)
            continue
        due += wanted
        new = sum(one.decision.via in ELECTRONIC for one in wanted)
        lately[case.participant_id] += new
        sent_today += new
    return due, failed


def _wanted(case: Case, study: Study, now: datetime, just_queued: int, sent_today: int) -> list[Due]:
    zone = study.zone(case.site_code)
    follows = followed(study, case.version, case.timepoint, site=case.site_code)
    if follows is None:  # of an earlier version
        return []
    study, timepoint = follows
    known = replace(case.subject, sent_to_participant=(*case.subject.sent_to_participant, *[now] * just_queued))
    said = decide(study, timepoint, known, now=now, zone=zone, study_sent_today=sent_today)
    if any(decision.verdict == "send" and decision.via == "letter" for decision in said):
        said = _with_room_for_letters(said, decide(unhurried(study), timepoint, known, now=now, zone=zone))
    wanted = [Due(case, decision) for decision in said if decision.verdict == "send" and decision.via in WAYS]
    electronic = [one for one in wanted if one.decision.via in ELECTRONIC]
    # Each was decided alone: of several messages about one assessment the next tick decides about the others.
    return [one for one in wanted if one not in electronic[1:]]


def unhurried(study: Study) -> Study:
    """The study as it would be if what was missed stayed of use."""
    return study.model_copy(update={"follow_up": study.follow_up.model_copy(update={"useful_days": 3650})})


def _with_room_for_letters(said: Sequence[Decision], patiently: Sequence[Decision]) -> tuple[Decision, ...]:
    """A letter that was put into its list in time stays there until the next is due or the window closes: the clinic
    may need a week to post it."""
    longer = {(one.step, one.channel): one.not_after for one in patiently}
    return tuple(
        replace(one, not_after=longer.get((one.step, one.channel), one.not_after)) if one.via == "letter" else one
        for one in said
    )


def _closes_first(case: Case) -> tuple[date, int]:
    return case.subject.facts.closes_on or date.max, case.assessment_id
