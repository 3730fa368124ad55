"""Each fault of a reminder plan or of its texts is told with its place and one sentence."""

from __future__ import annotations

import pytest

from proapp.instruments.problems import DefinitionError
from proapp.study.load import load_study

OLD = '{ relative_to = "closes", days = -7, channel = "sms" }'
TITLE = 'title = { sv = "Liten", en = "Small" }'
SITE = 'code = "UME"'
PLAIN = "Hej! Ett formulär finns. {link} Ring {phone}."


def reminders(*steps: str) -> tuple[str, str]:
    return OLD, ", ".join(steps)


def follow_up(said: str) -> tuple[str, str]:
    return "[[sites]]", f"[follow_up]\n{said}\n\n[[sites]]"


def sms(sv: str = PLAIN, en: str = PLAIN, kind: str = "reminder") -> tuple[str, str]:
    return follow_up(f'[follow_up.texts.{kind}]\nsms = {{ sv = """{sv}""", en = """{en}""" }}')


def one(days: int = 0, channel: str = "message", at: str | None = None, base: str = "target") -> str:
    hour = f', at = "{at}"' if at else ""
    return f'{{ relative_to = "{base}", days = {days}, channel = "{channel}"{hour} }}'


STEPS = "timepoints[m03].reminders"
REMINDER = "follow_up.texts.reminder.sms"
BROKEN = [
    # shape
    (follow_up('quiet_from = "24:00"'), "follow_up.quiet_from: must be a time of day such as 20:00, between quotation marks"),
    (follow_up("quiet_from = 20:00:00"), "follow_up.quiet_from: must be a time of day such as 20:00, between quotation marks"),
    (follow_up("send_at = 10"), "follow_up.send_at: must be a time of day such as 20:00, between quotation marks"),
    (follow_up('weekdays = ["maandag"]'), "follow_up.weekdays[1]: must be 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'"),
    (follow_up("weekdays = []"), "follow_up.weekdays: must have at least one entry"),
    (follow_up("cap_participant = 0"), "follow_up.cap_participant: must be at least 1"),
    (follow_up("useful_days = 61"), "follow_up.useful_days: must be at most 60"),
    (follow_up("colour = 1"), "follow_up.colour: is not a known key"),
    (follow_up('[follow_up.texts.reminder]\nsms = "Hej"'), f"{REMINDER}: must be a table with one text for each language"),
    (follow_up("[follow_up.texts.first]\n"), "follow_up.texts.first: is not a known key"),
    ((SITE, f'{SITE}\nlink = "token"'), "sites[UME].link: must be 'none', 'domain' or 'personal'"),
    (reminders(one(at="9:00")), f"{STEPS}[1].at: must be a time of day such as 20:00, between quotation marks"),
    # the policy
    (follow_up('weekdays = ["mon", "fri", "mon"]'), 'follow_up.weekdays: names "mon" 2 times'),
    (follow_up('send_at = "20:00"'), "follow_up.send_at: is 20:00, in the quiet hours from 20:00 to 08:00"),
    (follow_up('send_at = "07:59"'), "follow_up.send_at: is 07:59, in the quiet hours from 20:00 to 08:00"),
    (follow_up('quiet_from = "09:00"\nquiet_until = "11:00"'), "follow_up.send_at: is 10:00, in the quiet hours from 09:00 to 11:00"),
    ((TITLE, f"{TITLE}\ncloses_on = 2019-11-30"), "closes_on: is 2019-11-30, before the study is in force on 2019-12-01"),
    # steps
    (reminders(one(at="20:30")), f"{STEPS}[1].at: is 20:30, in the quiet hours from 20:00 to 08:00"),
    (reminders(one(channel="email", at="03:00")), f"{STEPS}[1].at: is 03:00, in the quiet hours from 20:00 to 08:00"),
    (reminders(one(), one(at="17:00")), f"{STEPS}[2]: says the same as a reminder before it"),
    (reminders(one(), one(1), one()), f"{STEPS}[3]: says the same as a reminder before it"),
    (reminders(one(), one(channel="sms")), f"{STEPS}[2]: would reach the same people as the one before it: target+0 goes as message already"),
    (reminders(one(channel="letter"), one()), f"{STEPS}[2]: would reach the same people as the one before it: target+0 goes as letter already"),
    (reminders(one(29)), f"{STEPS}[1]: would go out 1 day after the window closes"),
    (reminders(one(29, "task")), f"{STEPS}[1]: would go out 1 day after the window closes"),
    # texts
    (follow_up(f'[follow_up.texts.last]\nsms = {{ sv = "{PLAIN}" }}'), "follow_up.texts.last.sms.en: is missing; every text is needed in every language of the study"),
    (follow_up(f'[follow_up.texts.last]\nsms = {{ sv = "{PLAIN}", en = "{PLAIN}", fi = "{PLAIN}" }}'), "follow_up.texts.last.sms.fi: is not one of the study's languages"),
    (('languages = ["sv", "en"]', 'languages = ["sv", "en", "fi"]'), "follow_up.texts.test.sms.fi: is missing; proapp has its own wording of messages in sv and en only"),
    (sms("Hej {name}!"), f"{REMINDER}.sv: has {{name}}; only {{phone}} and {{link}} can be filled in"),
    (sms(en="Your CANCER questionnaire"), f'{REMINDER}.en: names a diagnosis or its treatment ("cancer"); others may read messages'),
    (sms("Frågor om bröstet"), f'{REMINDER}.sv: names a diagnosis or its treatment ("bröst"); others may read messages'),
    (sms("Hej från Small!"), f'{REMINDER}.sv: names the study ("small"); others may read messages'),
    (sms("Svara på C30."), f'{REMINDER}.sv: names an instrument ("c30"); others may read messages'),
    (sms("Din hälsa i stort: svara!"), f'{REMINDER}.sv: names an instrument ("din hälsa i stort"); others may read messages'),
    (sms("a" * 307), f"{REMINDER}.sv: takes 3 SMS; 2 are the most (of 153 characters each)"),
    (sms("a" * 290 + " {phone}{phone}"), f"{REMINDER}.sv: takes 3 SMS; 2 are the most (of 153 characters each)"),
    (sms("a – " + "a" * 131), f'{REMINDER}.sv: takes 3 SMS; 2 are the most (of 67 characters each, because of "–"; without it of 153)'),
    (follow_up('[follow_up.texts.last]\nsubject = { sv = "Hej\\ndu", en = "x" }'), "follow_up.texts.last.subject.sv: must be one line of at most 78 characters, with nothing to fill in"),
    (follow_up('[follow_up.texts.last]\nsubject = { sv = "Ring {phone}", en = "x" }'), "follow_up.texts.last.subject.sv: must be one line of at most 78 characters, with nothing to fill in"),
    (follow_up(f'[follow_up.texts.last]\nsubject = {{ sv = "x", en = "{"x" * 79}" }}'), "follow_up.texts.last.subject.en: must be one line of at most 78 characters, with nothing to fill in"),
]  # fmt: skip
FINE = [
    reminders(one(), one(1), one(1, "task"), one(1, "digest")),
    reminders(one(channel="sms"), one(channel="email")),
    reminders(one(channel="task", at="07:00"), one(channel="digest", at="22:00")),
    reminders(one(at="19:59"), one(1, at="08:00")),
    follow_up('quiet_from = "10:00"\nquiet_until = "10:00"'),
    (TITLE, f"{TITLE}\ncloses_on = 2031-12-31"),
    (TITLE, 'title = { sv = "Ett frågeformulär", en = "A questionnaire" }'),
    sms(),
    sms(en="Your smallest questionnaire {link}"),  # "small" stands only within another word
    sms(en="a" * 306),
]


