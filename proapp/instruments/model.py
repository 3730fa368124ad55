"""An instrument as frozen values: items, response sets, gates, scales and the words of each language.

A pack is read once at start-up and shared by every request, so nothing here may change afterwards and lookups must cost
nothing. Structure is common to all languages; wording is kept apart, so that a translation can never alter what a score
means.
"""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(pattern=r"\S")]
ScaleCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$")]
PackCode = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]


class Value(BaseModel):
    """Base of all definition values: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Licence(Value):
    """Who owns the wording, and under which agreement it is used here (`reference` is required for a licensed pack)."""

    kind: Literal["original", "licensed"]
    holder: Text
    reference: Text | None = None


class Gate(Value):
    """The item is asked when the answer to `item` is greater than `above`."""

    item: int
    above: int


class Item(Value):
    """One question, by its printed number (modules continue after the core, so numbers repeat between modules)."""

    number: Annotated[int, Field(ge=1)]
    concept: Slug
    responses: Slug
    recall: Slug | None = None
    gate: Gate | None = None


class ResponseChoices(Value):
    """The codes that may be answered, contiguous and ascending.

    A `list` labels every code; `tiles` are a row of numbers of which only the two ends carry a label.
    """

    id: Slug
    codes: Annotated[tuple[int, ...], Field(min_length=2)]
    layout: Literal["list", "tiles"] = "list"

    @property
    def lowest(self) -> int:
        return self.codes[0]

    @property
    def highest(self) -> int:
        return self.codes[-1]

    @property
    def span(self) -> int:
        """The range of the scoring formulas: highest minus lowest code."""
        return self.codes[-1] - self.codes[0]

    @property
    def labelled(self) -> tuple[int, ...]:
        """The codes that carry words: all of a list, only both ends of a row of tiles."""
        return self.codes if self.layout == "list" else (self.lowest, self.highest)


class Scale(Value):
    """One score. `formula` says how it is computed, `high_is` what it means; the two are independent on purpose.

    (Sexual functioning of BR23 is a functional scale by meaning, and uses the symptom formula.)
    """

    code: ScaleCode
    kind: Literal["function", "symptom", "global"]
    formula: Literal["function", "symptom"]
    items: Annotated[tuple[int, ...], Field(min_length=1)]
    high_is: Literal["good", "bad"]

    @property
    def needs(self) -> int:
        """The half rule: how many items must be answered before the scale may be scored (half of them, rounded up)."""
        return (len(self.items) + 1) // 2


class Summary(Value):
    """A mean of scales: `function_scales` as they are, `symptom_scales` as 100 minus the score. All must be present."""

    code: ScaleCode
    function_scales: tuple[ScaleCode, ...]
    symptom_scales: tuple[ScaleCode, ...]

    @property
    def high_is(self) -> Literal["good"]:
        return "good"


class Wording(Value):
    """All words of one language.

    `short` are the items as they appear in the review list. `notice` tells what the questionnaire is not; it is there
    whenever the pack is not validated.
    """

    title: Text
    introduction: Text
    notice: Text | None = None
    items: dict[int, str]
    short: dict[int, str]
    responses: dict[str, dict[int, str]]
    recalls: dict[str, str] = {}
    scales: dict[str, str]
    summary: Text | None = None


class Header(Value):
    """What an instrument says about itself, apart from its items and scales.

    `core` marks the questionnaire that modules are added to; `minutes` is the time an average patient needs; `source`
    and `population` say where structure and scoring come from and for whom they were shown to work.
    """

    code: PackCode
    version: Text
    algorithm_version: Text
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    licence: Licence
    validated: bool
    core: bool
    minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    source: Text
    population: Text | None = None


class Instrument(Header):
    """A complete, checked questionnaire. Made by `load.load_pack` only; equal content has an equal `content_hash`."""

    items: tuple[Item, ...]
    responses: dict[str, ResponseChoices]
    scales: tuple[Scale, ...]
    summary: Summary | None
    wording: dict[str, Wording]
    content_hash: str

    def __hash__(self) -> int:
        return hash(self.content_hash)

    @cached_property
    def items_by_number(self) -> dict[int, Item]:
        return {item.number: item for item in self.items}

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The printed item numbers in the order in which they are asked; also the column order of `score_columns`."""
        return tuple(item.number for item in self.items)

    @cached_property
    def positions(self) -> dict[int, int]:
        """Item number to place in the order, counted from 0."""
        return {number: place for place, number in enumerate(self.numbers)}

    @cached_property
    def choices_by_number(self) -> dict[int, ResponseChoices]:
        return {item.number: self.responses[item.responses] for item in self.items}

    @cached_property
    def gates(self) -> tuple[tuple[int, Gate], ...]:
        """The gated items, as (number, gate) in the order in which they are asked."""
        return tuple((item.number, item.gate) for item in self.items if item.gate is not None)

    @cached_property
    def scales_by_code(self) -> dict[str, Scale]:
        return {scale.code: scale for scale in self.scales}

    def item(self, number: int) -> Item:
        """The item with this printed number; KeyError when the instrument has none."""
        return self.items_by_number[number]

    def choices(self, number: int) -> ResponseChoices:
        """The response set of the item with this printed number; KeyError when the instrument has none."""
        return self.choices_by_number[number]

    def scale(self, code: str) -> Scale:
        """The scale with this code; KeyError when the instrument has none."""
        return self.scales_by_code[code]
