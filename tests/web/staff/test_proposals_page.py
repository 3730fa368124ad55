"""Changes that two people make, on pages: proposing, looking, approving, and who may do neither."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from proapp.db.models import Assessment, AuditEvent, ChangeProposal, ParticipantEvent, SiteActivation, StudyVersion
from proapp.runtime import SHIPPED_STUDY

BASE = "/staff/participants/UME-001"
CORRECT = f"{BASE}/correct-randomisation"
PROPOSALS = "/staff/proposals"
AMENDMENT = "/staff/study/amendment"
FIX = {"new_date": "2026-08-20", "new_time": "", "reason": "A slip of the pen"}
TEXT = SHIPPED_STUDY.read_text(encoding="utf-8")
NEW = TEXT.replace('number = "example 1"', 'number = "2.0"').replace(
    "months = 6\nbefore_days = 14", "months = 6\nbefore_days = 28"
)
TODAY = "2026-11-23"


@pytest.fixture
def anna(people):
    return people.participant(
        consent_on=date(2026, 8, 1), randomized_on=date(2026, 8, 10), enrolled_at=datetime(2026, 8, 1, 9, tzinfo=UTC)
    )


def opens(runtime, timepoint="m06", participant=1) -> date:
    with runtime.reading() as session:
        query = select(Assessment.opens_on).where(
            Assessment.timepoint == timepoint, Assessment.participant_id == participant
        )
        return session.scalar(query)


def rows(runtime, table) -> int:
    with runtime.reading() as session:
        return session.scalar(select(func.count()).select_from(table))


def seen(browser) -> str:
    return re.search(r'name="seen"[^>]*value="(\w+)"', browser.text)[1]


def propose(people, name="berit", **changes) -> str:
    """Propose the right date; returns the address of the proposal."""
    browser = people.staff(name)
    form = {**FIX, **changes}
    browser.get(CORRECT)
    browser.post(CORRECT, {**form, "step": "look"})
    page = browser.post(CORRECT, {**form, "seen": seen(browser), "step": "confirm"})
    assert page.status_code == 303
    return page.headers["Location"]


# --- a corrected date of randomisation ------------------------------------------------------------------------------


def test_another_person_sees_what_moves_and_does_it(people, runtime, anna):
    address = propose(people)
    assert rows(runtime, ParticipantEvent) == 2
    ivar = people.staff("ivar")
    ivar.get("/staff/work")
    assert "To approve (1)" in ivar.text
    ivar.get(PROPOSALS)
    assert "UME-001: date of randomisation" in ivar.text
    ivar.get(address)
    for words in ("Berit", "A slip of the pen", "Monday 10 August 2026", "Thursday 20 August 2026", "Fri 20 Nov 2026"):
        assert words in ivar.text
    assert ivar.post(address, {"do": "approve", "seen": seen(ivar)}).status_code == 303
    assert "Approved. It is done." in ivar.follow().get_data(as_text=True)
    with runtime.reading() as session:
        old, new = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized")).all()
        assert (new.effective_on, new.supersedes_id, new.reason) == (date(2026, 8, 20), old.id, "A slip of the pen")
        assert session.scalar(select(Assessment.target_on).where(Assessment.timepoint == "m03")) == date(2026, 11, 20)
    ivar.get("/staff/work")
    assert "To approve (" not in ivar.text
    ivar.get(address)
    assert "Approved" in ivar.text
    assert 'value="approve"' not in ivar.text


def test_who_proposed_neither_sees_the_button_nor_gets_past_it(people, runtime, anna):
    address = propose(people)
    berit = people.staff("berit")
    berit.get(address)
    assert 'value="approve"' not in berit.text
    assert "Somebody else has to approve it" in berit.text
    ivar = people.staff("ivar")
    ivar.get(address)
    page = berit.post(address, {"do": "approve", "seen": seen(ivar)})
    assert page.status_code == 422
    assert "Somebody else has to approve it" in berit.text
    assert rows(runtime, ParticipantEvent) == 2
    berit.get("/staff/work")
    assert "To approve (" not in berit.text


def test_the_proposer_withdraws_and_another_refuses_with_a_reason(people, runtime, anna):
    for name, act in (("berit", "withdraw"), ("ivar", "refuse")):
        address = propose(people)
        browser = people.staff(name)
        browser.get(address)
        assert browser.post(address, {"do": act, "reason": " "}).status_code == 422
        assert "Write a reason" in browser.text
        assert browser.post(address, {"do": act, "reason": "The paper says otherwise"}).status_code == 303
        assert "Nothing was changed." in browser.follow().get_data(as_text=True)
        assert "The paper says otherwise" in browser.text
    assert rows(runtime, ParticipantEvent) == 2


def test_what_changed_since_the_look_is_shown_again(people, runtime, anna):
    address = propose(people)
    ivar = people.staff("ivar")
    ivar.get(address)
    before = seen(ivar)
    people.answered(anna, "m03", codes={})  # she begins just now
    page = ivar.post(address, {"do": "approve", "seen": before})
    assert page.status_code == 200
    assert "Something changed while you were reading" in ivar.text
    assert "Since it was proposed something has changed" in ivar.text
    assert "stays: the participant has begun to answer it" in ivar.text
    assert rows(runtime, ParticipantEvent) == 2
    assert ivar.post(address, {"do": "approve", "seen": seen(ivar)}).status_code == 303
    assert rows(runtime, ParticipantEvent) == 3


def test_a_second_correction_waits_for_the_first(people, anna):
    address = propose(people)
    karin = people.staff("karin")
    page = karin.get(CORRECT)
    assert page.headers["Location"] == address
    assert "already waits for a second person" in karin.follow().get_data(as_text=True)


def test_a_proposal_that_was_overtaken_says_so(people, runtime, anna):
    address = propose(people)
    with runtime.writing.begin() as session:
        wrong = session.scalars(select(ParticipantEvent).where(ParticipantEvent.type == "randomized")).one()
        session.add(
            ParticipantEvent(
                participant_id=anna, type="randomized", effective_on=date(2026, 8, 15), payload=wrong.payload,
                supersedes_id=wrong.id, recorded_at=runtime.clock(),
            )
        )  # fmt: skip
    ivar = people.staff("ivar")
    ivar.get(address)
    assert "it can no longer be done" in ivar.text
    assert 'value="approve"' not in ivar.text
    assert ivar.post(address, {"do": "approve", "seen": "0" * 64}).status_code == 422
    assert rows(runtime, ParticipantEvent) == 3


def test_charlie_finds_no_proposal_of_anna(people, anna, runtime):
    address = propose(people)
    charlie = people.staff("charlie")
    charlie.get(PROPOSALS)
    assert "UME-001" not in charlie.text
    assert "To approve (" not in charlie.text
    for act in ("approve", "refuse", "withdraw"):
        answers = [
            charlie.post(one, {"do": act, "reason": "x", "seen": "0"}).status_code
            for one in (address, f"{PROPOSALS}/999")
        ]
        assert answers == [404, 404]
    assert charlie.get(address).status_code == 404
    assert rows(runtime, ParticipantEvent) == 2


@pytest.mark.parametrize("name", ["mona", "stina", "ada"])
def test_who_writes_nothing_about_participants_has_none_of_these_pages(people, anna, name):
    browser = people.staff(name)
    for address in (PROPOSALS, f"{PROPOSALS}/1", AMENDMENT):
        assert browser.get(address).status_code == 403
    browser.get("/staff/study")
    assert "To approve" not in browser.text


# --- an amendment ---------------------------------------------------------------------------------------------------


def amend(people, text=NEW, days=(("UME", TODAY),)) -> str:
    karin = people.staff("karin")
    karin.get(AMENDMENT)
    form = {"text": text, "reason": "Amendment 2", **{f"from_{site}": day for site, day in days}}
    assert karin.post(AMENDMENT, {**form, "step": "look"}).status_code == 200, karin.text
    assert "Nothing is saved yet." in karin.text
    kept = re.search(r"<textarea name=\"text\" hidden>\n?(.*?)</textarea>", karin.text, re.S)[1]
    assert "&#34;" in kept
    page = karin.post(AMENDMENT, {**form, "seen": seen(karin), "step": "confirm"})
    assert page.status_code == 303
    return page.headers["Location"]


def test_an_amendment_from_the_text_to_the_new_windows(people, runtime, anna):
    people.participant("LUN-001", randomized_on=date(2026, 8, 10))
    before = opens(runtime)
    address = amend(people)
    assert opens(runtime) == before
    kerstin = people.staff("kerstin")
    kerstin.get("/staff/work")
    assert "To approve (1)" in kerstin.text
    kerstin.get(address)
    for words in (
        "Amendment: version 2.0 of the study",
        "6 months (m06), opens, days before the target day",
        "UME-001",
        "from 23 November 2026",
        "The whole study file",
    ):
        assert words in kerstin.text
    assert "LUN-001" not in kerstin.text
    assert kerstin.post(address, {"do": "approve", "seen": seen(kerstin)}).status_code == 303
    assert opens(runtime) == before - timedelta(days=14)
    assert opens(runtime, participant=2) == before
    kerstin.get("/staff/study")
    assert "2.0, from 23 November 2026" in re.sub(r"\s+", " ", kerstin.text)
    assert "Umeå, from 23 November 2026" in kerstin.text


def test_nobody_approves_the_own_amendment(people, runtime, anna):
    address = amend(people)
    kerstin, karin = people.staff("kerstin"), people.staff("karin")
    kerstin.get(address)
    assert karin.post(address, {"do": "approve", "seen": seen(kerstin)}).status_code == 422
    assert rows(runtime, SiteActivation) == 0


def test_an_amendment_is_seen_by_those_whose_sites_it_concerns(people, anna):
    own, both = amend(people), amend(people, NEW.replace('"2.0"', '"2.1"'), (("UME", TODAY), ("LUN", TODAY)))
    for name, expected in (
        ("berit", (404, 404)),
        ("ivar", (200, 404)),
        ("charlie", (404, 404)),
        ("kerstin", (200, 200)),
    ):
        browser = people.staff(name)
        assert tuple(browser.get(address).status_code for address in (own, both)) == expected


def test_every_fault_of_the_text_is_listed_and_what_was_typed_is_kept(people, runtime):
    karin = people.staff("karin")
    karin.get(AMENDMENT)
    text = NEW.replace("months = 6\n", "months = -6\n").replace('kind = "baseline"', 'kind = "bassline"')
    page = karin.post(AMENDMENT, {"text": text, "reason": "Amendment 2", "from_UME": TODAY, "step": "look"})
    assert page.status_code == 422
    for words in (
        "timepoints[m06].months: must be at least 0",
        "timepoints[baseline].kind: must be",
        "Amendment 2",
        "months = -6",
    ):
        assert words in karin.text
    assert rows(runtime, StudyVersion) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_UME": ""}, "Choose at least one site"),
        ({"from_UME": "2026-11-22"}, "the day lies in the past"),
        ({"reason": ""}, "Write a reason"),
        ({"text": TEXT}, "an amendment has a number of its own"),
        ({"text": "code ="}, "is not valid TOML"),
    ],
)
def test_what_cannot_be_proposed_is_said_beside_its_field(people, runtime, changes, words):
    karin = people.staff("karin")
    karin.get(AMENDMENT)
    form = {"text": NEW, "reason": "Amendment 2", "from_UME": TODAY, "step": "look", **changes}
    assert karin.post(AMENDMENT, form).status_code == 422
    assert words in karin.text
    assert rows(runtime, ChangeProposal) == 0


def test_a_file_goes_before_a_text_and_has_to_be_a_text(people):
    from io import BytesIO

    karin = people.staff("karin")
    karin.get(AMENDMENT)
    form = {"text": "", "reason": "Amendment 2", "from_UME": TODAY, "step": "look"}
    karin.post(AMENDMENT, {**form, "file": (BytesIO(NEW.encode()), "study.toml")}, content_type="multipart/form-data")
    assert "What changes with version 2.0" in karin.text
    karin.get(AMENDMENT)
    page = karin.post(
        AMENDMENT, {**form, "file": (BytesIO(b"\xff\xfe\x00"), "study.toml")}, content_type="multipart/form-data"
    )
    assert page.status_code == 422
    assert "not a text file in UTF-8" in karin.text


def test_change_leads_back_with_everything_typed(people):
    karin = people.staff("karin")
    karin.get(AMENDMENT)
    karin.post(AMENDMENT, {"text": NEW, "reason": "Amendment 2", "from_UME": TODAY, "step": "change"})
    assert "Amendment 2" in karin.text
    assert TODAY in karin.text


def test_everybody_sees_which_version_each_site_works_by_and_an_administrator_no_participant(people, runtime, anna):
    address = amend(people, days=(("UME", TODAY), ("LUN", "2026-12-01")))
    kerstin = people.staff("kerstin")
    kerstin.get(address)
    kerstin.post(address, {"do": "approve", "seen": seen(kerstin)})
    ada = people.staff("ada")
    ada.get("/staff/study")
    assert "Lund, begins on 1 December 2026" in ada.text
    assert "UME-001" not in ada.text
    assert AMENDMENT not in ada.text


def test_another_process_learns_of_it_within_a_quarter_of_a_minute(people, runtime, anna, clock):
    """The browser's process has approved; a second app over the same database has not heard of it yet."""
    import proapp

    other = proapp.create_app(runtime=runtime)
    address = amend(people)
    kerstin = people.staff("kerstin")
    kerstin.get(address)
    kerstin.post(address, {"do": "approve", "seen": seen(kerstin)})
    assert other.extensions["proapp"].study is runtime.study
    elsewhere = replace(people, app=other).staff("ada")
    elsewhere.get("/staff/users")
    assert "Protocol example 1" in elsewhere.text
    clock.forward(seconds=16)
    elsewhere.get("/staff/users")
    assert "Protocol 2.0" in elsewhere.text
    assert other.extensions["proapp"].study.number == "2.0"
    assert other.jinja_env.globals["study"].number == "2.0"


