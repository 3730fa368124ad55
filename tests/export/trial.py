"""A small trial with every state an assessment can be in, told in facts; what follows from them is written in the tests.

Everybody (unless said otherwise) consented on 2 February 2026 and was randomised on 5 February 2026, so that the windows
are  m03: 21 April, target 5 May, 2 June, late until 16 June;  m06: 22 July, target 5 August, 2 September, late until 16
September;  m12 opens 8 January 2027. The trial is looked at on 22 November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from proapp.db.models import Answer, AssessmentEvent, MissedReason, Participant, ParticipantEvent, ResponseSet
from tests.people import People

CUT_OFF = date(2026, 11, 22)
CONSENT, RANDOMIZED = date(2026, 2, 2), date(2026, 2, 5)
Gift = tuple[str, int, str, int | None]  # instrument, item, kind, code


def at(day: date, hour: int = 8) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def pattern(instruments: Any, shift: int) -> dict[tuple[str, int], int]:
    """An answer to every item, different from item to item; the gates are open unless `shift` says otherwise."""
    answers = {}
    for code, pack in instruments.items():
        for number in pack.numbers:
            choices = pack.choices(number).codes
            answers[code, number] = choices[(number * 7 + shift * 3) % len(choices)]
    return answers


@dataclass
class Trial:
    """Writes facts, each with the moment at which it was recorded."""

    runtime: Any

    def member(
        self,
        study_id: str,
        arm: str | None = None,
        *,
        consent_on: date = CONSENT,
        randomized_on: date | None = RANDOMIZED,
    ) -> int:
        people = People(self.runtime, None, None)
        return people.participant(
            study_id,
            consent_on=consent_on,
            randomized_on=randomized_on if arm else None,
            arm=arm,
            activated=False,
            enrolled_at=at(consent_on),
        )

    def assessment(self, participant_id: int, timepoint: str) -> int:
        return People(self.runtime, None, None).assessment_id(participant_id, timepoint)

    def event(self, participant_id: int, type_: str, day: date, recorded_on: date | None = None, **payload: Any) -> int:
        with self.runtime.writing.begin() as session:
            row = ParticipantEvent(
                participant_id=participant_id,
                type=type_,
                effective_on=day,
                payload=payload,
                recorded_at=at(recorded_on or day, 12),
            )
            session.add(row)
            session.flush()
            return row.id

    def speaks(self, participant_id: int, language: str, day: date) -> None:
        """Another language from that day on."""
        with self.runtime.writing.begin() as session:
            person = session.get_one(Participant, participant_id)
            before, person.language = person.language, language
        assert before != language
        self.event(participant_id, "language_change", day, **{"from": before, "to": language})

    def answer(
        self,
        participant_id: int,
        timepoint: str,
        day: date,
        given: dict[tuple[str, int], int] | list[Gift],
        *,
        mode: str = "self_remote",
        sent: bool = True,
        completed_on: date | None = None,
        auto: bool = False,
        valid: bool = True,
        languages: tuple[str, ...] = ("sv",),
    ) -> int:
        """A response set begun at 8:00 UTC of `day`, an answer a second, sent ten minutes later (or the day after)."""
        gifts = [(*key, "answered", code) for key, code in given.items()] if isinstance(given, dict) else given
        begun, sent_at = at(day), at(day + timedelta(days=1), 3) if auto else at(day) + timedelta(minutes=10)
        packs = {
            code: {"version": pack.version, "hash": pack.content_hash, "algorithm": pack.algorithm_version}
            for code, pack in self.runtime.instruments.items()
        }
        with self.runtime.writing.begin() as session:
            responses = ResponseSet(
                assessment_id=self.assessment(participant_id, timepoint),
                mode=mode,
                respondent="proxy" if mode == "proxy" else "self",
                protocol_version=self.runtime.study.number,
                packs=packs,
                started_at=begun,
                submitted_at=sent_at if sent else None,
                completed_on=(completed_on or day) if sent else None,
                auto_submitted=auto,
                receipt=f"{participant_id}-{timepoint}-{mode}"[:20] if sent else None,
                answered_items=len(gifts) if sent else None,
                valid=valid if sent else None,
            )
            session.add(responses)
            session.flush()
            rows = [
                {
                    "response_set_id": responses.id,
                    "instrument": instrument,
                    "item": item,
                    "kind": kind,
                    "code": code,
                    "language": languages[number % len(languages)],
                    "recorded_at": begun + timedelta(seconds=number + 1),
                    "actor": "patient" if mode == "self_remote" else "staff:1",
                }
                for number, (instrument, item, kind, code) in enumerate(gifts)
            ]
            session.execute(insert(Answer), rows)
            return responses.id

    def decline(self, participant_id: int, timepoint: str, day: date, note: str | None = None) -> None:
        with self.runtime.writing.begin() as session:
            session.add(
                AssessmentEvent(
                    assessment_id=self.assessment(participant_id, timepoint),
                    type="declined",
                    reason=note,
                    recorded_at=at(day),
                )
            )

    def reason(self, participant_id: int, timepoint: str, code: str, day: date, **said: Any) -> None:
        values = {"health_related": "Y", "avoidable": "N", "source": "staff", **said}
        with self.runtime.writing.begin() as session:
            session.add(
                MissedReason(
                    assessment_id=self.assessment(participant_id, timepoint), code=code, recorded_at=at(day), **values
                )
            )

    def id_of(self, study_id: str) -> int:
        with self.runtime.reading() as session:
            found = session.scalar(select(Participant.id).where(Participant.study_id == study_id))
            assert found is not None
            return found


def every_state(runtime: Any) -> Trial:
    """Not in the order of their study ids, so that sorting is somebody's work."""
    trial = Trial(runtime)
    full = [pattern(runtime.instruments, shift) for shift in range(4)]
    _umea(trial, full)
    _stopped(trial, full)
    _waiting(trial, full)
    _kept_by_hand(trial, full)
    return trial


