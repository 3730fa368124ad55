"""The columns that join the tables, and how labels and value sets are drawn from study file and instruments."""

from __future__ import annotations

from collections.abc import Iterable

from proapp.export.columns import Cell, Column
from proapp.export.cut import Cut, wording
from proapp.instruments.model import Instrument, ResponseChoices
from proapp.services.cohort import Expected, Member
from proapp.study.model import Texts

ARM_COLUMNS = frozenset({"arm_code", "old_arm_code", "new_arm_code"})
PARTICIPANT_KEY = ("study_id",)
ASSESSMENT_KEY = ("study_id", "timepoint", "occurrence")


def label(texts: Texts, language: str = "en") -> str:
    """A text of the study file in a language, or else in the first it has."""
    return texts.get(language) or next(iter(texts.values()))


AT_THE_CUT = "where the participant is at the cut-off"
RESPONSIBLE = "the site responsible on the target date; without a target date, where the participant is at the cut-off"


def participant_columns(cut: Cut, site: str = AT_THE_CUT) -> tuple[Column, ...]:
    """`site` says which site it is, for who was transferred."""
    sites = tuple((site.code, site.name) for site in cut.study.sites)
    arms = tuple((arm.code, label(arm.label)) for arm in cut.study.arms)
    return (
        Column("study_id", "text", "Participant's study id (a pseudonym)", "Deltagarens studienummer (pseudonym)"),
        Column("site_code", "code", "Site", "Klinik", sites, derivation=site),
        Column("arm_code", "code", "Arm of randomisation", "Arm enligt lottning", arms, empty="not randomised"),
    )


def assessment_columns(cut: Cut) -> tuple[Column, ...]:
    timepoints = tuple((point.code, label(point.label)) for point in cut.study.timepoints)
    return (
        *participant_columns(cut, RESPONSIBLE),
        Column("timepoint", "code", "Time point", "Mättillfälle", timepoints),
        Column(
            "occurrence", "integer", "Number of the assessment at this time point", "Löpnummer inom mättillfället",
            derivation="1, except where a time point repeats with an event or was opened by staff again",
        ),
    )  # fmt: skip


def instrument_column(cut: Cut) -> Column:
    values = tuple((one.code, wording(one, "en").title) for one in cut.used)
    return Column("instrument", "code", "Questionnaire", "Frågeformulär", values)


def participant_cells(member: Member) -> tuple[Cell, ...]:
    return member.study_id, member.site_code, member.facts.arm


def assessment_cells(expected: Expected) -> tuple[Cell, ...]:
    member = expected.member
    return member.study_id, expected.site_code, member.facts.arm, expected.timepoint, expected.occurrence


def item_name(instrument: Instrument, number: int) -> str:
    """c30_q01, br23_q31: item numbers repeat between modules, so the instrument is part of the name."""
    return f"{instrument.code}_q{number:02d}"


def item_label(instrument: Instrument, number: int, language: str) -> str:
    return wording(instrument, language).short[number]


def choice_label(instrument: Instrument, choices: ResponseChoices, code: int) -> str:
    """The English words of an answer; of a row of numbers only the ends have any."""
    return wording(instrument, "en").responses.get(choices.id, {}).get(code, str(code))


def item_values(instrument: Instrument, number: int) -> tuple[tuple[str, str], ...]:
    choices = instrument.choices(number)
    return tuple((str(code), choice_label(instrument, choices, code)) for code in choices.codes)


def scale_label(instrument: Instrument, code: str, language: str) -> str:
    words = wording(instrument, language)
    return words.scales.get(code) or words.summary or code


def scale_codes(instrument: Instrument) -> tuple[str, ...]:
    """All scores of an instrument in the order of scoring: its scales, then the summary."""
    summary = (instrument.summary.code,) if instrument.summary else ()
    return (*(scale.code for scale in instrument.scales), *summary)


def scale_names(instruments: Iterable[Instrument]) -> dict[tuple[str, str], str]:
    """(instrument, scale) → column name: the code in lower case, with the instrument before it where two share one."""
    pairs = [(one.code, code) for one in instruments for code in scale_codes(one)]
    names = [code.lower() for _, code in pairs]
    taken = set(names) | {f"{name}_n" for name in names}
    unambiguous = len(taken) == 2 * len(names)
    return {
        (instrument, code): code.lower() if unambiguous else f"{instrument}_{code.lower()}"
        for instrument, code in pairs
    }
