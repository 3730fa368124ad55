"""Compliance: how complete the answers are, both rates with their denominators and every count behind them.

The page, the file behind its link and the export are made from the same counts. Site staff see their own sites, and
nobody but statistician and coordinator sees the arms apart.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from flask_babel import format_decimal, format_percent, gettext, lazy_gettext
from wtforms import DateField, SelectChoice, SelectField
from wtforms.validators import StopValidation

from proapp.export import compliance as table
from proapp.export.csv_text import TableWriter
from proapp.export.cut import Cut
from proapp.services import exporting, former_sites
from proapp.services.errors import Refused
from proapp.study.compliance import DEFINITIONS, UNEXPLAINED, Flow
from proapp.study.reasons import STRUCTURAL_REASONS
from proapp.web.context import in_language
from proapp.web.forms import Form
from proapp.web.guard import audience, staff
from proapp.web.i18n import language
from proapp.web.staff import blueprint
from proapp.web.staff.presenters import words
from proapp.web.transactions import database, runtime, today

READERS = ("coordinator", "monitor", "statistician", "nurse", "investigator")
TIMINGS: Mapping[str, Any] = {
    "early": lazy_gettext("before the window"),
    "in_window": lazy_gettext("in the window"),
    "late": lazy_gettext("late"),
    "out_of_window": lazy_gettext("after the window"),
}
NOT_A_DATE = lazy_gettext("Write a date such as 2027-03-29.")
IN_FUTURE = lazy_gettext("This day is still to come. Choose today or an earlier day.")


class CutOff(DateField):
    """The last day that counts: today at the latest."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(lazy_gettext("Cut-off date"), **kwargs)

    def process_formdata(self, valuelist: Any) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(str(NOT_A_DATE)) from None

    def pre_validate(self, form: Any) -> None:
        if self.process_errors:
            raise StopValidation
        if self.data is None:
            raise StopValidation(str(NOT_A_DATE))
        try:
            exporting.check_cut_off(self.data, today=today())
        except Refused:
            raise StopValidation(str(IN_FUTURE)) from None


