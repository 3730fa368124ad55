"""Whatever somebody with the keys to the database does to the trail is found, and the first bad row is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text

from proapp.db.append_only import FUNCTION, guards, unprotect
from proapp.db.models import APPEND_ONLY, Answer, AuditEvent, Base
from proapp.services import audit, audit_review
from proapp.services.audit import COMMAND_LINE, Actor, Entry
from proapp.services.audit_review import Anchor, BadAnchors, against_anchors, anchor_lines, faults, read_anchors

PATIENT = Actor("patient", 1, "patient")


@pytest.fixture
def past_the_guards(engine, session):
    """Runs statements as the owner of the database could: with the guards off, and back on afterwards."""

    def run(*statements):
        session.rollback()  # it holds the writer's lock since it was first asked something
        with engine.execution_options(proapp_write=True).begin() as connection:
            for switch in switches(connection, off=True):
                connection.execute(text(switch))
            for statement in statements:
                connection.exec_driver_sql(statement) if isinstance(statement, str) else connection.execute(statement)
            for switch in switches(connection, off=False):
                connection.execute(text(switch))

    return run


def switches(connection, *, off) -> Iterator[str]:
    if connection.dialect.name == "postgresql":
        yield f"SET LOCAL session_replication_role = {'replica' if off else 'origin'}"
        return
    for table in APPEND_ONLY:
        yield from unprotect(table, "sqlite") if off else guards(table, "sqlite").values()


@pytest.fixture
def anna(people, session, clock):
    """A participant with two chains around her: her own, with a started set and three answers, and the system's."""
    anna = people.participant("UME-001", randomized_on=clock().date() - timedelta(days=90), events=False)
    set_id = people.answered(anna, "m03", codes={})
    audit.record(session, Entry("user.added", "staff_user", 1, {"role": "nurse"}), actor=COMMAND_LINE, now=clock())
    audit.record(
        session,
        Entry("participant.enrolled", "participant", anna, {}),
        actor=COMMAND_LINE,
        now=clock(),
        participant_id=anna,
    )
    for item, kind, code, told in ((1, "answered", 2, 2), (2, "answered", 3, 3), (2, "skipped", None, "skipped")):
        answer(session, clock, set_id, item, kind, code)
        tell(session, clock, anna, set_id, item, told)
    session.commit()
    return anna, set_id


def answer(session, clock, set_id, item, kind, code):
    row = {"response_set_id": set_id, "instrument": "c30", "item": item, "kind": kind, "code": code}
    session.execute(insert(Answer).values(**row, language="sv", recorded_at=clock(), actor="patient"))


def tell(session, clock, anna, set_id, item, new):
    entry = Entry("answer.recorded", "answer", f"{set_id}/c30.{item}", {"old": None, "new": new, "language": "sv"})
    audit.record(session, entry, actor=PATIENT, now=clock(), participant_id=anna)


def found(runtime):
    with runtime.reading() as session:
        return [(fault.chain, fault.seq, fault.sentence) for fault in faults(session)]


def event_ids(session, chain):
    return list(session.scalars(select(AuditEvent.id).where(AuditEvent.chain == chain).order_by(AuditEvent.seq)))


def test_an_untouched_trail_is_intact(runtime, session, anna):
    assert found(runtime) == []
    assert audit_review.size(session) == (5, 2)


def test_an_empty_database_is_intact(runtime, session):
    assert found(runtime) == []
    assert audit_review.size(session) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        'details = \'{"language":"sv","new":4,"old":null}\'',
        "reason = 'because'",
        "actor_id = 2",
        "actor_kind = 'staff'",
        "actor_role = 'nurse'",
        "action = 'answer.Recorded'",
        "entity = 'answers'",
        "entity_id = '9/c30.1'",
        "site_code = 'UME'",
        "hash = '" + "0" * 64 + "'",
        "prev_hash = '" + "0" * 64 + "'",
    ],
)
def test_a_change_of_any_field_of_any_row_is_found(runtime, session, anna, past_the_guards, change):
    chain = f"p{anna[0]}"
    second = event_ids(session, chain)[1]
    past_the_guards(f"UPDATE audit_event SET {change} WHERE id = {second}")
    first = found(runtime)[0]
    assert first[:2] == (chain, 2)


