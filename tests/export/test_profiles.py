"""Who an export is made for: one site without the arms, everything with the audit trail, or all data for analysis."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Any

import pytest

from proapp.services import audit
from proapp.services.audit import GENESIS, WORKER, Actor, Entry, event_hash
from proapp.services.errors import Refused
from proapp.services.exporting import Asked, ask
from tests.conftest import definitions
from tests.export.trial import CONSENT, CUT_OFF, at

BERIT = Actor("staff", 7, "nurse")
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_without_arms_nothing_in_any_file_tells_one_from_the_other(trial, export):
    made = export(arms=False)
    for name, content in made.files.items():
        assert not re.search(rb"\bSURG\b", content), name
        assert b"arm_code" not in content, name
    assert made.manifest["arms"] == "left out"
    assert made.manifest["keys"]["compliance"] == ["timepoint"]
    whole = export()
    for name in ("participants", "assessments", "items_long", "items_wide", "scores_long", "contacts", "corrections"):
        shown = [{key: value for key, value in row.items() if "arm_code" not in key} for row in whole.table(name)]
        assert made.table(name) == shown


def test_a_site_gets_who_is_there_at_the_cut_off_and_nobody_else(trial, export):
    trial.event(trial.id_of("LUN-003"), "site_transfer", date(2026, 11, 1), **{"from": "LUN", "to": "UME"})
    trial.event(trial.id_of("UME-002"), "site_transfer", CUT_OFF, **{"from": "UME", "to": "GOT"})
    trial.event(trial.id_of("UME-003"), "site_transfer", date(2026, 11, 23), **{"from": "UME", "to": "GOT"})
    made = export(profile="site", site="UME", arms=False)
    assert [row["study_id"] for row in made.table("participants")] == ["LUN-003", "UME-001", "UME-003"]
    for name in ("assessments", "items_long", "scores_wide", "corrections"):
        assert {row["study_id"] for row in made.table(name)} <= {"LUN-003", "UME-001", "UME-003"}
    assert {row["population"] for row in made.table("compliance")} == {"3"}
    assert made.archive.namelist()[0].startswith("BreCLIM-2_2026-11-22_site-UME/")
    assert (made.manifest["profile"], made.manifest["site"]) == ("site", "UME")


def write(runtime: Any, *entries: Entry, actor: Actor, when: datetime, member: int | None = None) -> None:
    with runtime.writing.begin() as session:
        audit.record(session, *entries, actor=actor, now=when, participant_id=member)


def test_the_archive_holds_the_trail_and_its_chain_can_be_walked_in_the_file(trial, export, runtime):
    one = trial.id_of("UME-001")
    write(runtime, Entry("event.recorded", "participant_event", 3, {"day": "2026-02-05"}, "=why", "UME"),
          Entry("answer.recorded", "answer", "9.c30.1", {"new": 2}), actor=BERIT, when=at(CONSENT), member=one)  # fmt: skip
    write(runtime, Entry("tick", "worker", 1, {}), actor=WORKER, when=at(CONSENT))
    write(runtime, Entry("too.late", "worker", 1, {}), actor=WORKER, when=at(date(2026, 11, 23)))
    made = export(profile="archive")
    rows = made.table("audit_trail")
    assert [(row["chain"], row["seq"], row["study_id"], row["actor"], row["action"]) for row in rows] == [
        (f"p{one}", "1", "UME-001", "staff:7", "event.recorded"),
        (f"p{one}", "2", "UME-001", "staff:7", "answer.recorded"),
        ("system", "1", "", "system", "tick"),
    ]
    assert (rows[0]["reason"], rows[1]["details"]) == ("'=why", '{"new":2}')
    assert rows[1]["prev_hash"] == rows[0]["hash"]
    assert rows[0]["prev_hash"] == GENESIS
    for row in rows:
        assert event_hash(row["prev_hash"], fields_of(row)) == row["hash"]
    assert not [name for name in export().files if "audit" in name]


def fields_of(row: dict[str, str]) -> dict[str, Any]:
    """What the hash was made of, from the file alone."""
    kind, _, number = row["actor"].partition(":")
    actor = {"actor_kind": kind, "actor_id": int(number) if number else None, "actor_role": row["role"]}
    reason = row["reason"].removeprefix("'") or None
    said = {"at": datetime.fromisoformat(row["at"]), "seq": int(row["seq"]), "site_code": row["site_code"] or None}
    return {**row, **actor, **said, "reason": reason}


def test_the_archive_leaves_out_answers_that_may_not_be_used_and_ways_to_a_person(trial, export, runtime):
    answer = Entry("answer.recorded", "answer", "9.c30.1", {"new": 4711})
    write(runtime, answer, actor=BERIT, when=at(CONSENT), member=trial.id_of("GOT-003"))  # delete_if_lawful
    write(runtime, answer, actor=BERIT, when=at(date(2026, 5, 31)), member=trial.id_of("GOT-002"))  # up to that day
    write(runtime, answer, actor=BERIT, when=at(date(2026, 6, 1)), member=trial.id_of("GOT-002"))
    told = {"old": {"email": "canary@example.org"}, "new": [{"mobile": "CANARY", "channel": "sms"}]}
    write(runtime, Entry("contact.changed", "contact", 1, told), actor=BERIT, when=at(CONSENT))
    rows = export(profile="archive").table("audit_trail")
    assert [(row["study_id"], row["details"], row["details_cut"]) for row in rows] == [
        ("GOT-003", "", "data_use"),
        ("GOT-002", '{"new":4711}', ""),
        ("GOT-002", "", "data_use"),
        ("", '{"new":[{"channel":"sms"}],"old":{}}', "contact"),
    ]


def test_an_answer_given_before_the_last_usable_day_and_sent_after_it_is_left_out_of_the_trail_too(
    trial, export, runtime
):
    person = trial.id_of("GOT-002")  # usable up to 31 May
    begun = trial.answer(person, "m06", date(2026, 5, 20), {("c30", 1): 2}, completed_on=date(2026, 6, 3))
    given = Entry("answer.recorded", "answer", f"{begun}/c30.1", {"new": 4711})
    write(runtime, given, actor=BERIT, when=at(date(2026, 5, 20)), member=person)
    (row,) = export(profile="archive").table("audit_trail")
    assert (row["details"], row["details_cut"]) == ("", "data_use")


def test_the_trail_of_the_archive_comes_in_the_same_number_of_statements(trial, export, runtime, statements):
    counts = []
    for _ in range(2):
        for number in range(5):
            write(runtime, Entry("tick", "worker", number, {}), actor=WORKER, when=at(CONSENT))
        statements.clear()
        export(profile="archive")
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 13


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"profile": "site"}, "site_needed"),
        ({"profile": "site", "site": "ROM"}, "site_unknown"),
        ({"site": "UME"}, "site_of_no_use"),
        ({"profile": "archive", "arms": False}, "archive_has_arms"),
    ],
)
def test_what_makes_no_sense_together_is_refused(asked, code):
    with pytest.raises(Refused, match=code):
        ask(definitions()[0], now=NOW, **asked)


def test_a_site_never_sees_the_arms():
    asked = ask(definitions()[0], now=NOW, cut_off=CUT_OFF, profile="site", site="UME")
    assert asked == Asked(CUT_OFF, datetime(2026, 11, 22, 23, tzinfo=UTC), "site", "UME", arms=False)


def test_the_profile_is_said_to_the_reader(trial, export):
    made = export(profile="site", site="UME", arms=False)
    assert "profile site UME; who is in which arm is left out" in made.files["README.txt"].decode()
    assert json.loads(made.files["manifest.json"])["arms"] == "left out"
