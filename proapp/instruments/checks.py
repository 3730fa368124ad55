"""What must hold between the entries of a pack, for its scores to mean what they say.

Each check looks at one thing and yields (path, sentence) for every fault it finds. All of them run on every pack.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from proapp.instruments.draft import Draft
from proapp.instruments.model import Item, ResponseChoices, Scale, Summary

Fault = tuple[str, str]
T = TypeVar("T", bound=Hashable)


def structure_faults(draft: Draft) -> Iterator[Fault]:
    """Every fault between the entries of `draft`, in the order of the file."""
    yield from _header_faults(draft)
    for choices in draft.responses:
        yield from _code_faults(choices)
    yield from _unused_responses(draft)
    yield from _item_faults(draft)
    yield from _scale_faults(draft)
    yield from _membership_faults(draft)
    if draft.summary is not None:
        yield from _summary_faults(draft.summary, draft)


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, times in Counter(values).items() if times > 1]


def _header_faults(draft: Draft) -> Iterator[Fault]:
    for language in _repeated(draft.languages):
        yield "languages", f'"{language}" is named twice'
    licence = draft.header.licence if draft.header else None
    if licence and licence.kind == "licensed" and licence.reference is None:
        yield "licence.reference", "is missing; a licensed pack must name the licence agreement it is used under"


def _code_faults(choices: ResponseChoices) -> Iterator[Fault]:
    path = f"responses.{choices.id}.codes"
    for code in _repeated(choices.codes):
        yield path, f"code {code} is there twice"
    if sorted(set(choices.codes)) != list(range(min(choices.codes), max(choices.codes) + 1)):
        yield path, "are not contiguous; scoring needs steps of one without a gap"
    if list(choices.codes) != sorted(choices.codes):
        yield path, "are not in ascending order"


def _unused_responses(draft: Draft) -> Iterator[Fault]:
    if not draft.is_sure_of("items"):
        return  # an item that could not be read may be the one that uses the set
    used = {item.responses for item in draft.items}
    for choices in draft.responses:
        if choices.id not in used:
            yield f"responses.{choices.id}", "is used by no item"


def _item_faults(draft: Draft) -> Iterator[Fault]:
    for number in _repeated(draft.item_numbers):
        yield f"items.{number}", "is there twice; every item needs its own number"
    for concept in _repeated(item.concept for item in draft.items):
        yield "items", f'concept "{concept}" is there twice; every item needs its own'
    for item in draft.items:
        if item.responses not in draft.response_ids:
            yield f"items.{item.number}.responses", f'there is no response set "{item.responses}"'
        yield from _gate_faults(item, draft)


def _gate_faults(item: Item, draft: Draft) -> Iterator[Fault]:
    if item.gate is None:
        return
    path = f"items.{item.number}.gate"
    order = draft.item_numbers
    if item.gate.item not in order:
        yield f"{path}.item", f"there is no item {item.gate.item}"
        return
    if order.index(item.gate.item) >= order.index(item.number):
        yield f"{path}.item", f"item {item.gate.item} is not asked before item {item.number}"
    choices = _choices_by_number(draft).get(item.gate.item)
    if choices is not None and not min(choices.codes) <= item.gate.above < max(choices.codes):
        yield f"{path}.above", f"with {item.gate.above} the answer to item {item.gate.item} makes no difference"


def _choices_by_number(draft: Draft) -> dict[int, ResponseChoices]:
    by_id = {choices.id: choices for choices in draft.responses}
    return {item.number: by_id[item.responses] for item in draft.items if item.responses in by_id}


def _scale_faults(draft: Draft) -> Iterator[Fault]:
    for code in _repeated(draft.scale_codes):
        yield f"scales.{code}", "is there twice; every scale needs its own code"
    for code in draft.scale_codes:
        if f"{code}_N" in draft.scale_codes:
            yield f"scales.{code}_N", f"is also the column that counts the answers of {code}"
    choices = _choices_by_number(draft)
    for scale in draft.scales:
        yield from _one_scale_faults(scale, draft.item_numbers, choices)


def _one_scale_faults(scale: Scale, numbers: list[int], choices: dict[int, ResponseChoices]) -> Iterator[Fault]:
    path = f"scales.{scale.code}"
    for number in scale.items:
        if number not in numbers:
            yield f"{path}.items", f"there is no item {number}"
    for number in _repeated(scale.items):
        yield f"{path}.items", f"item {number} is there twice"
    if len({frozenset(choices[number].codes) for number in scale.items if number in choices}) > 1:
        yield f"{path}.items", "do not all have the same response codes, so they cannot be averaged"
    if scale.high_is != ("bad" if scale.kind == "symptom" else "good"):
        yield f"{path}.high_is", f'"{scale.high_is}" does not fit a scale of kind "{scale.kind}"'


def _membership_faults(draft: Draft) -> Iterator[Fault]:
    if not draft.is_sure_of("scales"):
        return  # a scale that could not be read may hold the item
    homes: dict[int, list[str]] = {}
    for scale in draft.scales:
        for number in set(scale.items):
            homes.setdefault(number, []).append(scale.code)
    for number in dict.fromkeys(draft.item_numbers):
        found = homes.get(number, [])
        if not found:
            yield f"items.{number}", "belongs to no scale"
        elif len(found) > 1:
            yield f"items.{number}", f"belongs to more than one scale: {', '.join(found)}"


def _summary_faults(summary: Summary, draft: Draft) -> Iterator[Fault]:
    if summary.code in draft.scale_codes:
        yield "summary.code", f'"{summary.code}" is already the code of a scale'
    if not summary.function_scales + summary.symptom_scales:
        yield "summary", "names no scales"
    for code in _repeated(summary.function_scales + summary.symptom_scales):
        yield "summary", f"{code} is there twice"
    high_is = {scale.code: scale.high_is for scale in draft.scales}
    for key, codes, wanted in (
        ("function_scales", summary.function_scales, "good"),
        ("symptom_scales", summary.symptom_scales, "bad"),
    ):
        for code in codes:
            if code not in draft.scale_codes:
                yield f"summary.{key}", f"there is no scale {code}"
            elif high_is.get(code, wanted) != wanted:
                yield f"summary.{key}", f"a high {code} does not mean {wanted}, so it belongs to the other list"
