"""What one version of a study changes against another, and what that (or a corrected anchor) does to the assessments of
each participant: in a fixed order, as one canonical text with one hash, so that two people can be sure to speak of the
same thing."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from proapp.study.effects import Effect, effects
from proapp.study.model import Study
from proapp.study.pairing import NOTHING_EARLIER, Earlier, Row
from proapp.study.schedule import Anchors, PlannedAssessment
from proapp.study.versions import Chain, InForce, chain

Area = Literal["version", "timepoints", "windows", "reminders", "instruments", "texts", "sites", "arms", "rules"]
CODED = ("timepoints", "sites", "arms")
_TOP: Mapping[str, Area] = {
    "number": "version",
    "approved_on": "version",
    "effective_from": "version",
    "title": "texts",
    "note": "texts",
    "safety": "texts",
    "follow_up": "reminders",
    "sites": "sites",
    "arms": "arms",
}
_OF_A_TIMEPOINT: Mapping[str, Area] = {
    "label": "texts",
    "before_days": "windows",
    "after_days": "windows",
    "grace_days": "windows",
    "instruments": "instruments",
    "reminders": "reminders",
}
ORDER: tuple[Area, ...] = (
    "version", "timepoints", "windows", "instruments", "reminders", "texts", "sites", "arms", "rules",
)  # fmt: skip


class StudyChange(NamedTuple):
    """One difference between two study files. `place` is written as in the problems of `proapp check`; `old` is None
    where the new file adds something, `new` where it takes something out. Values are those of JSON."""

    area: Area
    place: str
    old: Any
    new: Any


class Obstacle(NamedTuple):
    """Why a file cannot be an amendment of the other: a place in it, and a stable code (see SENTENCES)."""

    place: str
    code: str


SENTENCES: Mapping[str, str] = {
    "other_study": "is the code of another study",
    "same_number": "is the number of a version that exists; an amendment has a number of its own",
    "demo_changed": "a demonstration stays one, and a trial never becomes one",
    "baseline_renamed": "the baseline keeps its code: answers are stored under it",
    "kind_changed": "cannot change for a time point that exists; give the new one a new code",
    "arm_removed": "participants are randomised to it; an arm stays in the file",
    "site_removed": "has participants or may have had; set closed_on instead",
}


class Person(NamedTuple):
    """A participant as far as an amendment concerns one: what is planned, and from which day another version holds."""

    study_id: str
    site: str
    rows: Sequence[Row]
    anchors: Anchors
    earlier: Earlier = NOTHING_EARLIER


class Touched(NamedTuple):
    """A participant with everything that becomes of their assessments."""

    study_id: str
    site: str
    effects: tuple[Effect, ...]

    @property
    def told(self) -> tuple[Effect, ...]:
        """What is worth a line: not what stays as it is."""
        return tuple(one for one in self.effects if one.kind != "keep" or one.changes)


@dataclass(frozen=True, slots=True)
class Diff:
    """Everything a proposal would do. `sites` says from which day each of them works by the new version."""

    study: tuple[StudyChange, ...]
    participants: tuple[Touched, ...]
    sites: Mapping[str, date] | None = None

    @property
    def counts(self) -> Counter[str]:
        """Assessments by kind of effect; `anchor_mismatch` beside them."""
        found: Counter[str] = Counter(one.kind for person in self.participants for one in person.effects)
        found["anchor_mismatch"] = sum(one.anchor_mismatch for person in self.participants for one in person.effects)
        return found

    def canonical(self) -> str:
        """The one text of it: sorted keys, no spaces, dates in ISO 8601. Participants by study id."""
        said = {
            "sites": {code: day.isoformat() for code, day in (self.sites or {}).items()},
            "study": [list(change) for change in self.study],
            "participants": [
                {"study_id": one.study_id, "site": one.site, "effects": [plain(effect) for effect in one.told]}
                for one in sorted(self.participants, key=lambda one: one.study_id)
                if one.told
            ],
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()


def plain(effect: Effect) -> dict[str, Any]:
    """The effect in the types of JSON."""
    return {
        "kind": effect.kind,
        "timepoint": effect.timepoint,
        "occurrence": effect.occurrence,
        "old": _dates(effect.old),
        "new": _dates(effect.new),
        "cancelled": effect.cancelled,
        "version": [effect.old_version, effect.version],
        "anchor_mismatch": effect.anchor_mismatch,
    }


def _dates(planned: PlannedAssessment | None) -> list[str | None] | None:
    """target, opens, closes, late until."""
    if planned is None:
        return None
    days = (planned.target_on, planned.opens_on, planned.closes_on, planned.late_until)
    return [day.isoformat() if day else None for day in days]


# --- what it does to participants -----------------------------------------------------------------------------------


def amendment(study: Study, old: Study, new: Study, people: Iterable[Person], sites: Mapping[str, date]) -> Diff:
    """What `new` changes against the version before it (`old`), and does to those of `people` whose site is among
    `sites`, from that site's day on. `study` knows by which versions the sites work now."""
    touched = [
        Touched(
            one.study_id,
            one.site,
            effects(
                following(chain(study, one.site), new, sites[one.site]),
                one.rows,
                one.anchors,
                earlier=one.earlier,
                against=new,
            ),
        )
        for one in people
        if one.site in sites
    ]
    return Diff(study_changes(old, new), tuple(touched), dict(sorted(sites.items())))


