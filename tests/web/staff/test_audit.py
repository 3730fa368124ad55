"""The audit page: who may see which part of the trail."""

from __future__ import annotations

import ast
import re
from datetime import timedelta

import pytest

from proapp.services import audit, webhook_events
from proapp.services.audit import COMMAND_LINE, Actor, Entry
from proapp.web.staff.audit_words import ACTIONS
from tests.conftest import ROOT


@pytest.fixture
def trail(people, runtime, clock):
    anna, lisa, berit = people.participant("UME-001"), people.participant("LUN-001"), people.staff_id("berit")
    nurse = Actor("staff", berit, "nurse")
    told = [
        (
            Entry("answer.recorded", "answer", "1/c30.1", {"old": None, "new": 3, "language": "sv"}),
            Actor("patient", anna, "patient"),
            anna,
        ),
        (
            Entry("missed_reason.recorded", "missed_reason", 1, {"code": "too_ill"}, "said <b>so</b> on the telephone"),
            nurse,
            anna,
        ),
        (Entry("contact.logged", "contact_attempt", 2, {"outcome": "reached"}), COMMAND_LINE, lisa),
        (Entry("user.added", "staff_user", berit, {"role": "nurse"}), COMMAND_LINE, None),
    ]
    with runtime.writing.begin() as session:
        for entry, actor, participant_id in told:
            audit.record(session, entry, actor=actor, now=clock(), participant_id=participant_id)
            clock.forward(minutes=1)
    return anna, lisa


@pytest.mark.parametrize(
    ("name", "sees", "never"),
    [
        ("karin", ["UME-001", "LUN-001", "Answer recorded"], ["Account added"]),
        ("mona", ["UME-001", "LUN-001", "Answer recorded"], ["Account added"]),
        ("ivar", ["UME-001", "Answer recorded"], ["LUN-001", "Account added"]),
        ("ada", ["Account added"], ["UME-001", "LUN-001", "Answer recorded", "too_ill"]),
    ],
)
def test_each_role_sees_its_part(people, trail, name, sees, never):
    browser = people.staff(name)
    assert browser.get("/staff/audit").status_code == 200
    assert [text for text in sees if text not in browser.text] == []
    table = browser.text.split("<tbody>")[1]
    assert [text for text in never if text in table] == []


def test_an_investigator_of_another_site_finds_nothing_by_the_study_id(people, trail):
    linus = people.staff("linus")
    for query in ("?id=UME-001", "?id=UME-001&what=answers", f"?who={people.staff_id('berit')}"):
        assert linus.get(f"/staff/audit{query}").status_code == 200
        assert " UTC</span>" not in linus.text
        assert "Answer recorded</td>" not in linus.text
        assert "said &lt;b&gt;so" not in linus.text
    assert linus.get("/staff/audit").text.count(" UTC</span>") == 1  # what is LUN-001's


@pytest.mark.parametrize("name", ["berit", "charlie", "stina"])
def test_the_others_do_not_open_it(people, trail, name):
    assert people.staff(name).get("/staff/audit").status_code == 403


@pytest.mark.parametrize(("name", "shown"), [("ivar", "– → 3"), ("karin", "– → •"), ("mona", "– → •")])
def test_answers_are_shown_to_investigators_only(people, trail, name, shown):
    browser = people.staff(name)
    browser.get("/staff/audit?what=answers&id=UME-001")
    assert shown in browser.text


def test_times_are_local_and_utc_and_the_reason_is_inert(people, trail):
    browser = people.staff("karin")
    browser.get("/staff/audit?id=UME-001")
    assert "2026-11-23 10:01" in browser.text
    assert "2026-11-23 09:01:00 UTC" in browser.text
    assert "said &lt;b&gt;so&lt;/b&gt; on the telephone" in browser.text


QUERIES = [
    ("", 3),
    ("?who=patient", 1),
    ("?who=system", 1),
    ("?who=1", 1),
    ("?what=answers", 1),
    ("?what=contact", 1),
    ("?what=nonsense", 3),
    ("?id=UME-001", 2),
    ("?id=ZZZ", 0),
    ("?from=2026-11-23&to=2026-11-23", 3),
    ("?from=2026-11-24", 0),
    ("?to=2026-11-22", 0),
    ("?from=soon&to=9999-12-31", 3),
    ("?who=%00&what=%27&before=x", 3),
]


def test_the_address_holds_the_filters(people, trail):
    browser = people.staff("karin")
    for query, rows in QUERIES:
        assert browser.get(f"/staff/audit{query}").status_code == 200, query
        assert browser.text.count(" UTC</span>") == rows, query


def test_a_local_day_begins_at_local_midnight(people, runtime, trail, clock):
    """23:30 UTC on the 23rd is half past midnight on the 24th in Stockholm."""
    late = clock().replace(hour=23, minute=30)
    with runtime.writing.begin() as session:
        audit.record(
            session,
            Entry("contact.logged", "contact_attempt", 9, {}),
            actor=COMMAND_LINE,
            now=late,
            participant_id=trail[0],
        )
    clock.set(late + timedelta(minutes=1))
    browser = people.staff("karin")
    browser.get("/staff/audit?from=2026-11-24&to=2026-11-24")
    assert browser.text.count(" UTC</span>") == 1


def test_many_events_come_in_pages_and_the_filters_stay(people, runtime, trail, clock):
    with runtime.writing.begin() as session:
        entries = [Entry("contact.logged", "contact_attempt", number, {}) for number in range(60)]
        audit.record(session, *entries, actor=COMMAND_LINE, now=clock(), participant_id=trail[0])
    browser = people.staff("karin")
    browser.get("/staff/audit?what=contact")
    assert browser.text.count(" UTC</span>") == 50
    older = browser.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "what=contact" in older
    browser.get(older)
    assert browser.text.count(" UTC</span>") == 11
    assert 'rel="prev"' in browser.text


def test_the_page_costs_the_same_number_of_statements_for_any_size(people, runtime, trail, clock, statements):
    browser, counts = people.staff("ivar"), []
    browser.get("/staff/audit")  # the process has looked once which study is in force
    for many in (1, 300):
        with runtime.writing.begin() as session:
            entries = [Entry("contact.logged", "contact_attempt", number, {}) for number in range(many)]
            audit.record(session, *entries, actor=COMMAND_LINE, now=clock(), participant_id=trail[0])
        statements.clear()
        browser.get("/staff/audit")
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 5  # two of them: what the frame says of proposals and of the clock


def test_the_other_sites_nurse_of_the_filter_list_is_not_named_to_an_investigator(people, trail):
    people.staff_id("charlie")
    browser = people.staff("ivar")
    browser.get("/staff/audit")
    assert "Berit" in browser.text
    assert "Charlie" not in browser.text


def test_everything_the_services_record_has_words():
    """What is written to the trail is a string constant such as "answer.recorded"; each has its sentence on the page."""
    entities = {action.split(".")[0] for action in ACTIONS}
    rooms = [
        *(ROOT / "proapp/services").glob("*.py"),
        *(ROOT / "proapp/cli").glob("*.py"),
        *(ROOT / "proapp").glob("demo*/*.py"),
    ]
    recorded = {
        node.value
        for path in rooms
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[a-z_]+\.[a-z_]+", node.value)
    }
    recorded = {one for one in recorded if one.split(".")[0] in entities} - {webhook_events.TYPE}
    assert len(recorded) > 30
    assert recorded - ACTIONS.keys() == set()
