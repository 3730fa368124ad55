"""One audit event for every row: each page that writes about a participant is used once, and what changed in the
tables is compared with what the trail says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select, update

from proapp.db.models import AuditEvent, Base, Message
from proapp.runtime import SHIPPED_STUDY
from tests.people import PIN, faults
from tests.web.routes import CLINICAL, ROUTES
from tests.wordless import wordless

# Signing in and out leaves events without rows about the trial; its rows are those of sessions and counted tries.
AROUND = ("audit_event", "auth_session", "sign_in_attempt", "installation")
READ = "patient.code_accepted"  # the code is only looked at; it is used up with the choice of the PIN
CONTACT = {"channel": "sms", "mobile": "070-174 06 15", "email": ""}
RANDOMISED = {"arm": "SURG", "randomized_on": "2026-11-20", "override_reason": "On paper, and the paper is lost"}


def rows(engine: Any) -> dict[tuple[str, Any], Any]:
    with engine.connect() as connection:
        return {
            (name, row[: len(table.primary_key.columns)]): row
            for name, table in Base.metadata.tables.items()
            if name not in AROUND
            for row in connection.execute(select(*table.primary_key.columns, table)).all()
        }


def events(engine: Any) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(AuditEvent.__table__).order_by(AuditEvent.id)).all())


@pytest.fixture
def watched(engine: Any) -> Callable[[Callable[[], Any]], Counter[str]]:
    """Do something, and hold every row that was added, changed or removed against the new events of the trail."""

    def watch(act: Callable[[], Any]) -> Counter[str]:
        before, told_before = rows(engine), len(events(engine))
        page = act()
        assert page.status_code in (200, 303), page.get_data(as_text=True)
        after = rows(engine)
        changed = Counter(name for name, key in before.keys() | after.keys() if before.get((name, key)) != after.get((name, key)))  # fmt: skip
        told = events(engine)[told_before:]
        written = Counter(event.entity for event in told if event.entity not in AROUND and event.action != READ)
        assert written == changed
        assert all(event.actor_kind in {"staff", "patient"} and event.actor_id for event in told)
        assert all(json.loads(event.details) is not None for event in told)
        return changed

    return watch


def test_every_page_that_writes_about_a_participant_leaves_one_event_for_each_row(watched, people, app):
    used: set[str] = set()

    def send(browser: Any, path: str, form: dict[str, Any] | str | None = None) -> Counter[str]:
        used.add(app.url_map.bind("localhost").match(path.split("?")[0], method="POST")[0])
        if isinstance(form, str):
            headers = {"Content-Type": "application/json", "X-CSRFToken": browser.form_token()}
            return watched(lambda: browser.client.post(path, data=form, headers=headers, base_url="https://localhost"))
        return watched(lambda: browser.post(path, form))

    _what_happens_meanwhile(send, people)
    _a_day_of_the_nurse(send, people)
    _an_afternoon_of_the_patient(send, people)
    _a_newcomer_signs_in(send, people)
    _what_people_do_with_messages(send, people)
    _a_tablet_changes_hands(send, people)
    _two_coordinators_amend_the_study(send, people, len(people.runtime.study.timepoints))

    of_participants = {name for name, route in ROUTES.items() if "POST" in route.methods and (route.audience == CLINICAL or name.startswith("patient."))}  # fmt: skip
    assert of_participants - used == set(), "these pages write; use them in this walk"
    with people.runtime.reading() as session:
        assert list(faults(session)) == []
        told = session.scalars(select(AuditEvent.details))
        assert set().union(*(wordless(json.loads(details)) for details in told)) == set(), "for the audit page"


def _a_day_of_the_nurse(send: Any, people: Any) -> None:
    berit = people.staff("berit")
    person = "/staff/participants/UME-007"
    enrolled = {"site_code": "UME", "study_id": "UME-007", "consent_on": "2026-11-16", "language": "sv", **CONTACT}
    planned = len(people.runtime.study.timepoints)
    assert send(berit, "/staff/participants/new", enrolled) == {
        "participant": 1,
        "contact": 1,
        "participant_event": 1,
        "assessment": planned,
        "message": 1,  # the first test message
    }
    _do_messages_arrive(send, people, berit, person)
    assert send(berit, f"{person}/sheet") == {"activation_code": 1}
    assert send(berit, f"{person}/sheet") == {"activation_code": 2}  # the old one is revoked
    assert send(berit, f"{person}/contact", {**CONTACT, "mobile": "070-174 06 16"}) == {"contact": 1}
    assert send(berit, f"{person}/contact", {**CONTACT, "mobile": "070-174 06 16"}) == {}
    assert send(berit, f"{person}/randomise", {**RANDOMISED, "step": "look"}) == {}
    assert send(berit, f"{person}/randomise", {**RANDOMISED, "step": "confirm"}) == {
        "participant_event": 1,
        "assessment": planned,
        "missed_reason": 1,  # the baseline was over before the enrolment
    }
    _correct(send, people, berit, person, planned)
    assert send(berit, f"{person}/log-contact", {"method": "phone", "outcome": "no_answer"}) == {"contact_attempt": 1}
    assert send(berit, f"{person}/postpone", {"until": "2026-11-26", "why": "Away"}) == {"contact_attempt": 1}
    stopped = send(berit, f"{person}/events/pro_stop", {"effective_on": "2026-11-23"})
    assert stopped == {"participant_event": 1, "message": 1}  # the test message that was waiting is cancelled
    event = re.search(r"/events/(\d+)/revoke", berit.get(f"{person}/events").get_data(as_text=True))
    assert event is not None
    assert send(berit, f"{person}/events/{event[1]}/revoke", {"reason": "Somebody else"}) == {"participant_event": 1}
    left = {"effective_on": "2026-11-23", "data_use": "keep"}
    assert send(berit, f"{person}/events/trial_withdrawal", left) == {"participant_event": 1, "activation_code": 1}


def _do_messages_arrive(send: Any, people: Any, berit: Any, person: str) -> None:
    assert send(berit, f"{person}/contact/test") == {}  # the first is still on its way
    with people.runtime.writing.begin() as session:
        session.execute(update(Message).values(state="sent", handed_over_at=people.runtime.clock()))
    assert send(berit, f"{person}/contact/arrived") == {"contact": 1}
    assert send(berit, f"{person}/contact/test") == {"message": 1}


def _correct(send: Any, people: Any, berit: Any, person: str, planned: int) -> None:
    """One proposes the right date, another one refuses the first try and approves the second."""
    form = {"new_date": "2026-11-19", "new_time": "", "reason": "Read wrongly"}
    ivar = people.staff("ivar")
    for number in (1, 2):
        assert send(berit, f"{person}/correct-randomisation", {**form, "step": "look"}) == {}
        confirmed = {**form, "step": "confirm", "seen": _seen(berit)}
        assert send(berit, f"{person}/correct-randomisation", confirmed) == {"change_proposal": 1}
        ivar.get(f"/staff/proposals/{number}")
        if number == 1:
            refused = send(ivar, "/staff/proposals/1", {"do": "refuse", "reason": "Look again"})
            assert refused == {"change_proposal": 1}
    assert send(ivar, "/staff/proposals/2", {"do": "approve", "seen": _seen(ivar)}) == {
        "change_proposal": 1,
        "participant_event": 1,
        "assessment": planned,
    }


def _seen(browser: Any) -> str:
    found = re.search(r'name="seen"[^>]*value="(\w+)"', browser.text)
    assert found is not None
    return found[1]


def _two_coordinators_amend_the_study(send: Any, people: Any, planned: int) -> None:
    karin, kerstin = people.staff("karin"), people.staff("kerstin")
    text = SHIPPED_STUDY.read_text(encoding="utf-8").replace('number = "example 1"', 'number = "2"')
    form = {"text": text, "reason": "Amendment 2", "from_LIN": "2026-11-23", "from_LUN": "2026-12-01"}
    people.participant("LIN-001", consent_on=date(2026, 11, 1))
    karin.get("/staff/study/amendment")
    assert send(karin, "/staff/study/amendment", {**form, "step": "look"}) == {}
    confirmed = {**form, "step": "confirm", "seen": _seen(karin)}
    assert send(karin, "/staff/study/amendment", confirmed) == {"change_proposal": 1, "study_version": 1}
    kerstin.get("/staff/proposals/3")
    assert send(kerstin, "/staff/proposals/3", {"do": "approve", "seen": _seen(kerstin)}) == {
        "change_proposal": 1,
        "site_activation": 2,
        "assessment": planned,
    }


def _what_happens_meanwhile(send: Any, people: Any) -> None:
    lena = people.participant("UME-005", randomized_on=date(2026, 5, 25))
    berit, person = people.staff("berit"), "/staff/participants/UME-005"
    assert send(berit, f"{person}/events/surgery", {"effective_on": "2026-06-01"}) == {"participant_event": 1}
    event = re.search(r"/events/(\d+)/revoke", berit.get(f"{person}/events").get_data(as_text=True))
    assert event is not None
    right = {"new_date": "2026-06-02", "reason": "Read wrongly"}
    assert send(berit, f"{person}/events/{event[1]}/correct", {**right, "step": "look"}) == {}
    seen = re.search(r'name="seen"[^>]*value="(\w+)"', berit.text)
    assert seen is not None
    confirmed = {**right, "step": "confirm", "seen": seen[1]}
    assert send(berit, f"{person}/events/{event[1]}/correct", confirmed) == {"participant_event": 1}
    assert send(berit, f"{person}/events/contact_pause", {"from_on": "2026-11-20", "reason": "Travels"}) == {
        "participant_event": 1
    }
    pause = re.search(r"events/\d+/end-pause", berit.get(f"{person}/events").get_data(as_text=True))
    assert pause is not None
    assert send(berit, f"{person}/{pause[0]}") == {"participant_event": 1}
    changed = {"participant_event": 1, "participant": 1}
    assert send(berit, f"{person}/events/language_change", {"language": "en"}) == changed
    one = f"/staff/assessments/{people.assessment_id(lena, 'm06')}"
    longer = {"until": "2027-01-20", "reason": "In hospital"}
    both = {"assessment_event": 1, "assessment": 1}
    assert send(berit, f"{one}/extend", longer) == both
    assert send(berit, f"{one}/extend", longer) == {}
    assert send(berit, f"{one}/end-extension", {"reason": "Not needed"}) == both
    # This study has no assessments outside the plan; where there are some, see test_happenings_page.
    assert send(berit, f"{person}/assessments/new", {}) == {}
    assert send(berit, f"{one}/take-back", {"reason": "x"}) == {}
    there = {"to": "LUN", "effective_on": "2026-11-23"}
    assert send(berit, f"{person}/events/site_transfer", {**there, "step": "look"}) == {}
    moved = {**changed, "former_site": 1}
    assert send(berit, f"{person}/events/site_transfer", {**there, "step": "confirm"}) == moved
    assert send(berit, f"{person}/events/site_transfer", {**there, "step": "confirm"}) == {}


def _an_afternoon_of_the_patient(send: Any, people: Any) -> None:
    anna = people.participant("UME-001", randomized_on=date(2026, 5, 25))  # m03 was missed, m06 is open
    berit, phone = people.staff("berit"), people.patient(anna)
    missed, open_ = (f"/staff/assessments/{people.assessment_id(anna, code)}" for code in ("m03", "m06"))
    assert send(berit, f"{missed}/reason", {"code": "forgot"}) == {"missed_reason": 1}
    assert send(berit, f"{open_}/decline") == {"assessment_event": 1}
    assert send(berit, f"{open_}/decline/undo") == {"assessment_event": 1}
    own = f"/assessment/{people.assessment_id(anna, 'm06')}"
    phone.get("/home")
    assert send(phone, f"{own}/decline", {"reason": "no_time"}) == {"assessment_event": 1, "missed_reason": 1}
    assert send(phone, f"{own}/undo-decline") == {"assessment_event": 1}
    assert send(phone, f"{own}/not-now", {"do": "tomorrow"}) == {"patient_request": 1}
    assert send(phone, f"{own}/not-now", {"do": "tomorrow"}) == {}
    assert send(phone, f"{own}/not-now", {"do": "call"}) == {"patient_request": 1}
    assert send(phone, own, {"who": "self"}) == {"response_set": 1}
    for form in ({"answer": "2"}, {"answer": "3"}, {"do": "skip"}, {"do": "clear"}, {"answer": "1"}):
        assert send(phone, f"{own}/c30/1", form) == {"answer": 1}
    assert send(phone, f"{own}/c30/1", {"answer": "1"}) == {}
    assert send(phone, f"{own}/kept", _kept(people, "4")) == {"answer": 1}
    assert send(phone, f"{own}/kept", _kept(people, "4")) == {}
    assert send(phone, f"{own}/review") == {"response_set": 1}
    assert send(phone, f"{own}/review") == {}
    assert send(phone, f"{own}/kept", _kept(people, "3")) == {"answer_conflict": 1}
    _at_home(send, phone)
    assert send(phone, "/sign-out") == {}


def _kept(people: Any, answer: str) -> str:
    """What a phone brings: one answer to the second question."""
    now = int(people.runtime.clock().timestamp() * 1000)
    given = {"kind": "answered", "instrument": "c30", "item": 2, "answer": answer, "language": "sv"}
    entry = {"id": f"aaaaaaaa-{answer}", "at": now, **given}
    return json.dumps({"device": "aaaaaaaa", "now": now, "entries": [entry]})


def _at_home(send: Any, phone: Any) -> None:
    assert send(phone, "/look", {"size": "large"}) == {}
    assert send(phone, "/installing") == {}
    phone.get("/contact")
    assert send(phone, "/contact/pin", {"pin": PIN}) == {}
    assert send(phone, "/contact", {**CONTACT, "mobile": "070-174 06 18"}) == {"contact": 1}
    assert send(phone, "/welcome/mobile", {"answer": "other", "mobile": "070-174 06 19"}) == {"contact": 1}
    assert send(phone, "/welcome/email", {"answer": "none"}) == {}
    assert send(phone, "/welcome/reminders", {"channel": "sms"}) == {"contact": 1}
    assert send(phone, "/pause", {"length": "1"}) == {"participant_event": 1}
    assert send(phone, "/pause/end") == {"participant_event": 1}
    assert send(phone, "/no-more") == {"participant_event": 1}
    assert send(phone, "/no-more") == {}


def _a_newcomer_signs_in(send: Any, people: Any) -> None:
    people.participant("UME-003", activated=False)
    berit, phone = people.staff("berit"), people.make_browser(people.app)
    berit.get("/staff/participants/UME-003/sheet")
    send(berit, "/staff/participants/UME-003/sheet")
    code = "".join(re.findall(r"<span>([A-Z2-9]{4})</span>", berit.text))
    phone.get("/a")
    assert send(phone, "/a", {"code": code}) == {}
    phone.get("/pin")
    assert send(phone, "/pin", {"pin": PIN, "again": PIN}) == {"activation_code": 1, "patient_pin": 1}
    phone.get("/home")
    assert send(phone, "/forget") == {}
    assert send(phone, "/l", {"link": "A" * 26}) == {}


def _a_tablet_changes_hands(send: Any, people: Any) -> None:
    """Sessions alone are begun and ended; the answers in between are those of any phone."""
    person = people.participant("UME-006", randomized_on=date(2026, 8, 23), activated=False)
    berit, assessment = people.staff("berit"), people.assessment_id(person, "m03")
    tablet, own = berit, f"/assessment/{assessment}"
    berit.get("/staff/work")
    assert send(berit, f"/staff/assessments/{assessment}/hand-over") == {}
    tablet.get(own)
    assert send(tablet, own, {"who": "self"}) == {"response_set": 1}
    assert send(tablet, f"{own}/c30/1", {"answer": "2"}) == {"answer": 1}
    assert send(tablet, f"{own}/own-phone") == {}
    assert send(people.staff("ivar"), f"/staff/assessments/{assessment}/hand-over/end") == {}


def _what_people_do_with_messages(send: Any, people: Any) -> None:
    person = people.participant("UME-004", randomized_on=date(2026, 8, 23))
    berit, now = people.staff("berit"), people.runtime.clock()
    assessment = people.assessment_id(person, "m03")
    common = {"kind": "reminder", "participant_id": person, "assessment_id": assessment, "due_at": now, "queued_at": now, "next_try_at": now}  # fmt: skip  # noqa: E501
    letter = Message(key="test:letter", step="opens+0", channel="letter", state="queued", **common)
    unclear = Message(key="test:sms", step="target+0", channel="sms", state="possibly_sent", **common)
    with people.runtime.writing.begin() as session:
        session.add_all([letter, unclear])
    berit.get("/staff/letters")
    assert send(berit, f"/staff/letters/{letter.id}/sent") == {"message": 1, "contact_attempt": 1}
    assert send(berit, f"/staff/letters/{letter.id}/sent") == {}
    assert send(berit, f"/staff/messages/{unclear.id}/send-again") == {"message": 1}