def following(before: Chain, new: Study, active_from: date) -> Chain:
    """The chain of a site that works by `new` from that day on."""
    return (*(one for one in before if one.study.number != new.number), InForce(active_from, new))


def correction(site_chain: Chain, person: Person) -> Diff:
    """What other anchors (those of `person`) do to the assessments that have rows."""
    found = effects(site_chain, person.rows, person.anchors, earlier=person.earlier)
    return Diff((), (Touched(person.study_id, person.site, found),))


# --- what it changes in the file ------------------------------------------------------------------------------------


def study_changes(old: Study, new: Study) -> tuple[StudyChange, ...]:
    """Every difference of meaning, by area and in the order of the new file."""
    found = list(_differences("", old.model_dump(mode="json"), new.model_dump(mode="json")))
    return tuple(sorted(found, key=lambda change: ORDER.index(change.area)))


def _differences(place: str, old: Any, new: Any) -> Iterator[StudyChange]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*new, *old)):
            where = f"{place}.{key}" if place else key
            before, after = old.get(key), new.get(key)
            if where in CODED and before and after:
                yield from _entries(key, before, after)
            else:
                yield from _differences(where, before, after)
    else:
        yield StudyChange(_area(place), place, _short(place, old), _short(place, new))


def _entries(table: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[StudyChange]:
    before, after = {one["code"]: one for one in old}, {one["code"]: one for one in new}
    for code in dict.fromkeys((*after, *before)):
        place = f"{table}[{code}]"
        if code in before and code in after:
            yield from _differences(place, before[code], after[code])
        else:
            yield StudyChange(_area(place), place, before.get(code), after.get(code))
    kept, now = [code for code in before if code in after], [code for code in after if code in before]
    if kept != now:
        yield StudyChange(_area(table), table, kept, now)


def _area(place: str) -> Area:
    top, _, rest = place.partition(".")
    if top.startswith("timepoints"):
        return _OF_A_TIMEPOINT.get(rest.partition(".")[0], "timepoints")
    return _TOP.get(top.partition("[")[0], "rules")


def _short(place: str, value: Any) -> Any:
    """Reminder steps in one word each, as they are spoken of: target+3 sms."""
    if isinstance(value, list) and place.endswith(".reminders"):
        return [_step(one) for one in value]
    return value


def _step(reminder: Mapping[str, Any]) -> str:
    words = (f"{reminder['relative_to']}{reminder['days']:+d}", reminder["channel"], reminder.get("at") or "")
    return " ".join(words).strip()


def obstacles(old: Study, new: Study) -> tuple[Obstacle, ...]:
    """Everything for which `new` cannot follow `old`, because rows that exist would lose their meaning."""
    return tuple(_obstacles(old, new))


def _obstacles(old: Study, new: Study) -> Iterator[Obstacle]:
    if new.code != old.code:
        yield Obstacle("code", "other_study")
    if new.number == old.number:
        yield Obstacle("number", "same_number")
    if new.demo != old.demo:
        yield Obstacle("demo", "demo_changed")
    if new.baseline.code != old.baseline.code:
        yield Obstacle(f"timepoints[{new.baseline.code}].code", "baseline_renamed")
    for timepoint in new.timepoints:
        before = old.timepoints_by_code.get(timepoint.code)
        for key in ("kind", "anchor"):
            if before is not None and getattr(before, key) != getattr(timepoint, key):
                yield Obstacle(f"timepoints[{timepoint.code}].{key}", "kind_changed")
    for table, code in (("arms", "arm_removed"), ("sites", "site_removed")):
        kept = {one.code for one in getattr(new, table)}
        yield from (Obstacle(f"{table}[{one.code}]", code) for one in getattr(old, table) if one.code not in kept)
