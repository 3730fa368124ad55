"""The grid in words: a letter, an icon, a tone and a sentence per cell. Two hundred participants make 1,400 cells, so
whatever does not differ between them is worded once per page, and days are written as 2027-03-14."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext

from proapp.services.cohort import Expected, Member
from proapp.services.overview import Count, Grid, count_of, mark
from proapp.study.status import is_closing, last_day, stop_of
from proapp.web.staff.presenters import words
from proapp.web.staff.presenters.words import Background


@dataclass(slots=True)
class Cell:
    """`words` is what a screen reader says, `title` what a pointer shows; `css` the tone, and whether it closes soon.
    What nobody has been asked yet has no address: a thousand links to nothing would be in the way of the keyboard."""

    address: str
    letter: str
    icon: str
    css: str
    words: str
    title: str


@dataclass(slots=True)
class GridRow:
    study_id: str
    address: str
    site: str
    randomised: str
    cells: list[Cell | None]
    count: str
    flag: str


@dataclass(frozen=True, slots=True)
class Column:
    """A time point; `share` is the answered of the expected so far, in per cent, empty while nothing is expected."""

    label: str
    short: str
    count: str
    share: str


@dataclass(frozen=True, slots=True)
class LegendEntry:
    code: str
    letter: str
    icon: str
    tone: str
    words: str


class GridWords:
    """Everything on the page that is the same for many cells, worded once."""

    def __init__(self, on: Background) -> None:
        self.on = on
        self.marks = {
            code: (str(mark.letter), mark.icon, mark.tone, str(mark.words)) for code, mark in words.MARKS.items()
        }
        self.reasons = {code: str(text) for code, text in words.REASONS.items()}
        self.not_expected = {code: str(text) for code, text in words.NOT_EXPECTED.items()}
        self.sites = {site.code: site.name for site in on.study.sites}
        self.until = gettext("until %(day)s")
        self.opens = gettext("opens %(day)s")
        self.closing = gettext("closes soon")
        self.flags = {
            "death": gettext("died"),
            "trial_withdrawal": gettext("left the trial"),
            "pro_stop": gettext("stopped"),
        }
        self.moved = gettext("moved on")
        self.not_randomised = gettext("not yet")

    def rows(self, grid: Grid) -> Iterator[GridRow]:
        base = url_for("staff.participant", study_id="-")[:-1]
        for member, cells in grid.rows:
            yield self._row(member, cells, base + member.study_id)

    def columns(self, grid: Grid) -> list[Column]:
        return [
            Column(self.on.label(*key), short(self.on, *key), ratio(count), share(count))
            for key, count in zip(grid.columns, grid.counts, strict=True)
        ]

    def legend(self) -> list[LegendEntry]:
        """Every sign once; a date not known yet looks like one still to come."""
        return [LegendEntry(code, *mark) for code, mark in self.marks.items() if code != "unscheduled"]

    def _row(self, member: Member, cells: tuple[Expected | None, ...], address: str) -> GridRow:
        randomized_on = member.facts.randomized_on
        _, stop = stop_of(member.facts, today=self.on.today)
        return GridRow(
            study_id=member.study_id,
            address=address,
            site=self._site(member),
            randomised=randomized_on.isoformat() if randomized_on else self.not_randomised,
            cells=[self._cell(one, address) if one else None for one in cells],
            count=ratio(count_of(member.assessments)),
            flag=self.moved if member.periods is not None else self.flags.get(stop or "", ""),
        )

    def _site(self, member: Member) -> str:
        """The site; for a reader of a former one, that one."""
        code = member.periods[-1].site if member.periods else member.site_code
        return self.sites.get(code, code)

    def _cell(self, assessment: Expected, address: str) -> Cell:
        letter, icon, tone, named = self.marks[mark(assessment.state)]
        more = self._more(assessment)
        if is_closing(assessment.state, assessment.facts, today=self.on.today):
            tone, letter, more = f"{tone} closing", f"{letter}!", f"{more}, {self.closing}"
        quiet = assessment.state.phase == "BEFORE" and assessment.state.collection == "NONE"
        title = f"{named}, {more}" if more else named
        return Cell("" if quiet else f"{address}#a{assessment.id}", letter, icon, tone, named, title)

    def _more(self, assessment: Expected) -> str:
        state, facts = assessment.state, assessment.facts
        if state.collection == "SUBMITTED":
            return str(facts.completed_on or "")
        if state.not_expected_reason:
            return self.not_expected.get(state.not_expected_reason, state.not_expected_reason)
        if state.reason_code:
            return self.reasons.get(state.reason_code, state.reason_code)
        if state.phase == "BEFORE":
            return self.opens % {"day": facts.opens_on} if facts.opens_on else ""
        last = facts.closes_on if state.phase in ("OPEN", "DUE") else last_day(facts)
        return self.until % {"day": last} if last and state.phase != "CLOSED" else str(last or "")


def short(on: Background, timepoint: str, occurrence: int = 1) -> str:
    """The head of a narrow column: 0 for the baseline, else the months; the code where neither fits, with its number
    where it repeats."""
    known = on.study.timepoints_by_code.get(timepoint)
    if known is None or known.kind not in ("baseline", "scheduled"):
        return f"{timepoint} {occurrence}" if occurrence > 1 else timepoint
    return "0" if known.kind == "baseline" else str(known.months) if known.months and not known.days else timepoint


def ratio(count: Count) -> str:
    """12/15, always with its denominator."""
    return f"{count.answered}/{count.expected}"


def share(count: Count) -> str:
    return f"{100 * count.answered / count.expected:.0f} %" if count.expected else ""


def filter_choices(on: Background, sites: frozenset[str] | None) -> Mapping[str, list[tuple[str, str]]]:
    """What the filter offers: (value, words), with the words for everything first."""
    own = [site for site in on.study.sites if sites is None or site.code in sites]
    return {
        "site": [("", gettext("All sites")), *((site.code, site.name) for site in own)],
        "status": [("", gettext("Every status")), *((code, str(mark.words)) for code, mark in words.MARKS.items())],
        "timepoint": [("", gettext("All time points")), *((tp.code, on.label(tp.code)) for tp in on.study.timepoints)],
    }
