"""Whether a reminder plan and its texts make sense: steps that could never go out, or twice; texts that would give
somebody away on a phone that others see, or cost more than they need. Each check yields the place and one sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from typing import NamedTuple, get_args

from proapp.instruments.model import Instrument
from proapp.study.model import FollowUp, Reminder, Site, Study, TextKind, TimePoint
from proapp.study.steps import messages
from proapp.study.texts import DEFAULTS, filled, sms_units, unknown_placeholders

Faults = Iterator[tuple[str, str]]
KINDS: tuple[TextKind, ...] = get_args(TextKind)
PARTS = ("sms", "subject", "email")
MOST_UNITS = 2
SUBJECT_LENGTH = 78  # a longer one is folded or cut
LONGEST_LINK = {"none": 0, "domain": 40, "personal": 80}
"""How long an address may be that the length of an SMS is reckoned with."""

# What a diagnosis or its treatment is called, in Swedish or English, wherever in a word it stands.
TELLING = (
    *("cancer", "tumör", "tumor", "tumour", "metasta", "sarkom", "sarcoma", "melanom", "lymfom", "lymphoma"),
    *("leukemi", "leukaemi", "onkolog", "oncolog", "cytostatika", "kemoterapi", "chemotherap", "strålbehandl"),
    *("radiotherap", "bröst", "breast", "prostata", "prostate", "palliativ", "diagnos", "diabetes", "demens"),
    *("dementia", "depression", "psykiatri", "psychiatr", "alzheimer", "parkinson", "epilep", "hepatit", "hjärtsvikt"),
)
EVERYDAY = frozenset({"frågeformulär", "formulär", "questionnaire", "questionnaires", "telephone"})
SHORTEST_STEM = 5  # a shorter code stands in many words
LONG_WORD = 8  # shorter words of a title are everybody's


class Named(NamedTuple):
    """What messages must not name: the study's and its packs' own names, each with what it is."""

    titles: Mapping[str, str]
    codes: Mapping[str, str]


def follow_up_faults(
    policy: FollowUp,
    said: Mapping[str, object],
    sites: Iterable[Site],
    timepoints: Iterable[tuple[str, TimePoint]],
    instruments: Mapping[str, Instrument],
) -> Faults:
    """All contradictions of the table `follow_up` of a file whose plain keys are `said`, and of the reminders."""
    places, clinics = tuple(timepoints), tuple(sites)
    for day, times in Counter(policy.weekdays).items():
        if times > 1:
            yield "follow_up.weekdays", f'names "{day}" {times} times'
    ends, begins = said.get("closes_on"), said.get("effective_from")
    if type(ends) is date and type(begins) is date and ends < begins:
        yield "closes_on", f"is {ends}, before the study is in force on {begins}"
    if policy.is_quiet(policy.send_at):
        yield "follow_up.send_at", _quiet(policy.send_at, policy)
    for place, timepoint in places:
        yield from _step_faults(place, timepoint.reminders, policy)
    packs = {code for _, timepoint in places for code in timepoint.instruments}
    named = _named(said, [instruments[code] for code in sorted(packs) if code in instruments])
    sends = any(messages(timepoint) for _, timepoint in places)
    yield from _text_faults(policy, said, clinics, named, sends)


def telling(text: str, study: Study, instruments: Mapping[str, Instrument]) -> list[str]:
    """What a sender or an address would give away beside the words of a message: a sentence for each thing. There the
    study's code is written without its signs and number, too."""
    said = {"title": study.title, "code": study.code, "registry": study.registry}
    packs = [instruments[code] for code in study.instruments if code in instruments]
    found = list(dict.fromkeys(_wording_faults(text, _named(said, packs))))
    plain, stem = (re.sub(r"[\W_]+", "", name.casefold()) for name in (text, study.code.rstrip("0123456789- ")))
    if len(stem) >= SHORTEST_STEM and stem in plain and not any("names the study" in sentence for sentence in found):
        found.append(f'names the study ("{stem}"); others may read messages')
    return found


# --- steps ----------------------------------------------------------------------------------------------------------


def _step_faults(place: str, reminders: Iterable[Reminder], policy: FollowUp) -> Faults:
    taken: dict[str, list[str]] = {}
    for number, reminder in enumerate(reminders, start=1):
        here = f"{place}.reminders[{number}]"
        before = taken.setdefault(reminder.key, [])
        if reminder.channel in before:
            yield here, "says the same as a reminder before it"
        elif other := _same_way(reminder.channel, before):
            yield here, f"would reach the same people as the one before it: {reminder.key} goes as {other} already"
        before.append(reminder.channel)
        if reminder.at is not None and reminder.channel in ("message", "sms", "email") and policy.is_quiet(reminder.at):
            yield f"{here}.at", _quiet(reminder.at, policy)