def problems(path, packs):
    with pytest.raises(DefinitionError) as refused:
        load_study(path, packs)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(("change", "sentence"), BROKEN, ids=[sentence[:70] for _, sentence in BROKEN])
def test_a_faulty_plan_is_refused_with_its_place_and_a_sentence(change, sentence, write, packs):
    path = write(change)
    assert f"{path}: {sentence}" in problems(path, packs)


@pytest.mark.parametrize("change", FINE)
def test_what_only_looks_like_a_fault_is_taken(change, write, packs):
    assert load_study(write(change), packs).code == "SMALL"


def test_where_messages_lead_somewhere_they_must_say_so(write, packs):
    path = write(sms("Hej!", "Hello!"), (SITE, f'{SITE}\nlink = "domain"'))
    assert f"{path}: {REMINDER}.sv: does not say where {{link}} goes, which the messages of UME have" in problems(
        path, packs
    )
    assert (
        load_study(write(sms("Hej!", "Hello!", "test"), (SITE, f'{SITE}\nlink = "domain"')), packs).site("UME").link
        == "domain"
    )
    assert load_study(write(sms("Hej!", "Hello!")), packs).site("UME").link == "none"


def test_a_long_address_counts(write, packs):
    long = "a" * 230 + " {link}"
    assert load_study(write(sms(long)), packs)
    path = write(sms(long), (SITE, f'{SITE}\nlink = "personal"'))
    assert f"{path}: {REMINDER}.sv: takes 3 SMS; 2 are the most (of 153 characters each)" in problems(path, packs)


def test_long_words_of_the_title_are_the_studys_own(write, packs):
    path = write((TITLE, 'title = { sv = "Lokal behandling av levern", en = "Small" }'), sms("Om din Behandling"))
    assert (
        f'{path}: {REMINDER}.sv: names what the study\'s title says ("behandling"); others may read messages'
        in problems(path, packs)
    )


def test_a_faulty_policy_does_not_hide_the_faults_beyond_it(write, packs):
    path = write(follow_up('send_at = "25:00"'), reminders(one(), one()))
    told = problems(path, packs)
    assert f"{path}: {STEPS}[2]: says the same as a reminder before it" in told
    assert len(told) == 2


def test_a_study_without_messages_needs_no_texts(write, packs):
    path = write((f"reminders = [{OLD}]", ""), ('languages = ["sv", "en"]', 'languages = ["sv", "en", "fi"]'))
    assert not [line for line in problems(path, packs) if "texts" in line]