def test_the_page_of_the_study_never_shows_yesterdays_version(people, runtime, anna):
    import proapp

    other = proapp.create_app(runtime=runtime)
    address = amend(people)
    kerstin = people.staff("kerstin")
    kerstin.get(address)
    kerstin.post(address, {"do": "approve", "seen": seen(kerstin)})
    elsewhere = replace(people, app=other).staff("ada")
    elsewhere.get("/staff/study")
    assert "2.0, from" in elsewhere.text


def test_the_trail_says_who_proposed_and_who_approved(people, runtime, anna):
    address = propose(people)
    ivar = people.staff("ivar")
    ivar.get(address)
    ivar.post(address, {"do": "approve", "seen": seen(ivar)})
    with runtime.reading() as session:
        told = {
            one.action: one for one in session.scalars(select(AuditEvent).where(AuditEvent.entity == "change_proposal"))
        }
    assert told["proposal.made"].actor_id == people.staff_id("berit")
    assert told["proposal.approved"].actor_id == people.staff_id("ivar")
    assert told["proposal.made"].chain == told["proposal.approved"].chain == f"p{anna}"
    karin = people.staff("karin")
    karin.get("/staff/audit?participant=UME-001")
    assert "Change approved" in karin.text or "Change proposed" in karin.text


def test_the_participants_history_tells_what_an_amendment_did(people, runtime, anna):
    text = NEW[: NEW.index('[[timepoints]]\ncode = "m12"')] + NEW[NEW.index('[[timepoints]]\ncode = "m18"') :]
    address = amend(people, text)
    kerstin = people.staff("kerstin")
    kerstin.get(address)
    kerstin.post(address, {"do": "approve", "seen": seen(kerstin)})
    kerstin.get(BASE)
    shown = re.sub(r"\s+", " ", kerstin.text)
    assert "4 time points follow another version of the study" in shown  # m03, m18, m24, m36
    assert "2 time points set" in shown or "6 months: moved from" in shown


