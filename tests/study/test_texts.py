"""The words of messages: what they cost, what stands in them, and what must not."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proapp.study.follow_up_checks import TELLING
from proapp.study.model import FollowUpTexts, TextKind
from proapp.study.texts import GSM_BASIC, GSM_EXTENDED, filled, render, sms_units, unknown_placeholders

KINDS = get_args(TextKind)
LINK = "https://svar.region.example.se/l#" + "A1" * 21


@pytest.mark.parametrize(
    ("text", "encoding", "units"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("åäöÅÄÖéü@£$ \n" * 10, "GSM-7", 1),
        ("€" * 80, "GSM-7", 1),  # the extension table: two places each
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" * 5, "GSM-7", 2),  # 162 places; the € at the cut goes into the second part as a whole
        ("a" * 152 + "€" * 77, "GSM-7", 3),  # 306 places would be two parts, were nothing cut
        ("ç" * 70, "UCS-2", 1),  # only the capital is in the alphabet
        ("ç" * 71, "UCS-2", 2),
        ("–" + "a" * 69, "UCS-2", 1),
        ("–" + "a" * 70, "UCS-2", 2),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("a" * 66 + "😀" * 34, "UCS-2", 3),  # 134 places would be two parts
    ],
)
def test_an_sms_is_counted_as_the_networks_count_it(text, encoding, units):
    assert sms_units(text) == (encoding, units)


def test_the_alphabet_has_its_127_signs_and_ten_more():
    assert len(GSM_BASIC) == 127  # and the escape to the extension table
    assert len(GSM_EXTENDED) == 10
    assert not GSM_BASIC & GSM_EXTENDED


@given(st.text(max_size=400), st.text(max_size=5))
def test_a_longer_text_never_takes_fewer_parts(text, more):
    assert sms_units(text + more)[1] >= sms_units(text)[1]
    assert len(text.encode("utf-16-le")) / 2 <= 160 * sms_units(text)[1]


@pytest.fixture(params=["of the shipped study", "of proapp"])
def worded(request, breclim2):
    if request.param == "of the shipped study":
        return breclim2
    policy = breclim2.follow_up.model_copy(update={"texts": FollowUpTexts()})
    return breclim2.model_copy(update={"follow_up": policy})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("link", [None, "https://svar.example.se", LINK])
def test_our_own_texts_are_short_say_whom_to_ring_and_give_nothing_away(worded, kind, language, link):
    for site in worded.sites:
        sms = render(worded, kind, language=language, channel="sms", site=site.code, link=link)
        email = render(worded, kind, language=language, channel="email", site=site.code, link=link)
        assert (sms.subject, email.units) == (None, None)
        assert sms.units == sms_units(sms.body)[1] <= (1 if link is None else 2)
        for text in (sms.body, email.body):
            assert site.phone in text
            assert kind == "test" or link is None or link in text.split()
            assert not re.search(r"  |\n\n\n|[{}]", text)
        said = f"{sms.body} {email.subject} {email.body}".casefold()
        named = (*TELLING, worded.code.casefold(), site.name.casefold(), *worded.instruments)
        assert not [word for word in named if word in said]


def test_the_last_reminder_says_that_it_closes_and_the_studys_own_words_win(breclim2):
    own = breclim2.follow_up.texts.last.sms
    text = render(breclim2, "last", language="sv", channel="sms", site="LUN", link=None)
    assert text.body == filled(own["sv"], phone="040-628 04 01", link=None)
    assert "några dagar till" in text.body


def test_a_language_the_study_does_not_have_is_answered_in_its_first(breclim2):
    first, other = (
        render(breclim2, "reminder", language=language, channel="email", site="UME", link=None)
        for language in ("sv", "fi")
    )
    assert first == other


def test_a_letter_has_the_words_of_the_email(breclim2):
    letter, email = (
        render(breclim2, "last", language="en", channel=channel, site="UME", link=None)
        for channel in ("letter", "email")
    )
    assert letter == email


def test_a_link_that_is_not_there_leaves_no_trace():
    assert filled("Hej! {link} Ring {phone}.", phone="08-1", link=None) == "Hej! Ring 08-1."
    assert filled("Hej!\n\n{link}\n\nHälsningar", phone="08-1", link=None) == "Hej!\n\nHälsningar"
    assert (
        filled("Hej!\n\n{link}\n\nHälsningar", phone="08-1", link="https://x.se")
        == "Hej!\n\nhttps://x.se\n\nHälsningar"
    )


def test_a_dash_of_the_telephone_number_does_not_double_the_price():
    assert filled("{phone}", phone="0980\u2013319 201", link=None) == "0980-319 201"


@pytest.mark.parametrize(
    ("template", "unknown"),
    [
        ("Ring {phone} {link}", []),
        ("Hej {name}", ["{name}"]),
        ("Hej {}", ["{}"]),
        ("Hej {phone!r}", ["{phone}"]),
        ("Hej {link:>20}", ["{link}"]),
        ("Hej { du", ["{"]),
        ("Hej } du", ["{"]),
        ("Hej {{phone}}", ["{{"]),
    ],
)
def test_only_the_telephone_number_and_the_link_are_filled_in(template, unknown):
    assert list(unknown_placeholders(template)) == unknown


def test_a_text_that_nobody_has_is_refused(breclim2):
    finnish = breclim2.model_copy(update={"languages": ("fi",)})
    with pytest.raises(ValueError, match=r"no text test\.sms in fi"):
        render(finnish, "test", language="fi", channel="sms", site="UME", link=None)