def test_a_moved_moment_is_found(runtime, session, anna, past_the_guards, engine):
    chain = f"p{anna[0]}"
    second = event_ids(session, chain)[1]
    shift = "at + interval '1 microsecond'" if engine.dialect.name == "postgresql" else "'2026-11-23 09:00:00.000001'"
    past_the_guards(f"UPDATE audit_event SET at = {shift} WHERE id = {second}")
    assert found(runtime) == [(chain, 2, "was changed after it was written")]


def test_a_removed_row_is_found_at_the_row_after_it(runtime, session, anna, past_the_guards):
    chain = f"p{anna[0]}"
    first = event_ids(session, chain)[0]
    past_the_guards(f"DELETE FROM audit_event WHERE id = {first}")
    assert found(runtime)[0] == (chain, 2, "follows number 0: events between are missing, or this one moved")


def test_a_removed_row_with_the_rest_renumbered_is_found(runtime, session, anna, past_the_guards):
    chain = f"p{anna[0]}"
    ids = event_ids(session, chain)
    past_the_guards(
        f"DELETE FROM audit_event WHERE id = {ids[1]}",
        *(f"UPDATE audit_event SET seq = {seq} WHERE id = {id_}" for seq, id_ in ((2, ids[2]), (3, ids[3]))),
    )
    assert found(runtime)[0] == (chain, 2, "is not linked to the event before it")


def test_two_rows_that_changed_places_are_found(runtime, session, anna, past_the_guards):
    chain = f"p{anna[0]}"
    one, other = event_ids(session, chain)[1:3]
    past_the_guards(
        f"UPDATE audit_event SET seq = 99 WHERE id = {one}",
        f"UPDATE audit_event SET seq = 2 WHERE id = {other}",
        f"UPDATE audit_event SET seq = 3 WHERE id = {one}",
    )
    assert {(fault[0], fault[1]) for fault in found(runtime)} >= {(chain, 2), (chain, 3)}


def test_an_inserted_row_is_found_even_with_a_hash_of_its_own(runtime, session, anna, past_the_guards, clock):
    chain = f"p{anna[0]}"
    ids = event_ids(session, chain)
    before = session.scalars(select(AuditEvent.hash).where(AuditEvent.id == ids[0])).one()
    entry = Entry("contact.logged", "contact_attempt", 1, {"outcome": "reached"})
    forged = audit.chained(chain, 1, before, [entry], actor=COMMAND_LINE, now=clock())[0]
    past_the_guards(
        *(f"UPDATE audit_event SET seq = seq + 1 WHERE id = {id_}" for id_ in reversed(ids[1:])),
        insert(AuditEvent).values(**forged),
    )
    assert found(runtime)[0] == (chain, 3, "is not linked to the event before it")


def test_each_chain_is_walked_although_an_earlier_one_is_bad(runtime, session, anna, past_the_guards):
    past_the_guards("UPDATE audit_event SET reason = 'x' WHERE seq = 1")
    assert {fault[0] for fault in found(runtime)} == {f"p{anna[0]}", "system"}


# --- answers against the trail


def test_an_answer_nobody_told_of_is_found(runtime, session, anna, clock):
    answer(session, clock, anna[1], 3, "answered", 1)
    session.commit()
    assert found(runtime) == [
        (f"p{anna[0]}", 4, f"an answer is stored that no event tells of (response set {anna[1]}, c30 item 3)")
    ]


