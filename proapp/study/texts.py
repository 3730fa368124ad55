"""The words of messages that leave the house. They may be read over a shoulder, by a family or on a lost phone, so they
say nothing of a diagnosis, a trial, an instrument or a name; and an SMS is paid and cut by its parts, so these are
counted as the networks count them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Literal, NamedTuple

from proapp.study.model import MessageTexts, Study, TextKind

Encoding = Literal["GSM-7", "UCS-2"]
PLACEHOLDERS = ("phone", "link")

# 3GPP TS 23.038, 6.2.1 and 6.2.1.1: the default alphabet, and those of its extension table, which take two septets.
GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENDED = frozenset("\f^{}\\[~]|€")
ALONE = {"GSM-7": 160, "UCS-2": 70}
IN_PARTS = {"GSM-7": 153, "UCS-2": 67}  # a part of several gives up six octets to say which one it is
DASHES = re.compile("[\u2010-\u2015\u2212]")

DEFAULTS: Mapping[TextKind, Mapping[str, Mapping[str, str]]] = {
    "reminder": {
        "sms": {
            "sv": "Hej! Nu finns ett formulär för dig att svara på. Öppna sidan som du fick adressen till av oss. "
            "{link} Undrar du något? Ring {phone}.",
            "en": "Hello! There is a questionnaire for you to answer. Open the page whose address we gave you. "
            "{link} Any questions? Call {phone}.",
        },
        "subject": {"sv": "Ett formulär att svara på", "en": "A questionnaire to answer"},
        "email": {
            "sv": "Hej!\n\nNu finns ett formulär för dig att svara på. Öppna sidan som du fick adressen till av oss "
            "och svara när det passar dig. Du kan ta en paus och fortsätta senare.\n\n{link}\n\nVill du hellre svara "
            "på papper eller på telefon, eller undrar du något? Ring oss på {phone}.\n\n"
            "Vänliga hälsningar\nDin mottagning",
            "en": "Hello,\n\nThere is a questionnaire for you to answer. Open the page whose address we gave you, and "
            "answer when it suits you. You can take a break and go on later.\n\n{link}\n\nWould you rather answer on "
            "paper or by telephone, or do you have a question? Call us on {phone}.\n\nKind regards\nYour clinic",
        },
    },
    "last": {
        "sms": {
            "sv": "Hej! Ditt formulär är öppet några dagar till. Vi blir glada om du hinner svara. "
            "{link} Vill du ha hjälp? Ring {phone}.",
            "en": "Hello! Your questionnaire is open for a few more days. We would be glad of your answers. "
            "{link} Would you like help? Call {phone}.",
        },
        "subject": {
            "sv": "Ditt formulär är öppet några dagar till",
            "en": "Your questionnaire is open a few more days",
        },
        "email": {
            "sv": "Hej!\n\nDitt formulär är öppet några dagar till. Vi blir glada om du hinner svara, och det går bra "
            "att hoppa över en fråga.\n\n{link}\n\nVill du ha hjälp, eller svara på papper eller på telefon? Ring oss "
            "på {phone}.\n\nVänliga hälsningar\nDin mottagning",
            "en": "Hello,\n\nYour questionnaire is open for a few more days. We would be glad of your answers, and you "
            "may skip a question.\n\n{link}\n\nWould you like help, or to answer on paper or by telephone? Call us on "
            "{phone}.\n\nKind regards\nYour clinic",
        },
    },
    "test": {
        "sms": {
            "sv": "Hej! Det här är ett provmeddelande från din mottagning. Du behöver inte göra något. "
            "Fick du det av misstag? Ring {phone}.",
            "en": "Hello! This is a test message from your clinic. There is nothing you need to do. "
            "Did you get it by mistake? Call {phone}.",
        },
        "subject": {"sv": "Ett provmeddelande", "en": "A test message"},
        "email": {
            "sv": "Hej!\n\nDet här är ett provmeddelande från din mottagning. Du behöver inte göra något.\n\n"
            "Fick du det av misstag? Ring oss på {phone}.\n\nVänliga hälsningar\nDin mottagning",
            "en": "Hello,\n\nThis is a test message from your clinic. There is nothing you need to do.\n\n"
            "Did you get it by mistake? Call us on {phone}.\n\nKind regards\nYour clinic",
        },
    },
}


class Text(NamedTuple):
    """What is sent. `subject` is None for an SMS, `units` (the parts it is sent in) for anything else."""

    subject: str | None
    body: str
    units: int | None


def render(study: Study, kind: TextKind, *, language: str, channel: str, site: str, link: str | None) -> Text:
    """The message of that kind for a participant of `site` (a code) by `channel` (sms, email or letter).

    In a language the study does not have, its first is taken. `link` is the whole address, or None: then nothing
    stands in its place. ValueError if neither the study nor proapp has the wording (the loader refuses such a file).
    """
    told = language if language in study.languages else study.languages[0]
    said, phone = study.follow_up.texts.of(kind), study.site(site).phone
    if channel == "sms":
        body = filled(wording(said, kind, "sms", told), phone=phone, link=link)
        return Text(None, body, sms_units(body)[1])
    body = filled(wording(said, kind, "email", told), phone=phone, link=link)
    return Text(wording(said, kind, "subject", told), body, None)


def wording(said: MessageTexts, kind: TextKind, part: str, language: str) -> str:
    """The study's own words, or those of proapp. ValueError if there are none."""
    own: Mapping[str, str] | None = getattr(said, part)
    texts = own if own is not None else DEFAULTS[kind][part]
    if language not in texts:
        raise ValueError(f"no text {kind}.{part} in {language}")
    return texts[language]


def filled(template: str, *, phone: str, link: str | None) -> str:
    """The template with its values; a link that is not there leaves neither a double space nor an empty paragraph."""
    values = {"phone": DASHES.sub("-", phone), "link": link or ""}  # a dash that SMS has not would double its price
    text = re.sub(r"\{(phone|link)\}", lambda place: values[place[1]], template)
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def unknown_placeholders(template: str) -> Iterator[str]:
    """Whatever stands in braces and is not known; a single brace counts as one."""
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(template)]
    except ValueError:
        yield "{"
        return
    for name, spec, conversion in fields:
        if name is not None and (name not in PLACEHOLDERS or spec or conversion):
            yield f"{{{name}}}"
    if "{{" in template or "}}" in template:
        yield "{{"


def sms_units(text: str) -> tuple[Encoding, int]:
    """How the text is coded and in how many parts it is sent. A character that takes two places is never cut."""
    is_gsm = all(sign in GSM_BASIC or sign in GSM_EXTENDED for sign in text)
    encoding: Encoding = "GSM-7" if is_gsm else "UCS-2"
    sizes = [_size(sign, encoding) for sign in text]
    if sum(sizes) <= ALONE[encoding]:
        return encoding, 1
    units, room = 1, IN_PARTS[encoding]
    for size in sizes:
        if size > room:
            units, room = units + 1, IN_PARTS[encoding]
        room -= size
    return encoding, units


def _size(sign: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return 2 if sign in GSM_EXTENDED else 1
    return 2 if ord(sign) > 0xFFFF else 1
