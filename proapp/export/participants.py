"""One row per participant: who is in the trial, since when, in which arm, and how much came of the assessments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from proapp.export.cases import data_use
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut
from proapp.export.flags import Flags
from proapp.export.keys import PARTICIPANT_KEY, participant_cells, participant_columns
from proapp.services.cohort import Expected, Member
from proapp.study.status import ParticipantFacts

STATUSES = meanings(
    enrolled="consented, not randomised",
    on_study="randomised, assessments still to come or open",
    finished="randomised, every assessment sent or closed",
    stopped="stopped the questionnaires",
    withdrawn="left the trial",
    died="died",
)
# Events that change nothing about what is asked, but matter to an analysis.
NOTED = ("surgery", "progression", "off_treatment", "lost_to_follow_up")


def table(cut: Cut) -> Table:
    return Table(
        "participants",
        "one participant who consented and was enrolled by the cut-off",
        PARTICIPANT_KEY,
        (*participant_columns(cut), *_DATES, *_STATUS, *_COUNTS),
    )


def _date(name: str, en: str, sv: str, empty: str = "has not happened by the cut-off", derivation: str = "") -> Column:
    return Column(name, "date", en, sv, empty=empty, derivation=derivation)


def _count(name: str, en: str, sv: str, derivation: str = "") -> Column:
    return Column(name, "integer", en, sv, derivation=derivation)


_DATES = (
    Column("language", "code", "Language of the participant", "Deltagarens språk"),
    _date("consent_on", "Consent to the questionnaires", "Samtycke till frågeformulären"),
    _date("randomized_on", "Randomisation", "Lottning"),
    _date("surgery_on", "Surgery", "Operation"),
    _date("progression_on", "Progression", "Sjukdomsprogress"),
    _date("off_treatment_on", "End of treatment", "Behandlingsslut"),
    _date("lost_to_follow_up_on", "Lost to follow-up", "Tappad för uppföljning"),
    _date("transferred_on", "Last transfer to another site", "Senaste byte av klinik", "never transferred",
          "the day belongs to the new site, which is site_code"),
    _date("stopped_on", "Questionnaires stopped", "Frågeformulären avslutade"),
    _date("withdrawn_on", "Left the trial", "Lämnade studien"),
    _date("died_on", "Death", "Död"),
    Column(
        "data_use", "code", "What may be done with the data after leaving the trial",
        "Hur data får användas efter att deltagaren lämnat studien",
        meanings(
            keep="may be used",
            keep_until="may be used up to data_use_until",
            delete_if_lawful="answers and scores are left out of this export",
        ),
        empty="did not leave the trial",
    ),
    _date("data_use_until", "Last day whose answers may be used", "Sista dag vars svar får användas", "no such limit"),
)  # fmt: skip
_STATUS = (
    Column(
        "status", "code", "Where the participant stands at the cut-off", "Deltagarens läge vid brytdatum", STATUSES,
        derivation="the first that applies of died, withdrawn, stopped; else from randomisation and assessments",
    ),
    _date("status_on", "Since when", "Sedan när", "status finished",
          "date of death, withdrawal, stop, randomisation or consent, after the status"),
)  # fmt: skip
_COUNTS = (
    _count("n_planned", "Assessments planned", "Planerade mättillfällen"),
    _count("n_expected", "Assessments expected, past and future", "Förväntade mättillfällen, gångna och kommande",
           "assessments with expected_flag = 1"),
    _count("n_due", "Assessments in the denominator of the completion rate", "Mättillfällen i svarsfrekvensens nämnare",
           "assessments with denominator_flag = 1"),
    _count("n_completed", "Assessments sent", "Inskickade mättillfällen", "also those of which no scale can be scored"),
    _count("n_accepted", "Assessments sent, valid and in the window", "Giltiga mättillfällen inom svarsfönstret",
           "assessments with accepted_flag = 1"),
    _count("n_missed", "Assessments missed or declined", "Missade eller avböjda mättillfällen",
           "expected, window closed, nothing sent"),
    _date("first_completed_on", "First assessment completed", "Första besvarade mättillfälle", "none completed"),
    _date("last_completed_on", "Last assessment completed", "Senaste besvarade mättillfälle", "none completed"),
)  # fmt: skip


def row(member: Member, flags: Sequence[Flags], cut: Cut) -> tuple[Cell, ...]:
    """`flags` are those of the member's assessments, in their order."""
    facts, (decision, until) = member.facts, data_use(member)
    status, since = status_of(member, today=cut.day)
    return (
        *participant_cells(member),
        member.language,
        facts.consent_on,
        facts.randomized_on,
        *(min(_days(member, type_, cut), default=None) for type_ in NOTED),
        max(_days(member, "site_transfer", cut), default=None),
        facts.stopped_on,
        facts.withdrawn_on,
        facts.died_on,
        decision,
        until,
        status,
        since,
        *_counts(member.assessments, flags),
    )


def _counts(assessments: Sequence[Expected], flags: Sequence[Flags]) -> tuple[Cell, ...]:
    completed = sorted(e.facts.completed_on for e in assessments if e.facts.completed_on is not None)
    unanswered = [e for e in assessments if e.state.shown in ("missed", "missed_unexplained", "declined")]
    return (
        len(assessments),
        sum(one.expected for one in flags),
        sum(one.denominator for one in flags),
        sum(e.state.collection == "SUBMITTED" for e in assessments),
        sum(one.accepted for one in flags),
        sum(e.state.phase == "CLOSED" for e in unanswered),
        completed[0] if completed else None,
        completed[-1] if completed else None,
    )


def status_of(member: Member, *, today: date) -> tuple[str, date | None]:
    """(status, since when). Death outranks leaving the trial, and that a stop of the questionnaires."""
    facts: ParticipantFacts = member.facts
    for status, day in (("died", facts.died_on), ("withdrawn", facts.withdrawn_on), ("stopped", facts.stopped_on)):
        if day is not None and day <= today:
            return status, day
    if facts.randomized_on is None:
        return "enrolled", facts.consent_on
    if all(_is_over(expected) for expected in member.assessments):
        return "finished", None
    return "on_study", facts.randomized_on


def _is_over(expected: Expected) -> bool:
    current = expected.state
    if current.expectation == "PENDING":
        return expected.facts.kind == "event"  # nobody waits for a progression
    return current.expectation == "NOT_EXPECTED" or current.collection == "SUBMITTED" or current.phase == "CLOSED"


def _days(member: Member, type_: str, cut: Cut) -> list[date]:
    """When it happened, up to the cut-off: what came later may be known, but does not belong to this cut."""
    days = (event.effective_on for event in member.events if event.type == type_)
    return [day for day in days if day <= cut.day]
