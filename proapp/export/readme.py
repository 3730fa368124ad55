"""The page a statistician reads first, made for the very study and cut-off that it lies beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from proapp.export.columns import TYPES, Table
from proapp.export.csv_text import instant
from proapp.export.cut import Cut, notice, wording
from proapp.export.keys import label
from proapp.export.small_cells import SMALL, SmallCell
from proapp.study.compliance import DEFINITIONS

WIDTH = 100
_READING = """\
UTF-8, commas, CRLF, decimal points, ISO dates; the first line holds the names. An empty cell is a missing value; \
there is no number that stands for one. codebook.csv says for every column what it holds and when it is empty.
Beside each table in data lies the same as Dataset-JSON 1.1, with labels and types, and null for a missing value.
Text cells that would be taken for a formula by a spreadsheet begin with an apostrophe. To undo it: where a text cell \
matches ^'+[=+@\\t\\r-], remove its first character. Numbers and dates are never changed, nor is \
anything in the JSON files.
Only answers that were sent are exported, of each assessment the primary response set{but_sent}. Answers \
behind a closed gate do not count, and are empty here. Scores are in full precision; compare differences with a \
tolerance of 1e-9.
Where somebody left the trial and forbade the use of answers, the rows stay, the answers and scores are empty, and \
answers_withheld in assessments is 1. The rates count such an assessment as received.
Not in here: names, telephone numbers, addresses, free-text notes{but}. Age and sex are not collected.
The files are stored without compression, so that no version of a compression library can change the bytes."""
_CUT = """\
Cut-off: only what had happened by the end of {day} ({zone}) is in this export, and every status is that of this day. \
The site and the language of a participant are those of that day; labels are those in force when the export is made.
As of: only what was recorded before {known} is known to it. What was entered or corrected later is not, even if it is \
about an earlier day.
The same data, cut-off and as-of give the same bytes, whenever the export is made."""

_IDS = """\
study_id is not the study's own id but one made for the recipient of this file, with the key {key}. Only who holds \
that key can tell whose it is."""
_SMALL = """\
Fewer than {fewest} participants were randomised to some arms at some sites, who could be recognised by somebody who \
knows them: {cells}. Do not publish tables by site and arm."""


def readme(cut: Cut, tables: Sequence[Table], small: Sequence[SmallCell]) -> bytes:
    """README.txt as UTF-8 text with LF line ends."""
    return "".join(f"{line}\n" for line in _lines(cut, tables, small)).encode()


def _lines(cut: Cut, tables: Sequence[Table], small: Sequence[SmallCell]) -> Iterator[str]:
    study = cut.study
    yield from (label(study.title), f"{study.code}, protocol {study.number}; {_when(cut)}", _profile(cut), "")
    yield from _warnings(cut)
    said = _CUT.format(day=cut.day.isoformat(), zone=study.time_zone, known=instant(cut.as_of))
    yield from _section("Cut-off and as-of", said)
    if cut.asked.key_id is not None:
        yield from _section("Ids", _IDS.format(key=cut.asked.key_id))
    if small:
        yield from _section("Small groups", _SMALL.format(fewest=SMALL, cells="; ".join(map(str, small))))
    yield from _section("Tables")
    for table in tables:
        yield from wrap(f"{table.path}: {table.row}. Key: {', '.join(table.key)}.", WIDTH, subsequent_indent="    ")
    yield ""
    yield from _section("Types of columns")
    yield from (f"{name}: {meaning}" for name, meaning in TYPES.items())
    yield ""
    yield from _section("Reading the files", _READING.replace("{but}", _but(cut)).replace("{but_sent}", _but_sent(cut)))
    yield from _section("Rates: definitions", "\n".join(DEFINITIONS["en"]))
    yield from _section("Andelar: definitioner", "\n".join(DEFINITIONS["sv"]))
    yield from _section("Integrity", "SHA256SUMS: check with sha256sum -c SHA256SUMS inside this folder.")


def _but(cut: Cut) -> str:
    return " (but the reasons given in the audit trail)" if cut.asked.profile == "archive" else ""


def _but_sent(cut: Cut) -> str:
    return " (the audit trail tells of the others too)" if cut.asked.profile == "archive" else ""


def _profile(cut: Cut) -> str:
    asked = cut.asked
    said = f"profile {asked.profile}{f' {asked.site}' if asked.site else ''}"
    return said if asked.arms else f"{said}; who is in which arm is left out"


def _when(cut: Cut) -> str:
    return f"cut-off {cut.day.isoformat()}, as of {instant(cut.as_of)}"


def _warnings(cut: Cut) -> Iterator[str]:
    if cut.study.demo:
        yield "DEMONSTRATION: this study file is marked as one."
    if cut.study.example:
        yield "Time points, windows and instruments are an example, to be replaced by those of the protocol."
    for one in cut.used:
        title = wording(one, "en").title
        said = notice(one) or "validated"
        yield f"{one.code} {one.version}, {title}: {said}."
        if one.population:
            yield from wrap(one.population, WIDTH, initial_indent="    ", subsequent_indent="    ")
    yield ""


def _section(title: str, text: str = "") -> Iterator[str]:
    yield from (title, "-" * len(title))
    for paragraph in text.splitlines():
        yield from wrap(paragraph, WIDTH)
    if text:
        yield ""