def _same_way(channel: str, before: Iterable[str]) -> str | None:
    """`message` goes by SMS, e-mail or letter, whichever the participant chose."""
    for other in before:
        if "message" in (channel, other) and {channel, other} <= {"message", "sms", "email", "letter"}:
            return other
    return None


def _quiet(wall_clock: time, policy: FollowUp) -> str:
    hours = f"from {policy.quiet_from:%H:%M} to {policy.quiet_until:%H:%M}"
    return f"is {wall_clock:%H:%M}, in the quiet hours {hours}"


# --- texts ----------------------------------------------------------------------------------------------------------


def _text_faults(
    policy: FollowUp, said: Mapping[str, object], sites: Iterable[Site], named: Named, sends: bool
) -> Faults:
    listed = said.get("languages")
    languages = [code for code in listed if isinstance(code, str)] if isinstance(listed, list) else []
    clinics = tuple(sites)
    for kind in KINDS:
        for part in PARTS:
            own: Mapping[str, str] | None = getattr(policy.texts.of(kind), part)
            place = f"follow_up.texts.{kind}.{part}"
            if own is None:
                if sends:
                    yield from _lacking(place, DEFAULTS[kind][part], languages)
                continue
            yield from _languages(place, own, languages)
            for language, text in own.items():
                faults = (*_wording_faults(text, named), *_shape_faults(kind, part, text, clinics))
                yield from ((f"{place}.{language}", sentence) for sentence in faults)


def _lacking(place: str, defaults: Mapping[str, str], languages: Iterable[str]) -> Faults:
    for language in languages:
        if language not in defaults:
            own = " and ".join(defaults)
            yield f"{place}.{language}", f"is missing; proapp has its own wording of messages in {own} only"


def _languages(place: str, texts: Mapping[str, str], languages: Iterable[str]) -> Faults:
    known = tuple(languages)
    for language in known:
        if language not in texts:
            yield f"{place}.{language}", "is missing; every text is needed in every language of the study"
    for language in texts:
        if known and language not in known:
            yield f"{place}.{language}", "is not one of the study's languages"


def _wording_faults(text: str, named: Named) -> Iterator[str]:
    """A text that says what the participant is asked about, or in which trial."""
    plain = text.casefold()
    for stem in TELLING:
        if stem in plain:
            yield f'names a diagnosis or its treatment ("{stem}"); others may read messages'
    for title, what in named.titles.items():
        if title in plain:
            yield f'names {what} ("{title}"); others may read messages'
    for code, what in named.codes.items():
        if re.search(rf"(?<!\w){re.escape(code)}(?!\w)", plain):
            yield f'names {what} ("{code}"); others may read messages'


def _shape_faults(kind: TextKind, part: str, text: str, sites: tuple[Site, ...]) -> Iterator[str]:
    for field in dict.fromkeys(unknown_placeholders(text)):
        yield f"has {field}; only {{phone}} and {{link}} can be filled in"
    if part == "subject":
        if "\n" in text or len(text) > SUBJECT_LENGTH or "{" in text:
            yield f"must be one line of at most {SUBJECT_LENGTH} characters, with nothing to fill in"
        return
    leading = [site for site in sites if site.link != "none"]
    if kind != "test" and leading and "{link}" not in text:
        yield f"does not say where {{link}} goes, which the messages of {leading[0].code} have"
    if part == "sms":
        units = max((_units(text, site) for site in sites), default=0)
        if units > MOST_UNITS:
            yield f"takes {units} SMS; {MOST_UNITS} are the most ({_why_long(text)})"


def _units(text: str, site: Site) -> int:
    return sms_units(filled(text, phone=site.phone, link="x" * LONGEST_LINK[site.link]))[1]


def _why_long(text: str) -> str:
    encoding, _ = sms_units(text)
    if encoding == "GSM-7":
        return "of 153 characters each"
    costly = dict.fromkeys(sign for sign in text if sms_units(sign)[0] != "GSM-7")
    return f'of 67 characters each, because of "{"".join(costly)}"; without it of 153'


def _named(said: Mapping[str, object], packs: Iterable[Instrument]) -> Named:
    titles: dict[str, str] = {}
    codes: dict[str, str] = {}
    texts = said.get("title")
    for title in texts.values() if isinstance(texts, Mapping) else ():
        for word in re.findall(r"\w+", str(title).casefold()):
            if len(word) >= LONG_WORD and word not in EVERYDAY:
                titles[word] = "what the study's title says"
    for key in ("code", "registry"):
        if isinstance(value := said.get(key), str) and value.strip():
            codes[value.strip().casefold()] = "the study"
    for pack in packs:
        codes[pack.code.casefold()] = "an instrument"
        titles |= {wording.title.casefold(): "an instrument" for wording in pack.wording.values()}
    return Named(titles, codes)