def test_an_event_of_an_answer_that_is_not_stored_is_found(runtime, session, anna, clock):
    tell(session, clock, anna[0], anna[1], 3, 1)
    session.commit()
    assert found(runtime) == [
        (f"p{anna[0]}", 5, f"tells of an answer that is not stored (response set {anna[1]}, c30 item 3)")
    ]


@pytest.mark.parametrize("change", ["code = 4", "item = 5", "instrument = 'br23'", "kind = 'cleared'"])
def test_an_answer_changed_behind_the_trail_is_found(runtime, anna, past_the_guards, change):
    past_the_guards(f"UPDATE answer SET {change} WHERE id = (SELECT min(id) FROM answer)")
    assert found(runtime)
    assert {fault[0] for fault in found(runtime)} == {f"p{anna[0]}"}


def test_an_answer_deleted_behind_the_trail_is_found(runtime, anna, past_the_guards):
    past_the_guards("DELETE FROM answer WHERE id = (SELECT min(id) FROM answer)")
    assert found(runtime) == [
        (f"p{anna[0]}", 2, f"tells of an answer that is not stored (response set {anna[1]}, c30 item 1)")
    ]


def test_one_answer_told_of_twice_is_found(runtime, session, anna, clock):
    tell(session, clock, anna[0], anna[1], 1, 2)
    session.commit()
    assert found(runtime) == [
        (f"p{anna[0]}", 5, f"tells of an answer that is not stored (response set {anna[1]}, c30 item 1)")
    ]


def test_a_participant_without_any_event_is_found(runtime, anna, people, past_the_guards):
    past_the_guards(f"DELETE FROM audit_event WHERE chain = 'p{anna[0]}'")
    assert (f"p{anna[0]}", 0, "has no events at all, although there is a participant") in found(runtime)


# --- facts against the trail

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
# The table: a row of it, what the service says of it in the trail, and a change behind the trail.
FACTS = {
    "participant_event": (
        {"type": "randomized", "effective_on": AT.date(), "payload": {"arm": "A"}, "reason": None, "recorded_at": AT},
        ("event.recorded", {"type": "randomized", "effective_on": AT.date(), "effective_time": None, "payload": {"arm": "A"}, "supersedes": None}),
        "effective_on = '2026-12-01'",
    ),
    "assessment_event": (
        {"type": "extended", "payload": {"until": "2027-01-01"}, "reason": "ill", "recorded_at": AT},
        ("assessment.extended", {"assessment": 1, "until": "2027-01-01", "previous": None}),
        "type = 'declined'",
    ),
    "missed_reason": (
        {"code": "forgot", "health_related": "?", "avoidable": "Y", "source": "staff", "note": None, "recorded_at": AT},
        ("missed_reason.recorded", {"assessment": 1, "code": "forgot", "health_related": "?", "avoidable": "Y", "source": "staff", "has_note": False}),
        "code = 'too_ill'",
    ),
    "contact_attempt": (
        {"method": "phone", "outcome": "reached", "note": "x", "next_on": AT.date(), "at": AT},
        ("contact.logged", {"assessment": 1, "method": "phone", "outcome": "reached", "next_on": AT.date(), "has_note": True}),
        "note = NULL",
    ),
    "patient_request": (
        {"type": "call_me", "payload": {}, "recorded_at": AT},
        ("request.recorded", {"type": "call_me", "assessment": 1}),
        "type = 'remind_later'",
    ),
}  # fmt: skip


@pytest.fixture
def fact(session, anna, people):
    """Writes a row of a table of facts, and tells of it unless asked not to. Returns its number."""

    def write(table, *, told=True):
        row, (action, details), _ = FACTS[table]
        columns = Base.metadata.tables[table].c
        whose = {"participant_id": anna[0], "assessment_id": people.assessment_id(anna[0], "m03")}
        session.rollback()
        values = {**row, **{name: value for name, value in whose.items() if name in columns}}
        number = session.scalar(insert(Base.metadata.tables[table]).values(values).returning(columns.id))
        if told:
            details = {**details, "assessment": whose["assessment_id"]} if "assessment" in details else details
            entry = Entry(action, table, number, details, reason=row.get("reason"))
            audit.record(session, entry, actor=PATIENT, now=AT, participant_id=anna[0])
        session.commit()
        return number

    return write


