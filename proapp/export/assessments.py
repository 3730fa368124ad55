"""One row per assessment and instrument, also when nothing came: what was asked for, what came, and if not, why not.

The first analysis of every quality-of-life study is of what is missing. Hence no row is ever left out: an assessment
that was not expected is here with the reason, and one that has not opened yet says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import get_args

from proapp.export.acts import Acts
from proapp.export.cases import Case, ItemStatus, Part
from proapp.export.columns import Cell, Column, Table, meanings
from proapp.export.cut import Cut
from proapp.export.flags import COLUMNS as FLAG_COLUMNS
from proapp.export.flags import Flags
from proapp.export.keys import ASSESSMENT_KEY, assessment_cells, assessment_columns, instrument_column, label
from proapp.instruments.model import Instrument
from proapp.services.cohort import Expected, Responses
from proapp.study.reasons import MISSED_REASONS, STRUCTURAL_REASONS
from proapp.study.schedule import study_day
from proapp.study.status import REFUSED, Shown, Timing

ITEM_STATUSES: tuple[ItemStatus, ...] = get_args(ItemStatus)
_YES_NO_OPEN = meanings(Y="yes", N="no", **{"?": "not known"})
_NOT_SENT = "nothing was sent"
_NOT_KEPT = "nothing was sent, or not from a phone's own store"
_NO_DATE = "the date it is counted from is not known"
_WHO = meanings(self="the participant", helped="the participant, with help", proxy="somebody else")
_MODES = meanings("self_remote", "self_clinic", "paper", "phone", "interview", "proxy")


def table(cut: Cut) -> Table:
    return Table(
        "assessments",
        "one instrument of one planned assessment of one participant, whether anything came or not",
        (*ASSESSMENT_KEY, "instrument"),
        (
            *assessment_columns(cut),
            instrument_column(cut),
            *_plan_columns(),
            *_state_columns(),
            *_response_columns(cut),
            *_count_columns(),
            *_effort_columns(),
            *FLAG_COLUMNS,
        ),
    )


def _date(name: str, en: str, sv: str, derivation: str = "", empty: str = _NO_DATE) -> Column:
    return Column(name, "date", en, sv, derivation=derivation, empty=empty)


def _plan_columns() -> tuple[Column, ...]:
    return (
        Column("timepoint_label", "text", "Time point, in words", "Mättillfället i ord"),
        Column("kind", "code", "Kind of time point", "Typ av mättillfälle",
               meanings("baseline", "scheduled", "event", "unscheduled")),
        Column("protocol_version", "text", "Version of the protocol", "Protokollversion",
               derivation="that of the answers, else that of the plan"),
        _date("anchor_on", "Date the time point is counted from", "Datum som mättillfället räknas från"),
        _date("target_on", "Target date", "Måldatum", "anchor + months + days of the time point"),
        _date("opens_on", "First day of the window", "Svarsfönstrets första dag"),
        _date("closes_on", "Last day of the window", "Svarsfönstrets sista dag",
              "of the baseline: the day of randomisation"),
        _date("late_until", "Last day on which an answer counts as late", "Sista dag då svar räknas som sent"),
        _date("extension_until", "Window extended by staff until", "Förlängt av personal till", empty="not extended"),
        Column("target_day", "integer", "Study day of the target date", "Måldatumets studiedag",
               derivation="day 1 is the day of randomisation, day -1 the day before; there is no day 0",
               empty="not randomised, or no target date"),
    )  # fmt: skip


def _state_columns() -> tuple[Column, ...]:
    reasons = tuple((code, code.replace("_", " ")) for code in MISSED_REASONS)
    return (
        Column("expectation", "code", "Is an answer asked for?", "Efterfrågas ett svar?",
               meanings(pending="the date it is counted from is not known yet", expected="yes",
                        not_expected="no, see not_expected_reason")),
        Column("not_expected_reason", "code", "Why it is not expected", "Varför det inte är förväntat",
               meanings(*STRUCTURAL_REASONS), empty="it is expected or pending"),
        Column("status", "code", "Status at the cut-off", "Läge vid brytdatum", meanings(*get_args(Shown)),
               derivation="derived from facts up to the cut-off; a submission outranks a later death or stop"),
        Column("reason_code", "code", "Why nothing came", "Varför inget kom", reasons,
               empty="something came, may still come, or nobody has given a reason (status missed_unexplained)"),
        Column("reason_health_related", "code", "Reason has to do with health", "Orsaken är hälsorelaterad",
               _YES_NO_OPEN, empty="no reason"),
        Column("reason_avoidable", "code", "Better routines would have helped", "Orsaken hade kunnat undvikas",
               _YES_NO_OPEN, empty="no reason"),
        Column("reason_source", "code", "Who gave the reason", "Vem som angav orsaken",
               meanings(patient="the participant", staff="the clinic", system="recorded by the program",
                        derived="follows from a refusal or a stop, nobody recorded it"), empty="no reason"),
    )  # fmt: skip


def _response_columns(cut: Cut) -> tuple[Column, ...]:
    languages = tuple((code, code) for code in cut.study.languages)
    return (
        Column("started_at", "instant", "First opened", "Påbörjad", empty="not started"),
        Column("submitted_at", "instant", "Received", "Mottagen", empty=_NOT_SENT),
        _date("completed_on", "Day the participant completed it", "Dag då deltagaren svarade", empty=_NOT_SENT),
        Column("study_day", "integer", "Study day of completion", "Studiedag för svaret",
               derivation="as target_day", empty="nothing was sent, or not randomised"),
        Column("days_from_target", "integer", "Days from the target date to completion",
               "Dagar från måldatum till svar", derivation="completed_on - target_on; negative is before",
               empty=_NOT_SENT),
        Column("in_window", "flag", "Completed inside the window", "Besvarat inom svarsfönstret", empty=_NOT_SENT),
        Column("timing", "code", "How completion lies to the window", "Svarets läge mot svarsfönstret",
               meanings(*get_args(Timing)), empty=_NOT_SENT),
        Column("mode", "code", "How it was answered", "Hur det besvarades", _MODES, empty="not started"),
        Column("respondent", "code", "Who answered", "Vem som svarade", _WHO, empty="not started"),
        Column("language", "code", "Language of the questions answered", "Språk för besvarade frågor",
               (*languages, ("mixed", "changed on the way; see items_long")), empty="no answer"),
        Column("auto_submitted", "flag", "Sent by the program when the window closed",
               "Inskickat av systemet när svarsfönstret stängdes", empty=_NOT_SENT),
        Column("device_at", "instant", "Sent, by the clock of the phone that had kept it",
               "Skickat enligt klockan i telefonen som sparat det", empty=_NOT_KEPT),
        Column("device_offset_s", "integer", "Seconds by which that clock was ahead",
               "Sekunder som den klockan gick före", empty=_NOT_KEPT),
        Column("clock_trusted", "flag", "That clock decided the day of completion",
               "Den klockan avgjorde svarsdagen", derivation="it agreed with ours within five minutes, when the "
               "questionnaire was fetched and when it was sent; else the day it was received counts", empty=_NOT_KEPT),
        Column("duration_s", "integer", "Seconds from opening to sending, breaks included",
               "Sekunder från öppning till insändning, med pauser",
               derivation="submitted_at - started_at; where clock_trusted, device_at - device_offset_s - started_at",
               empty="nothing was sent, sent by the program, or entered by the clinic"),
        Column("valid", "flag", "At least one core scale can be scored", "Minst en grundskala kan beräknas",
               derivation="of the whole assessment, decided when it was sent", empty=_NOT_SENT),
        Column("pack_version", "text", "Version of the instrument that was answered", "Formulärets version",
               empty="not started"),
        Column("pack_hash", "code", "SHA-256 of the instrument that was answered", "Formulärets SHA-256",
               empty="not started"),
        Column("n_response_sets", "integer", "Response sets of this assessment", "Antal svarsomgångar",
               derivation="not counting void ones; the first completed is exported, on the same day the "
               "participant's own before one taken by interview or given by somebody else"),
        Column("answers_withheld", "flag", "Answers left out by the participant's decision",
               "Svar utelämnade enligt deltagarens beslut", derivation="see data_use in participants"),
    )  # fmt: skip


def _count_columns() -> tuple[Column, ...]:
    words = {
        "answered": ("answered", "besvarade"),
        "skipped": ("skipped", "överhoppade"),
        "cleared": ("answered, then cleared", "besvarade och sedan rensade"),
        "not_applicable": ("behind a closed gate", "inte tillämpliga"),
        "not_shown": ("not shown, as the question before them was not answered", "inte visade"),
        "not_reached": ("asked and never reached", "inte nådda"),
    }
    return (
        Column("n_items", "integer", "Items of the instrument", "Frågor i formuläret",
               derivation="the sum of the six counts that follow, where there are any"),
        *(
            Column(f"n_{status}", "integer", f"Items {words[status][0]}", f"Frågor {words[status][1]}",
                   empty="not started, or answers withheld")
            for status in ITEM_STATUSES
        ),
        Column("n_scales", "integer", "Scales of the instrument", "Skalor i formuläret",
               derivation="without the summary score"),
        Column("scorable_scales", "integer", "Scales that can be scored", "Skalor som kan beräknas",
               empty="nothing was sent, or answers withheld"),
    )  # fmt: skip


def _effort_columns() -> tuple[Column, ...]:
    return (
        Column("n_corrections", "integer", "Answers of the instrument that were given anew",
               "Svar i formuläret som ändrats", derivation="the rows of corrections about it",
               empty="nothing was sent, or answers withheld"),
        Column("n_contacts", "integer", "Contact attempts about the assessment", "Kontaktförsök om mättillfället",
               derivation="the rows of contacts about it"),
        Column("n_reminders", "integer", "Reminders that went out", "Utskickade påminnelser",
               derivation="handed over to a gateway, or posted as a letter, by the cut-off"),
        Column("first_reminder_at", "instant", "First reminder", "Första påminnelsen", empty="no reminder went out"),
        Column("last_reminder_at", "instant", "Last reminder", "Senaste påminnelsen", empty="no reminder went out"),
    )  # fmt: skip


def rows(case: Case, flags: Flags, cut: Cut, done: Acts) -> Iterator[tuple[Cell, ...]]:
    """The assessment's row for each of its instruments."""
    expected = case.expected
    reminders = done.reminders.get(expected.id, [])
    contacts = sum(attempt.assessment_id == expected.id for attempt in expected.member.attempts)
    effort = (contacts, len(reminders), reminders[0] if reminders else None, reminders[-1] if reminders else None)
    before, after = (*assessment_cells(expected),), (*_plan_cells(expected, cut), *_state_cells(expected))
    parts = {part.instrument.code: part for part in case.parts}
    for instrument in case.instruments:
        part = parts.get(instrument.code)
        yield (
            *before,
            instrument.code,
            *after,
            *_response_cells(case, instrument, part),
            *_count_cells(case, instrument, part),
            _corrections(case, part),
            *effort,
            *flags,
        )


