"""Ids made for a recipient, and the groups in which a person could be recognised all the same."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode

import pytest

from proapp.export.pseudonyms import Part, Pseudonyms, WeakKey, reorder
from tests.export.trial import CUT_OFF

KEY, OTHER = b"0123456789abcdef", b"fedcba9876543210"
KEYED = (
    "participants", "assessments", "items_long", "items_wide", "scores_long", "scores_wide", "deterioration",
    "corrections",
)  # fmt: skip


def test_ids_are_keyed_and_the_key_is_not_told_by_its_name():
    names = Pseudonyms(KEY)
    whole = b32encode(hmac.digest(KEY, b"study id UME-001", "sha256")).decode()
    assert names.of("UME-001") == whole[:10]
    assert names.of("UME-001") != Pseudonyms(OTHER).of("UME-001")
    assert re.fullmatch("[0-9a-f]{8}", names.key_id)
    assert names.key_id != Pseudonyms(OTHER).key_id
    with pytest.raises(WeakKey, match="15 bytes can be guessed"):
        Pseudonyms(KEY[:15])


def test_every_table_has_the_keyed_ids_in_their_own_order_and_otherwise_the_same_rows(trial, export):
    plain, keyed, names = export(), export(key=KEY), Pseudonyms(KEY)
    for table in KEYED:
        wanted = [{**row, "study_id": names.of(row["study_id"])} for row in plain.table(table)]
        assert keyed.table(table) == sorted(wanted, key=lambda row: row["study_id"]), table
    assert keyed.table("compliance") == plain.table("compliance")
    ids = [row["study_id"] for row in plain.table("participants")]
    assert sorted(ids, key=names.of) != ids, "else the order would prove nothing"


def test_no_file_has_an_id_of_the_study_and_the_manifest_names_the_key(trial, export):
    made = export(key=KEY)
    for name, content in made.files.items():
        assert not re.search(rb"(UME|LUN|GOT|KAR)-0", content), name
        assert KEY not in content
    assert made.manifest["pseudonym_key"] == Pseudonyms(KEY).key_id
    assert f"with the key {Pseudonyms(KEY).key_id}" in " ".join(made.files["README.txt"].decode().split())
    assert made.archive.namelist()[0].startswith(f"BreCLIM-2_2026-11-22_key-{Pseudonyms(KEY).key_id}/")


def test_the_same_key_gives_the_same_bytes(trial, export):
    assert export(key=KEY).content == export(key=KEY).content != export(key=OTHER).content


def test_parts_of_a_file_are_put_in_order_and_head_and_tail_stay(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"head|bbb|a|cc|tail")
    reorder(path, [Part("b", 5), Part("a", 9), Part("c", 11)], 14)
    assert path.read_bytes() == b"head|a|bbb|cc|tail"
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_groups_of_fewer_than_five_are_named_and_exported_all_the_same(trial, export):
    made = export()
    words = " ".join(made.files["README.txt"].decode().split())
    assert "GOT x ONC: 1; GOT x SURG: 3; KAR x ONC: 1" in words
    for number in range(3):
        trial.member(f"GOT-90{number}", "SURG")
    later = " ".join(export().files["README.txt"].decode().split())
    assert "GOT x ONC: 1; KAR x ONC: 1" in later
    assert "Small groups" not in export(CUT_OFF, arms=False).files["README.txt"].decode()
