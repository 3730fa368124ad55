"""What an export is made of: a study, its instruments, the last local day that counts, and what was known when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Literal

from proapp.instruments.model import Instrument, Wording
from proapp.services.cohort import Expected
from proapp.services.exporting import Asked
from proapp.study.model import Study
from proapp.study.schedule import close_instant
from proapp.study.versions import numbered

NOT_VALIDATED = "not validated, not an EORTC instrument"


class Unexportable(Exception):
    """Stored answers do not fit the instruments: `not_installed` or `other_version`. Holds no answer itself."""

    def __init__(self, code: Literal["not_installed", "other_version"], expected: Expected, instrument: str) -> None:
        self.code, self.instrument = code, instrument
        self.study_id, self.timepoint = expected.member.study_id, expected.timepoint
        super().__init__(
            f"{self.study_id}, {self.timepoint}: the answers were given to {instrument}, "
            + ("which is not installed." if code == "not_installed" else "and do not fit the version installed.")
        )


@dataclass(frozen=True)
class Cut:
    """Only what had happened by the end of the local day `day`, and was recorded before `as_of`, is exported."""

    study: Study
    instruments: Mapping[str, Instrument]
    asked: Asked

    @property
    def day(self) -> date:
        return self.asked.cut_off

    @cached_property
    def end(self) -> datetime:
        """The midnight that ends the cut-off day, in UTC."""
        return close_instant(self.day, self.study.zone())

    @cached_property
    def as_of(self) -> datetime:
        """What was recorded before this moment is known."""
        return self.asked.as_of or self.end

    @cached_property
    def used(self) -> tuple[Instrument, ...]:
        """The instruments of the study, in its order."""
        return tuple(self.instruments[code] for code in self.study.instruments)

    def instruments_of(self, assessment: Expected) -> tuple[Instrument, ...]:
        """What was, or is to be, asked: the packs pinned when it was started, else those of the time point."""
        version = numbered(self.study, assessment.protocol_version)
        timepoint = version.timepoints_by_code.get(assessment.timepoint)
        planned = timepoint.instruments if timepoint else ()
        codes = planned if assessment.primary is None else _pinned(planned, assessment.primary.packs)
        missing = [code for code in codes if code not in self.instruments]
        if missing:
            raise Unexportable("not_installed", assessment, missing[0])
        return tuple(self.instruments[code] for code in codes)


def _pinned(planned: tuple[str, ...], packs: Mapping[str, object]) -> tuple[str, ...]:
    """The pinned packs, those the time point names in its order first."""
    return (*(code for code in planned if code in packs), *sorted(code for code in packs if code not in planned))


def wording(instrument: Instrument, language: str) -> Wording:
    """The words of an instrument in a language, or else in the first it has."""
    return instrument.wording.get(language) or instrument.wording[instrument.languages[0]]


def notice(instrument: Instrument) -> str:
    """What must be said wherever numbers of this instrument are read; empty for a validated one."""
    if instrument.validated:
        return ""
    if instrument.licence.kind == "original":
        return NOT_VALIDATED
    return wording(instrument, "en").notice or "not validated"
