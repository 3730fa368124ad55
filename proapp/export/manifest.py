"""The manifest: which files, made from what, by which version of everything. Nothing in it depends on clock or machine,
so equal data give an equal manifest; who made an export, and when, is in the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from proapp.export.columns import Table
from proapp.export.csv_text import instant
from proapp.export.cut import Cut, notice
from proapp.export.flags import ACCEPTED_TIMING
from proapp.export.items import ITEM_STATUS
from proapp.export.scores import BASELINE_RULE
from proapp.instruments.deterioration import DAYS_PER_MONTH, DEATH_RULES, DEFINITIONS, THRESHOLDS
from proapp.instruments.model import Instrument
from proapp.version import __version__

BUNDLE_VERSION = 2


class FileSummary(NamedTuple):
    """One file of the bundle; rows do not count the header, and only tables have rows and columns."""

    path: str
    bytes: int
    sha256: str
    rows: int | None = None
    columns: int | None = None


def manifest(cut: Cut, tables: Iterable[Table], files: Iterable[FileSummary]) -> bytes:
    """The manifest as JSON text, keys in a fixed order."""
    study = cut.study
    said: dict[str, Any] = {
        "bundle_version": BUNDLE_VERSION,
        "proapp_version": __version__,
        "cut_off": cut.day.isoformat(),
        "as_of": instant(cut.as_of),
        "profile": cut.asked.profile,
        "site": cut.asked.site,
        "arms": "included" if cut.asked.arms else "left out",
        "pseudonym_key": cut.asked.key_id,
        "time_zone": study.time_zone,
        "knowledge": "what had happened by the end of the cut-off day in that time zone, as recorded before as_of",
        "study": {
            "code": study.code,
            "registry": study.registry,
            "protocol": study.number,
            "content_hash": study.content_hash,
            "demonstration": study.demo,
            "example": study.example,
        },
        "instruments": {one.code: _instrument(one) for one in cut.used},
        "derivation": {
            "baseline": BASELINE_RULE,
            "change_thresholds": list(THRESHOLDS),
            "deterioration": {
                "definitions": list(DEFINITIONS),
                "thresholds": list(THRESHOLDS),
                "death": list(DEATH_RULES),
                "days_per_month": DAYS_PER_MONTH,
            },
            "stop_before": study.death_before,
            "valid": "at least one scale of a core instrument can be scored",
            "accepted_timing": sorted(ACCEPTED_TIMING),
        },
        "missing": {"csv": "an empty cell", "items_long.status": dict(ITEM_STATUS)},
        "formula_guard": "text cells that begin with ' followed by = + - @, tab or carriage return: drop the first '",
        "keys": {table.name: list(table.key) for table in tables},
        "files": [{key: value for key, value in file._asdict().items() if value is not None} for file in files],
    }
    return (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode()


def _instrument(instrument: Instrument) -> dict[str, Any]:
    return {
        "version": instrument.version,
        "content_hash": instrument.content_hash,
        "algorithm": instrument.algorithm_version,
        "core": instrument.core,
        "validated": instrument.validated,
        "notice": notice(instrument) or None,
        "licence": instrument.licence.reference or instrument.licence.kind,
    }