class Arms(SelectField):
    """Any other word in the address means all together."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [
            SelectChoice("", lazy_gettext("All together")),
            SelectChoice("arm", lazy_gettext("Each arm apart")),
        ]
        super().__init__(lazy_gettext("Arms"), choices=choices, **kwargs)

    def pre_validate(self, form: Any) -> None:
        if self.data != "arm":
            self.data = ""


class ComplianceFilter(Form):
    """Lives in the address, so it carries no form token."""

    class Meta(Form.Meta):
        csrf = False

    cutoff = CutOff()
    by = Arms()

    @property
    def by_arm(self) -> bool:
        return bool(self.by.data == "arm") and staff().role in exporting.SEES_ARMS


@dataclass(frozen=True, slots=True)
class Share:
    """A rate in words, and the numbers it is made of. `percent` is a dash where nothing is divided by."""

    percent: str
    part: int
    whole: int


@dataclass(frozen=True, slots=True)
class Rates:
    label: str
    completion: Share
    available: Share
    available_reached: Share


@dataclass(frozen=True, slots=True)
class CountRow:
    """One count over all time points; `under` belongs to the row above it, of which it is a part."""

    label: str
    cells: tuple[str, ...]
    under: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """All arms together, or one arm."""

    code: str
    label: str
    timepoints: tuple[str, ...]
    rates: tuple[Rates, ...]
    counts: tuple[CountRow, ...]


@blueprint.get("/compliance")
@audience(*READERS)
def compliance() -> Response:
    form = _filter()
    if not form.validate():
        return make_response(render_template("staff/compliance.html", form=form, groups=(), **_frame(form)), 422)
    groups = tuple(_groups(_flows(form.cutoff.data), by_arm=form.by_arm))
    return make_response(render_template("staff/compliance.html", form=form, groups=groups, **_frame(form)))


@blueprint.get("/compliance.csv")
@audience(*READERS)
def compliance_csv() -> Response:
    form = _filter()
    if not form.validate():
        return make_response(render_template("staff/compliance.html", form=form, groups=(), **_frame(form)), 422)
    cut_off: date = form.cutoff.data
    text = io.StringIO(newline="")
    writer = TableWriter(text, table.table(Cut(runtime().study, runtime().instruments, exporting.Asked(cut_off))))
    for row in table.rows(_flows(cut_off), runtime().study, by_arm=form.by_arm):
        writer.write(row)
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"compliance_{cut_off}.csv")
    return response


def _filter() -> ComplianceFilter:
    return ComplianceFilter(request.args if "cutoff" in request.args else None, data={"cutoff": today(), **_asked()})


def _asked() -> Mapping[str, str]:
    return {"by": request.args.get("by", "")}


def _frame(form: ComplianceFilter) -> Mapping[str, Any]:
    cut_off, sites = form.cutoff.data, staff().sites
    names = [site.name for site in runtime().study.sites if sites is not None and site.code in sites]
    asked = {"cutoff": cut_off, "by": "arm" if form.by_arm else None}
    return {
        "cut_off": cut_off,
        "definitions": DEFINITIONS.get(language(), DEFINITIONS["en"]),
        "definitions_language": language() if language() in DEFINITIONS else "en",
        "file": url_for("staff.compliance_csv", **asked),
        "may_see_arms": staff().role in exporting.SEES_ARMS,
        "own_sites": ", ".join(names),
    }


def _flows(cut_off: date) -> table.Flows:
    study = runtime().study
    found = former_sites.load_responsible(database(), study=study, sites=staff().sites, today=cut_off, cut_off=cut_off)
    return table.flows(found, study)


def _groups(flows: table.Flows, *, by_arm: bool) -> Iterator[Group]:
    study = runtime().study
    arms = [(arm.code, in_language(arm.label)) for arm in study.arms if by_arm]
    for arm, label in ((None, gettext("All arms together")), *arms):
        points = [(point, flows[point.code, arm]) for point in study.timepoints if (point.code, arm) in flows]
        counts = [flow for _, flow in points]
        yield Group(
            code=arm or table.ALL_ARMS,
            label=label,
            timepoints=tuple(in_language(point.label) for point, _ in points),
            rates=tuple(_rates(in_language(point.label), flow) for point, flow in points),
            counts=tuple(_counts(counts)),
        )


def _rates(label: str, flow: Flow) -> Rates:
    return Rates(
        label,
        _share(flow.completion_rate, flow.accepted, flow.expected_reached),
        _share(flow.available_data_rate, flow.accepted, flow.population),
        _share(flow.available_data_rate_reached, flow.accepted, flow.reached),
    )


def _share(rate: float | None, part: int, whole: int) -> Share:
    return Share("–" if rate is None else format_percent(rate), part, whole)


def _counts(flows: Sequence[Flow]) -> Iterator[CountRow]:
    """Every count of the definition, in the order of the identity; reasons that nobody gave have no row."""
    yield _row(gettext("Population"), [flow.population for flow in flows])
    yield _row(gettext("Time point not reached"), [flow.not_reached for flow in flows])
    yield _row(gettext("Pending, no date yet"), [flow.pending for flow in flows])
    yield _row(gettext("Not expected"), [flow.not_expected.total() for flow in flows])
    yield from _reasons([flow.not_expected for flow in flows], STRUCTURAL_REASONS, words.NOT_EXPECTED)
    yield _row(gettext("Expected"), [flow.expected for flow in flows])
    yield _row(gettext("Answers received"), [flow.received for flow in flows])
    for timing, label in TIMINGS.items():
        yield _row(str(label), [flow.timing[timing] for flow in flows], under=True)
    yield _row(gettext("of these, no core scale can be scored"), [flow.received_invalid for flow in flows], under=True)
    yield _row(gettext("Received, valid and in the window"), [flow.accepted for flow in flows])
    yield _row(gettext("Missing"), [flow.missing_total for flow in flows])
    yield from _reasons([flow.missing for flow in flows], tuple(words.REASONS), words.REASONS)
    yield _row(gettext("no reason recorded"), [flow.unexplained for flow in flows], under=True)


def _reasons(counts: Sequence[Counter[str]], known: Sequence[str], named: Mapping[str, Any]) -> Iterator[CountRow]:
    """A row for each reason that was given at any time point, those the house knows first and in its order."""
    given = {code for one in counts for code in one if one[code]} - {UNEXPLAINED}
    for code in (*(code for code in known if code in given), *sorted(given.difference(known))):
        yield _row(str(named.get(code, code)), [one[code] for one in counts], under=True)


def _row(label: str, values: Sequence[int], *, under: bool = False) -> CountRow:
    return CountRow(label, tuple(format_decimal(value) for value in values), under)