def _umea(trial: Trial, full: list[dict[tuple[str, int], int]]) -> None:
    one = trial.member("UME-001", "SURG")
    trial.answer(one, "baseline", CONSENT, full[0])
    trial.answer(one, "m03", date(2026, 5, 5), special(trial.runtime.instruments))
    trial.reason(one, "m06", "too_ill", date(2026, 10, 1))
    trial.event(one, "surgery", date(2026, 3, 1))
    two = trial.member("UME-002", "ONC")
    trial.answer(two, "baseline", CONSENT, full[1])
    trial.answer(two, "m03", date(2026, 6, 10), full[2])  # late
    three = trial.member("UME-003", "SURG")
    trial.answer(three, "baseline", date(2026, 2, 5), full[2])  # on the very day of randomisation
    trial.decline(three, "m03", date(2026, 5, 6), note="=HYPERLINK: CANARY-NOTE")
    trial.answer(three, "m06", date(2026, 8, 6), [("c30", 1, "answered", 2)], valid=False)


def special(instruments: Any) -> list[Gift]:
    """Every item status: see test_items."""
    answers = pattern(instruments, 3)
    answers["br23", 34] = 1  # nobody lost hair, so 35 does not apply, though it was answered before
    for key in [("c30", 1), ("c30", 8), ("br23", 45), ("br23", 46), ("lmc21", 51)]:
        del answers[key]
    gifts: list[Gift] = [(*key, "answered", code) for key, code in answers.items()]
    gifts += [
        ("c30", 1, "skipped", None),
        ("c30", 8, "answered", 4),
        ("c30", 8, "cleared", None),
        ("c30", 2, "answered", 1 if answers["c30", 2] != 1 else 2),  # changed afterwards
        ("br23", 45, "skipped", None),  # so that 46 is never shown
    ]  # lmc21.51 was never reached
    return gifts


def _stopped(trial: Trial, full: list[dict[tuple[str, int], int]]) -> None:
    dead = trial.member("LUN-001", "ONC")
    trial.answer(dead, "baseline", CONSENT, full[0])
    trial.event(dead, "death", date(2026, 4, 1))
    kept = trial.member("GOT-002", "SURG")
    trial.answer(kept, "baseline", CONSENT, full[0])
    trial.answer(kept, "m03", date(2026, 6, 1), full[3])  # after the last usable day
    trial.event(kept, "trial_withdrawal", date(2026, 7, 1), data_use="keep_until", until="2026-05-31")
    deleted = trial.member("GOT-003", "ONC")
    trial.answer(deleted, "baseline", CONSENT, full[1])
    trial.event(deleted, "trial_withdrawal", date(2026, 7, 1), data_use="delete_if_lawful")
    stopped = trial.member("GOT-004", "SURG")
    trial.event(stopped, "pro_stop", date(2026, 8, 10))


def _waiting(trial: Trial, full: list[dict[tuple[str, int], int]]) -> None:
    trial.member("LUN-002", consent_on=date(2026, 11, 20))
    late_baseline = trial.member("LUN-003", "SURG", consent_on=date(2026, 8, 17), randomized_on=date(2026, 8, 19))
    trial.answer(late_baseline, "baseline", date(2026, 8, 20), full[0], mode="paper")
    begun = trial.member("LUN-004", "ONC", consent_on=date(2026, 8, 26), randomized_on=date(2026, 8, 28))
    trial.answer(begun, "m03", date(2026, 11, 20), [("c30", 1, "answered", 3), ("c30", 2, "answered", 1)], sent=False)
    trial.member("LUN-005", "ONC", consent_on=date(2026, 8, 26), randomized_on=date(2026, 8, 28))
    trial.member("GOT-001", "SURG", consent_on=date(2026, 7, 13), randomized_on=date(2026, 7, 15))


def _kept_by_hand(trial: Trial, full: list[dict[tuple[str, int], int]]) -> None:
    several = trial.member("KAR-001", "SURG")
    trial.answer(several, "m03", date(2026, 7, 1), full[1], mode="paper")  # out of window
    trial.answer(several, "m06", date(2026, 7, 20), full[2], mode="paper")  # early; keyed the same day
    trial.answer(several, "m06", date(2026, 8, 1), full[3])  # the second set, not the primary one
    left = trial.member("KAR-002", "ONC")
    trial.answer(left, "m03", date(2026, 6, 16), full[0], auto=True, languages=("sv", "en"))