@pytest.mark.parametrize("table", FACTS)
def test_a_fact_beside_its_event_is_fine(runtime, anna, fact, table):
    fact(table)
    assert found(runtime) == []


@pytest.mark.parametrize("table", FACTS)
def test_a_fact_changed_behind_the_trail_is_found(runtime, anna, fact, past_the_guards, table):
    number, change = fact(table), FACTS[table][2]
    past_the_guards(f"UPDATE {table} SET {change} WHERE id = {number}")
    column = {"note": "has_note"}.get(change.split()[0], change.split()[0])
    sentence = f"tells of other values than those stored ({table} {number}: {column})"
    assert found(runtime) == [(f"p{anna[0]}", 5, sentence)]


def test_what_the_payload_holds_is_compared_too(runtime, anna, fact, past_the_guards):
    number = fact("assessment_event")
    past_the_guards("""UPDATE assessment_event SET payload = '{"until": "2027-06-30"}'""")
    assert found(runtime)[0][2].endswith(f"(assessment_event {number}: until)")


@pytest.mark.parametrize("table", FACTS)
def test_a_fact_nobody_told_of_is_found(runtime, anna, fact, table):
    number = fact(table, told=False)
    assert found(runtime) == [(f"p{anna[0]}", 4, f"a row is stored that no event tells of ({table} {number})")]


@pytest.mark.parametrize("table", FACTS)
def test_a_fact_removed_behind_the_trail_is_found(runtime, anna, fact, past_the_guards, table):
    number = fact(table)
    past_the_guards(f"DELETE FROM {table} WHERE id = {number}")
    assert found(runtime) == [(f"p{anna[0]}", 5, f"tells of a row that is not stored ({table} {number})")]


def test_one_fact_told_of_twice_is_found(runtime, session, anna, fact):
    number = fact("patient_request")
    entry = Entry("request.recorded", "patient_request", number, {"type": "call_me"})
    audit.record(session, entry, actor=PATIENT, now=AT, participant_id=anna[0])
    session.commit()
    assert found(runtime) == [(f"p{anna[0]}", 6, f"tells a second time of one row (patient_request {number})")]


# --- guards


@pytest.fixture
def altered(engine, request):
    """Executes statements against a database that is thrown away, or put right, afterwards."""

    def run(*statements):
        with engine.execution_options(proapp_write=True).begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    yield run
    if engine.dialect.name == "postgresql":
        run(
            FUNCTION,
            *(statement for table in APPEND_ONLY for statement in unprotect(table, "postgresql")),
            *(statement for table in APPEND_ONLY for statement in guards(table, "postgresql").values()),
        )


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", ["update", "delete", "replace"])
def test_a_missing_guard_is_reported(runtime, engine, altered, table, verb):
    if verb == "replace" and engine.dialect.name == "postgresql":
        pytest.skip("PostgreSQL has no REPLACE")
    on = f" ON {table}" if engine.dialect.name == "postgresql" else ""
    altered(f"DROP TRIGGER {table}_no_{verb}{on}")
    assert found(runtime) == [
        ("database", 0, f"the guard {table}_no_{verb} is missing or switched off: {table} can be changed")
    ]


def test_a_guard_switched_off_is_reported(runtime, engine, altered):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no switch for a trigger")
    altered("ALTER TABLE answer DISABLE TRIGGER answer_no_update")
    assert found(runtime)[0][2].startswith("the guard answer_no_update is missing or switched off")