def _plan_cells(expected: Expected, cut: Cut) -> tuple[Cell, ...]:
    facts, timepoint = expected.facts, cut.study.timepoints_by_code.get(expected.timepoint)
    primary = expected.primary
    return (
        label(timepoint.label) if timepoint else None,
        facts.kind,
        primary.protocol_version if primary else expected.protocol_version,
        expected.anchor_on,
        facts.target_on,
        facts.opens_on,
        facts.closes_on,
        facts.late_until,
        facts.extension_until,
        _day(facts.target_on, expected),
    )


def _state_cells(expected: Expected) -> tuple[Cell, ...]:
    current = expected.state
    return (
        current.expectation.lower(),
        current.not_expected_reason,
        current.shown,
        current.reason_code,
        *_reason_cells(expected),
    )


def _reason_cells(expected: Expected) -> tuple[Cell, Cell, Cell]:
    """(health-related, avoidable, source) of the reason shown."""
    code, recorded = expected.state.reason_code, expected.reason
    if code is None:
        return None, None, None
    if recorded is not None and recorded.code == code:
        return recorded.health_related, recorded.avoidable, recorded.source
    known = MISSED_REASONS.get(code, MISSED_REASONS[REFUSED])
    return known.health_related, known.avoidable, "derived"


def _response_cells(case: Case, instrument: Instrument, part: Part | None) -> tuple[Cell, ...]:
    expected, timing = case.expected, case.expected.state.timing
    facts, sets, primary = expected.facts, len(expected.sets), expected.primary
    if primary is None:
        return (*[None] * 18, sets, case.withheld)
    pack = primary.packs.get(instrument.code, {})
    return (
        primary.started_at,
        primary.submitted_at,
        primary.completed_on,
        _day(primary.completed_on, expected),
        (primary.completed_on - facts.target_on).days if primary.completed_on and facts.target_on else None,
        None if timing is None else timing == "in_window",
        timing,
        primary.mode,
        primary.respondent,
        _language(part),
        None if primary.submitted_at is None else primary.auto_submitted,
        primary.device_at,
        primary.device_offset_s,
        primary.clock_trusted,
        _duration(primary),
        primary.valid,
        pack.get("version"),
        pack.get("hash"),
        sets,
        case.withheld,
    )


