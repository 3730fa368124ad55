"""The trail as people read it: own sites, own area, newest first, and answers for those who may see them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from proapp.services import audit, audit_list
from proapp.services.audit import COMMAND_LINE, Actor, Entry
from proapp.services.audit_list import HIDDEN, Filters


@pytest.fixture
def trail(people, session, clock):
    """Events about anna (UME) and lisa (LUN), one by berit, and two of the system, a minute apart."""
    anna, lisa, berit = people.participant("UME-001"), people.participant("LUN-001"), people.staff_id("berit")
    told = [
        (Entry("participant.enrolled", "participant", anna, {}), Actor("staff", berit, "nurse"), anna),
        (
            Entry("answer.recorded", "answer", "1/c30.1", {"old": None, "new": 3, "language": "sv"}),
            Actor("patient", anna, "patient"),
            anna,
        ),
        (
            Entry("answer.recorded", "answer", "1/c30.1", {"old": 3, "new": "cleared", "language": "sv"}),
            Actor("patient", anna, "patient"),
            anna,
        ),
        (
            Entry("answer.recorded", "answer", "2/c30.1", {"old": None, "new": 4, "language": "sv"}),
            Actor("patient", lisa, "patient"),
            lisa,
        ),
        (Entry("user.added", "staff_user", berit, {"role": "nurse"}), COMMAND_LINE, None),
        (Entry("export.created", "export", 1, {}), COMMAND_LINE, None),
        (
            Entry("contact.logged", "contact_attempt", 1, {"outcome": "reached"}, "asked for a call"),
            Actor("staff", berit, "nurse"),
            anna,
        ),
    ]
    for entry, actor, participant_id in told:
        audit.record(session, entry, actor=actor, now=clock(), participant_id=participant_id)
        clock.forward(minutes=1)
    session.commit()
    return {"anna": anna, "lisa": lisa, "berit": berit}


def page(session, **kwargs):
    defaults = {"area": "participants", "sites": None, "filters": Filters(), "may_see_answers": False}
    return audit_list.page(session, **{**defaults, **kwargs})


def seen(session, **kwargs):
    return [(event.action, event.study_id) for event in page(session, **kwargs).events]


def test_newest_first_with_who_what_whom_and_why(session, trail):
    event = page(session).events[0]
    assert (event.actor_name, event.actor_role, event.action, event.study_id, event.reason) == (
        "Berit",
        "nurse",
        "contact.logged",
        "UME-001",
        "asked for a call",
    )


def test_a_site_sees_its_own_participants_only(session, trail):
    assert {study_id for _action, study_id in seen(session, sites=frozenset({"UME"}))} == {"UME-001"}
    assert seen(session, sites=frozenset({"LUN"})) == [("answer.recorded", "LUN-001")]
    assert seen(session, sites=frozenset()) == []


def test_a_foreign_study_id_finds_as_little_as_an_absent_one(session, trail):
    for study_id in ("LUN-001", "XXX-999"):
        assert seen(session, sites=frozenset({"UME"}), filters=Filters(study_id=study_id)) == []


def test_the_two_areas_never_mix(session, trail):
    assert seen(session, area="system") == [("export.created", None), ("user.added", None)]
    assert not {"export.created", "user.added"} & {action for action, _ in seen(session)}


def test_answers_are_hidden_from_those_who_may_not_see_them(session, trail):
    told = [event.details for event in page(session).events if event.action == "answer.recorded"]
    assert told == [
        {"old": None, "new": HIDDEN, "language": "sv"},
        {"old": HIDDEN, "new": HIDDEN, "language": "sv"},
        {"old": None, "new": HIDDEN, "language": "sv"},
    ]


def test_what_differs_from_what_was_sent_is_an_answer_too(session, trail, clock):
    differs = Entry("answer.conflict", "answer_conflict", "1/c30.1", {"sent": 3, "new": 4})
    audit.record(session, differs, actor=audit.WORKER, now=clock(), participant_id=trail["anna"])
    assert page(session).events[0].details == {"sent": HIDDEN, "new": HIDDEN}
    assert page(session, may_see_answers=True).events[0].details == {"sent": 3, "new": 4}


def test_answers_are_shown_to_those_who_may_see_them(session, trail):
    told = [
        event.details["new"]
        for event in page(session, may_see_answers=True).events
        if event.action == "answer.recorded"
    ]
    assert told == [4, "cleared", 3]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (Filters(actor="patient"), 3),
        (Filters(actor="system"), 0),
        (Filters(actions=("answer.",)), 3),
        (Filters(actions=("contact.", "participant.")), 2),
        (Filters(actions=("answer_",)), 0),
        (Filters(actions=("%",)), 0),
        (Filters(study_id="UME-001"), 4),
        (Filters(study_id="ume-001"), 0),
        (Filters(study_id="UME-001' OR '1'='1"), 0),
        (Filters(actor="99"), 0),
        (Filters(actor="1 OR 1=1"), 0),
    ],
)
def test_filters_by_who_what_and_participant(session, trail, filters, count):
    assert len(seen(session, filters=filters)) == count


def test_filter_by_one_member_of_staff(session, trail):
    assert [action for action, _ in seen(session, filters=Filters(actor=str(trail["berit"])))] == [
        "contact.logged",
        "participant.enrolled",
    ]


def test_a_patients_number_is_not_taken_for_a_member_of_staff(session, trail):
    assert trail["anna"] == trail["berit"]  # the first of each; the same number, two different people
    assert len(seen(session, filters=Filters(actor=str(trail["berit"])))) == 2


def test_filter_by_time_includes_the_first_and_not_the_last_moment(session, trail, clock):
    start = clock() - timedelta(minutes=7)
    assert len(seen(session, filters=Filters(since=start, until=start + timedelta(minutes=1)))) == 1
    assert len(seen(session, filters=Filters(since=start + timedelta(minutes=1)))) == 4


def test_pages_follow_each_other_without_gap_or_repeat_also_within_one_moment(session, trail, clock):
    for number in range(7):
        entry = Entry("contact.logged", "contact_attempt", 10 + number, {})
        audit.record(session, entry, actor=COMMAND_LINE, now=clock(), participant_id=trail["anna"])
    session.commit()
    ids, before = [], ""
    while True:
        found = page(session, before=before, limit=3)
        ids += [event.id for event in found.events]
        before = found.older
        if not before:
            break
    assert len(ids) == len(set(ids)) == 12


@pytest.mark.parametrize(
    "before", ["", "x", "1", "-", "1-x", "9" * 30 + "-1", "1-" + "9" * 30, "１-１", "1-1-1", "' OR 1"]
)
def test_a_faulty_key_is_the_first_page(session, trail, before):
    found = page(session, before=before)
    assert len(found.events) in (0, 5)


def test_a_damaged_row_does_not_take_the_page_down(session, trail, clock):
    from sqlalchemy import insert

    from proapp.db.models import AuditEvent

    rows = audit.chained(
        "system", 2, "x" * 64, [Entry("user.added", "staff_user", 1, {})], actor=COMMAND_LINE, now=clock()
    )
    session.execute(insert(AuditEvent).values(**{**rows[0], "details": "{not json"}))
    assert page(session, area="system").events[0].details == {}


def test_one_statement_whatever_the_size(session, trail, statements):
    session.commit()
    statements.clear()
    page(session, sites=frozenset({"UME"}))
    assert len(statements) == 1


def test_names_are_those_who_may_have_acted_here(session, people, trail):
    session.commit()
    for name in ("charlie", "karin", "ada"):
        people.staff_id(name)
    assert [name for _id, name in audit_list.staff_names(session, sites=frozenset({"UME"}))] == [
        "Ada",
        "Berit",
        "Karin",
    ]
    assert len(audit_list.staff_names(session, sites=None)) == 4
