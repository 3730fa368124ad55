"""A pack's structure as far as it could be read, for the checks that look across entries.

A faulty entry must not hide the faults of the others, nor cause follow-up complaints ("unknown item 7") only because
item 7 has a typing error of its own. So a draft keeps the entries that are good in themselves, and beside them the
numbers and codes of all that were declared.
"""

from collections.abc import Iterator, Sized
from dataclasses import dataclass, field
from typing import Any, Literal

from proapp.instruments.definition_file import Model, read_entry
from proapp.instruments.model import Header, Item, ResponseChoices, Scale, Summary
from proapp.instruments.problems import Problem

SECTIONS = ("items", "responses", "scales", "summary")


@dataclass
class Draft:
    """The good entries of one instrument.toml, what it declares in all, and what is wrong with single entries."""

    file: str
    raw: dict[str, Any]
    header: Header | None = None
    items: list[Item] = field(default_factory=list)
    responses: list[ResponseChoices] = field(default_factory=list)
    scales: list[Scale] = field(default_factory=list)
    summary: Summary | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def languages(self) -> list[str]:
        """The declared languages, readable even when another line of the header is faulty."""
        declared = self.raw.get("languages")
        return [name for name in declared if isinstance(name, str)] if isinstance(declared, list) else []

    @property
    def item_numbers(self) -> list[int]:
        return [entry["number"] for entry in self._entries("items") if isinstance(entry.get("number"), int)]

    @property
    def scale_codes(self) -> list[str]:
        return [entry["code"] for entry in self._entries("scales") if isinstance(entry.get("code"), str)]

    @property
    def response_ids(self) -> set[str]:
        declared = self.raw.get("responses")
        return set(declared) if isinstance(declared, dict) else set()

    def _entries(self, section: str) -> Iterator[dict[str, Any]]:
        declared = self.raw.get(section)
        return (entry for entry in declared if isinstance(entry, dict)) if isinstance(declared, list) else iter(())

    def is_sure_of(self, section: Literal["items", "responses", "scales"]) -> bool:
        """Whether every declared entry of the section is good in itself; else some of what it says is unknown."""
        if section == "responses":
            return len(self.responses) == len(self.response_ids)
        values: Sized = self.items if section == "items" else self.scales
        return len(values) == len(list(self._entries(section)))

    def read(self, model: type[Model], entry: object, path: str) -> Model | None:
        value, problems = read_entry(model, entry, file=self.file, path=path)
        self.problems.extend(problems)
        return value

    def read_list(self, model: type[Model], section: str, key: str) -> list[Model]:
        """All good tables of `[[section]]`; a faulty one is named by its `key`, or by its place when it has none."""
        declared = self.raw.get(section)
        if not isinstance(declared, list) or not declared:
            self.problems.append(Problem(self.file, section, f"is missing; there must be at least one [[{section}]]"))
            return []
        values = []
        for place, entry in enumerate(declared, start=1):
            name = entry.get(key) if isinstance(entry, dict) else None
            path = f"{section}[{place}]" if name is None else f"{section}.{name}"
            values.append(self.read(model, entry, path))
        return [value for value in values if value is not None]

    def read_responses(self) -> list[ResponseChoices]:
        """All good `[responses.<id>]` tables, each with its id as a field."""
        declared = self.raw.get("responses")
        if not isinstance(declared, dict) or not declared:
            self.problems.append(Problem(self.file, "responses", "is missing; there must be a [responses.<name>]"))
            return []
        values = []
        for name, entry in declared.items():
            named = {**entry, "id": name} if isinstance(entry, dict) else entry
            values.append(self.read(ResponseChoices, named, f"responses.{name}"))
        return [value for value in values if value is not None]


def read_draft(raw: dict[str, Any], file: str) -> Draft:
    """The draft of the parsed instrument.toml `raw`, with the problems of its single entries."""
    draft = Draft(file, raw)
    header = {key: value for key, value in raw.items() if key not in SECTIONS}
    draft.header = draft.read(Header, header, "")
    draft.responses = draft.read_responses()
    draft.items = draft.read_list(Item, "items", "number")
    draft.scales = draft.read_list(Scale, "scales", "code")
    if "summary" in raw:
        draft.summary = draft.read(Summary, raw["summary"], "summary")
    return draft