def test_a_weakened_guard_is_reported(runtime, engine, altered):
    if engine.dialect.name == "sqlite":
        altered("DROP TRIGGER answer_no_update", "CREATE TRIGGER answer_no_update BEFORE UPDATE ON answer WHEN OLD.code = 9 BEGIN SELECT RAISE(ABORT, 'no'); END")  # fmt: skip
        expected = 1
    else:
        altered(
            "CREATE OR REPLACE FUNCTION proapp_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        )
        expected = 2 * len(APPEND_ONLY)
    sentences = [fault[2] for fault in found(runtime)]
    assert len(sentences) == expected
    assert "the guard answer_no_update was altered: answer can be changed" in sentences


def test_a_guard_narrowed_to_fewer_verbs_is_reported(runtime, engine, altered):
    if engine.dialect.name == "sqlite":
        pytest.skip("one trigger, one verb")
    altered(
        "DROP TRIGGER answer_no_delete ON answer",
        "CREATE TRIGGER answer_no_delete BEFORE DELETE ON answer FOR EACH STATEMENT EXECUTE FUNCTION proapp_refuse_change()",
    )
    assert [fault[2] for fault in found(runtime)] == ["the guard answer_no_delete was altered: answer can be changed"]


# --- anchors


def test_heads_written_down_and_read_again_are_the_same(session, anna):
    lines = ["# proapp audit heads 2026-11-23T09:00:00Z", *anchor_lines(audit.heads(session)), ""]
    anchors = read_anchors(lines)
    assert [(one.chain, one.seq) for one in anchors] == [(f"p{anna[0]}", 4), ("system", 1)]
    assert list(against_anchors(session, anchors)) == []


def test_a_tail_cut_off_is_seen_against_an_anchor_only(runtime, session, anna, past_the_guards):
    anchors = read_anchors(anchor_lines(audit.heads(session)))
    chain = f"p{anna[0]}"
    last = event_ids(session, chain)[-1]
    past_the_guards(
        f"DELETE FROM audit_event WHERE id = {last}", "DELETE FROM answer WHERE id = (SELECT max(id) FROM answer)"
    )
    assert found(runtime) == []
    session.rollback()
    assert [(fault.chain, fault.seq) for fault in against_anchors(session, anchors)] == [(chain, 4)]


def test_a_chain_written_anew_from_some_row_on_is_seen_against_an_anchor_only(
    runtime, session, anna, past_the_guards, clock
):
    anchors = read_anchors(anchor_lines(audit.heads(session)))
    entry = Entry("user.added", "staff_user", 1, {"role": "administrator"})
    forged = audit.chained("system", 0, audit.GENESIS, [entry], actor=COMMAND_LINE, now=clock())[0]
    past_the_guards("DELETE FROM audit_event WHERE chain = 'system'", insert(AuditEvent).values(**forged))
    assert found(runtime) == []
    session.rollback()
    assert [fault.sentence for fault in against_anchors(session, anchors)] == [
        "is not the event it was: the chain was written anew"
    ]


def test_a_chain_that_has_grown_since_is_fine(session, anna, clock):
    anchors = read_anchors(anchor_lines(audit.heads(session)))
    audit.record(session, Entry("user.added", "staff_user", 2, {}), actor=COMMAND_LINE, now=clock())
    assert list(against_anchors(session, anchors)) == []


@pytest.mark.parametrize(
    "line", ["system 1", "system one " + "0" * 64, "system 1 " + "0" * 63, "x" * 30 + " 1 " + "0" * 64, "<html>"]
)
def test_a_file_that_is_no_list_of_heads_is_refused_with_the_line(line):
    with pytest.raises(BadAnchors, match="line 2"):
        read_anchors(["# heads", line])


def test_an_empty_file_is_no_list_of_heads():
    with pytest.raises(BadAnchors, match="no heads"):
        read_anchors(["", "# nothing"])


def test_an_anchor_is_a_plain_value():
    assert Anchor("p1", 1, "a") == Anchor("p1", 1, "a")
