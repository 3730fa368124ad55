"""What staff see of the reminders: rows that come from outside, the plan explained, letters and the system page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert, update

from proapp.clock import system_clock
from proapp.db.models import Contact, Installation, Message, PatientRequest, StaffUser
from tests.e2e.conftest import DESK, no_sideways_scrolling, picture
from tests.e2e.desk import sign_in

NARROW = {"width": 400, "height": 860}
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def trial(site):
    """Four participants in the middle of their three months' window, each with something for the nurse."""
    if not hasattr(site, "followed"):
        randomised = site.today - 96 * DAY
        ids = {}
        for number, channel in ((31, "sms"), (32, "sms"), (33, "letter"), (34, "email")):
            study_id = f"UME-0{number}"
            ids[number] = site.people.participant(
                study_id, consent_on=randomised - DAY, randomized_on=randomised, channel=channel
            )
            site.people.answered(ids[number], "baseline", submitted_at=system_clock() - 96 * DAY, codes={})
        _fill(site, ids)
        site.followed = True
    return site


def _fill(site, ids):
    now = system_clock()
    with site.runtime.writing.begin() as session:
        late = {"undeliverable_at": now - HOUR, "undeliverable_reason": "recipient_refused"}
        session.execute(update(Contact).where(Contact.participant_id == ids[31]).values(**late))
        asked = {"participant_id": ids[32], "type": "call_me", "payload": {}, "recorded_at": now - HOUR}
        session.execute(insert(PatientRequest), asked)
        session.execute(insert(Installation), {"name": "last_tick", "value": now.isoformat(timespec="seconds")})
        for number, step, channel, state, ago in (
            (31, "opens+0", "sms", "delivered", 19 * DAY),
            (31, "target+3", "sms", "failed", 2 * DAY),
            (32, "opens+0", "sms", "delivered", 19 * DAY),
            (33, "target+3", "letter", "queued", DAY),
            (34, "opens+0", "email", "sent", 19 * DAY),
            (34, "target+3", "email", "possibly_sent", DAY),
        ):
            assessment = site.people.assessment_id(ids[number], "m03")
            gone = state in ("delivered", "sent")
            row = {
                "key": f"reminder:{assessment}:{step}:message", "kind": "reminder", "participant_id": ids[number],
                "assessment_id": assessment, "step": step, "channel": channel, "state": state, "attempts": 1,
                "due_at": now - ago, "queued_at": now - ago, "next_try_at": now - ago,
                "handed_over_at": now - ago if gone else None,
                "settled_at": None if state in ("queued", "sent") else now - ago + timedelta(minutes=2),
                "gateway": "46elks", "state_reason": "recipient_refused" if state == "failed" else None,
            }  # fmt: skip
            session.execute(insert(Message), row)


PAGES = ("work", "letters", "participants/UME-034/follow-up", "participants/UME-031", "system", "account")


@pytest.mark.parametrize(("locale", "dark"), [("en-GB", False), ("sv-SE", True)])
def test_the_pages_of_the_follow_up_are_accessible_and_fit(trial, open_browser, axe, locale, dark):
    karin = trial.people.staff_id("karin")
    with trial.runtime.writing.begin() as session:
        session.execute(update(StaffUser).where(StaffUser.id == karin).values(language=locale[:2]))
    page = sign_in(open_browser(DESK, locale=locale, dark=dark), trial, "karin")
    for path in PAGES:
        page.set_viewport_size(DESK)
        assert page.goto(f"/staff/{path}").status == 200, path
        axe(page)
        assert page.locator("h1").count() == 1, path
        name = f"follow-up-{path.replace('/', '-')}-{locale[:2]}"
        picture(page, name)
        page.set_viewport_size(NARROW)
        no_sideways_scrolling(page)
        picture(page, f"{name}-400")


def test_a_nurse_sees_what_came_from_outside_and_acts_on_it(trial, open_browser):
    page = sign_in(open_browser(DESK, locale="en-GB"), trial, "berit")
    page.goto("/staff/work?site=UME")
    expect(page.locator("tr", has_text="UME-031")).to_contain_text("Messages have not arrived since")
    expect(page.locator("tr", has_text="UME-032")).to_contain_text("sked")
    expect(page.locator("tr", has_text="UME-033")).to_contain_text("a letter was due")

    # The message that may have gone: looked at, and sent once more
    page.locator("tr", has_text="UME-034").get_by_role("link", name=re.compile("See the messages")).click()
    expect(page.locator("main")).to_contain_text("it may have been sent, or not")
    page.get_by_role("button", name=re.compile("Send again")).click()
    expect(page.locator("main")).to_contain_text("The message is in the queue again.")

    # The letter: listed, noted as sent, and part of the contacts
    page.goto("/staff/work?site=UME")
    page.locator("tr", has_text="UME-033").get_by_role("link", name=re.compile("Letters to send")).click()
    page.get_by_role("button", name=re.compile("Mark as sent")).click()
    expect(page.locator("main")).to_contain_text("No letter is due.")
    page.goto("/staff/participants/UME-033")
    expect(page.locator("main")).to_contain_text("Letter sent")

    # A call is noted from the filtered list, which is still filtered afterwards
    page.goto("/staff/work?site=UME&reason=calls")
    page.locator("tr", has_text="UME-032").get_by_role("link", name=re.compile("^Call")).click()
    page.locator("button[name=outcome][value=left_message]").click()
    expect(page).to_have_url(re.compile(r"/staff/work\?site=UME&reason=calls"))
