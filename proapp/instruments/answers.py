"""What counts as an answer, and which items are asked at all: one authority for phone, paper, import and tests.

Anything that is not one of the item's codes is refused with the item and the value named; it is never repaired or
blanked in silence, since a wrong code would become a wrong score that nobody can see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from proapp.instruments.model import Instrument

Applicability = Literal["asked", "not_applicable", "not_asked"]
InvalidReason = Literal["unknown_item", "blank", "not_a_number", "out_of_range"]


@dataclass(frozen=True, slots=True)
class Given:
    """What a person did with an item: answered it with a code, skipped it after being asked twice, or cleared it."""

    kind: Literal["answered", "skipped", "cleared"]
    code: int | None = None

    def __post_init__(self) -> None:
        if (self.kind == "answered") != (self.code is not None):
            raise ValueError("an answer has a code; a skipped or cleared item has none")


class InvalidAnswer(ValueError):
    """The `value` is not an answer to the `item` of the `instrument` (its code); `reason` says in one word why not."""

    def __init__(self, instrument: str, item: int, value: object, reason: InvalidReason) -> None:
        super().__init__(f"{instrument}.{item}: {value!r} is not an answer ({reason})")
        self.instrument = instrument
        self.item = item
        self.value = value
        self.reason = reason


def parse_answer(instrument: Instrument, number: int, raw: str | None) -> int:
    """The code that the text `raw` stands for. Raises InvalidAnswer; a blank is not an answer either.

    Only plain digits are accepted, with blanks around them: no sign, no decimals.
    """
    if number not in instrument.positions:
        raise InvalidAnswer(instrument.code, number, raw, "unknown_item")
    text = (raw or "").strip()
    if not text:
        raise InvalidAnswer(instrument.code, number, raw, "blank")
    if not (text.isascii() and text.isdigit()):
        raise InvalidAnswer(instrument.code, number, raw, "not_a_number")
    # Compared as text: a code has one spelling, and a thousand digits are never turned into a number.
    for code in instrument.choices(number).codes:
        if text == str(code):
            return code
    raise InvalidAnswer(instrument.code, number, raw, "out_of_range")


def applicability(instrument: Instrument, codes: Mapping[int, int | None]) -> dict[int, Applicability]:
    """For every item number, whether the item is asked, given the answers so far (number to code; None is missing).

    A gate's item answered at or below its threshold makes the gated item `not_applicable`: scoring ignores an answer
    that is stored already, the trail keeps it. A gate's item without an answer makes it `not_asked`: a phone does not
    show it, but an answer that exists (from paper, or from before the gate was cleared) is scored, and shown. An item
    behind an inapplicable one is inapplicable too.
    """
    state: dict[int, Applicability] = dict.fromkeys(instrument.numbers, "asked")
    for number, gate in instrument.gates:
        code = codes.get(gate.item)
        if state[gate.item] == "not_applicable" or (code is not None and code <= gate.above):
            state[number] = "not_applicable"
        elif code is None:
            state[number] = "not_asked"
    return state