def _language(part: Part | None) -> str | None:
    found = {item.latest.language for item in part.items if item.value is not None and item.latest} if part else set()
    return "mixed" if len(found) > 1 else next(iter(found), None)


def _duration(primary: Responses) -> int | None:
    by_hand = primary.mode in ("self_remote", "self_clinic", "proxy")
    if primary.submitted_at is None or primary.auto_submitted or not by_hand:
        return None
    ended_at = primary.submitted_at
    if primary.clock_trusted and primary.device_at is not None:
        ended_at = primary.device_at - timedelta(seconds=primary.device_offset_s or 0)
    return max(0, int((ended_at - primary.started_at).total_seconds()))


def _count_cells(case: Case, instrument: Instrument, part: Part | None) -> tuple[Cell, ...]:
    if part is None:
        return (len(instrument.items), *[None] * len(ITEM_STATUSES), len(instrument.scales), None)
    counts = Counter(item.status for item in part.items)
    scorable = sum(one.value is not None for one in part.scores if one.code in instrument.scales_by_code)
    return (
        len(instrument.items),
        *(counts[status] for status in ITEM_STATUSES),
        len(instrument.scales),
        scorable if case.sent else None,
    )


def _corrections(case: Case, part: Part | None) -> int | None:
    if part is None or not case.sent:
        return None
    return sum(item.latest.version_no - 1 for item in part.items if item.latest is not None)


def _day(day: date | None, expected: Expected) -> int | None:
    randomized_on = expected.member.facts.randomized_on
    return None if day is None or randomized_on is None else study_day(day, randomized_on)