def test_the_participants_page_says_that_a_correction_waits(people, anna):
    words = "A correction has been proposed: date of randomisation."
    page = "/staff/participants/UME-001"
    assert words not in people.staff("berit").get(page).get_data(as_text=True)
    propose(people)
    assert words in people.staff("berit").get(page).get_data(as_text=True)
    assert words not in people.staff("stina").get(page).get_data(as_text=True)


def test_a_wrong_arm_is_corrected_by_two_people_and_named_only_where_arms_are(people, runtime, anna):
    surgical, oncological = (str(arm.label["en"]) for arm in runtime.study.arms)
    berit = people.staff("berit")
    berit.get(CORRECT)
    chosen = [one for one in re.findall(r"<input[^>]*>", berit.text) if 'name="arm"' in one and "checked" in one]
    assert [runtime.study.arms[0].code in one for one in chosen] == [True]
    form = {"new_date": "2026-08-10", "new_time": "", "arm": runtime.study.arms[1].code, "reason": "The wrong line"}
    berit.post(CORRECT, {**form, "step": "look"})
    change = f"{surgical} → {oncological}"
    assert change in berit.text
    address = berit.post(CORRECT, {**form, "seen": seen(berit), "step": "confirm"}).headers["Location"]
    ivar = people.staff("ivar")
    ivar.get(PROPOSALS)
    assert "UME-001: randomisation, another arm" in ivar.text
    assert oncological not in ivar.text
    ivar.get(address)
    assert change in ivar.text
    for name in ("mona", "stina", "ada"):  # who has no such pages is told nothing of the arm that is proposed
        reader = people.staff(name)
        assert reader.get(address).status_code == 403
        reader.get("/staff/participants/UME-001")
        assert oncological not in reader.text
    ivar.get(address)
    assert ivar.post(address, {"do": "approve", "seen": seen(ivar)}).status_code == 303
    page = ivar.follow().get_data(as_text=True)
    assert f"Put right: Randomisation, 10 August 2026, {change}" in page
    assert f"The arm was corrected from {surgical} to {oncological}." in page
    with runtime.reading() as session:
        newest = session.scalars(select(ParticipantEvent).order_by(ParticipantEvent.id.desc()).limit(1)).one()
    assert newest.payload == {"arm": runtime.study.arms[1].code}


def test_an_arm_that_does_not_exist_is_sent_back(people, anna):
    berit = people.staff("berit")
    berit.get(CORRECT)
    assert berit.post(CORRECT, {**FIX, "arm": "XXX", "step": "look"}).status_code == 422
    assert "Choose the arm." in berit.text
