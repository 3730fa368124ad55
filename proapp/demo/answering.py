"""The answers of an invented life as rows, each with its event in the trail."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from proapp.db.models import Answer, ResponseSet
from proapp.demo import steps
from proapp.demo.person import Person
from proapp.demo.rows import Rows
from proapp.instruments.answers import Given
from proapp.instruments.model import Instrument
from proapp.instruments.scoring import score
from proapp.services.audit import WORKER, Actor, Entry
from proapp.services.vault import Vault
from proapp.study.model import Study

NEAR_THE_END = timedelta(days=120)


class Answering:
    """Knows the study, and where rows go. `salts` are for what nobody sees."""

    def __init__(
        self, rows: Rows, study: Study, instruments: Mapping[str, Instrument], vault: Vault, *, seed: int
    ) -> None:
        self.rows, self.study, self.instruments, self.vault, self.seed = rows, study, instruments, vault, seed
        self.salts = random.Random(f"proapp salts {seed}")  # noqa: S311 - see _FAST
        self.packs = {
            code: {"version": pack.version, "hash": pack.content_hash, "algorithm": pack.algorithm_version}
            for code, pack in instruments.items()
        }

    def _tell(self, person: Person, entries: list[Entry], actor: Actor, at: datetime) -> None:
        told = [replace(entry, site_code=person.life.site_code) for entry in entries]
        self.rows.tell(*told, actor=actor, at=at, participant_id=person.id)

    def _filled(self, person: Person, step: steps.Filled) -> None:
        assessment = person.plan[step.timepoint]
        person.plan[step.timepoint] = replace(assessment, opened=True)
        actor = person.doctor if step.by_staff else person.patient
        instruments = [self.instruments[code] for code in self.study.timepoint(step.timepoint).instruments]
        started: dict[str, Any] = {
            "mode": step.mode,
            "respondent": step.respondent,
            "protocol_version": self.study.number,
            "packs": {one.code: self.packs[one.code] for one in instruments},
        }
        by = actor.id if step.by_staff else None
        set_id = self.rows.add(
            ResponseSet, assessment_id=assessment.id, **started, started_at=step.at, entered_by_id=by
        )
        entry = Entry("response_set.started", "response_set", set_id, {"assessment": assessment.id, **started})
        self._tell(person, [entry], actor, step.at)
        codes, last_at = self._answers(person, step, set_id, instruments, actor)
        person.sets[step.timepoint] = set_id, codes
        if step.sent and step.completed_on:
            self._submit(person, step.timepoint, step.completed_on, actor, last_at + timedelta(seconds=25))

    def _answers(
        self, person: Person, step: steps.Filled, set_id: int, instruments: list[Instrument], actor: Actor
    ) -> tuple[dict[str, dict[int, int]], datetime]:
        """One row and one event for each item; returns the codes given and the time of the last."""
        codes: dict[str, dict[int, int]] = {one.code: {} for one in instruments}
        by = "patient" if actor.kind == "patient" else f"staff:{actor.id}"
        at, rows = step.at, []
        for number, (instrument, item, given) in enumerate(self._given(person, step, instruments), start=1):
            if step.items is not None and number > step.items:
                if step.again_at is None:
                    break
                at = max(at, step.again_at)
            at += timedelta(seconds=step.seconds)
            if given.code is not None:
                codes[instrument][item] = given.code
            rows.append(
                {
                    "response_set_id": set_id, "instrument": instrument, "item": item, "kind": given.kind,
                    "code": given.code, "language": person.life.language, "recorded_at": at, "client_id": None,
                    "device_at": None, "actor": by,
                }
            )  # fmt: skip
            told = {"old": None, "new": given.code or given.kind, "language": person.life.language}
            entry = Entry("answer.recorded", "answer", f"{set_id}/{instrument}.{item}", told)
            self._tell(person, [entry], actor, at)
        self.rows.add_plain(Answer, rows)
        return codes, at

    def _given(
        self, person: Person, step: steps.Filled, instruments: list[Instrument]
    ) -> Iterator[tuple[str, int, Given]]:
        end, months = person.death_at, self.study.timepoint(step.timepoint).months
        near = end is not None and end - step.at < NEAR_THE_END
        for instrument in instruments:
            for item, given in person.trajectory.answers(instrument, months=months, near_the_end=near):
                left_out = step.only is not None and not (instrument.core and item in step.only)
                yield instrument.code, item, Given("skipped") if left_out else given

    def _swept(self, person: Person, step: steps.Swept) -> None:
        self._submit(person, step.timepoint, step.completed_on, WORKER, step.at)

    def _submit(self, person: Person, timepoint: str, completed_on: date, actor: Actor, at: datetime) -> None:
        set_id, codes = person.sets[timepoint]
        facts = {
            "completed_on": completed_on,
            "auto_submitted": actor is WORKER,
            "receipt": self.vault.new_receipt(),
            "answered_items": sum(map(len, codes.values())),
            "valid": self._is_valid(codes),
        }
        self.rows.change(ResponseSet, set_id, submitted_at=at, **facts)
        stored = person.plan[timepoint]
        first = min(stored.completed_on or completed_on, completed_on)
        person.plan[timepoint] = replace(stored, completed_on=first)
        told = {"assessment": person.plan[timepoint].id, **facts}
        self._tell(person, [Entry("response_set.submitted", "response_set", set_id, told)], actor, at)

    def _is_valid(self, codes: Mapping[str, Mapping[int, int]]) -> bool:
        core = [self.instruments[code] for code in codes if self.instruments[code].core]
        results = [(one, result) for one in core for result in score(one, codes[one.code])]
        return any(result.value is not None and result.code in one.scales_by_code for one, result in results)
