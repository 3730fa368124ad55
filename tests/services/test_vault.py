"""Sealing, hashing, and chance that is chance."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from proapp.services.vault import (
    ALPHABET,
    CODE_LENGTH,
    LINK_LENGTH,
    CannotOpen,
    Vault,
    grouped,
    normal_code,
    token_hash,
)

OLD, NEW = b"o" * 32, b"n" * 32
SECRET = "a secret key for the tests, long enough"


@pytest.fixture
def vault():
    return Vault(SECRET, (OLD,))


def test_what_was_sealed_is_opened_again(vault):
    plain = {"mobile": "+46701740605", "email": "åsa@example.org"}
    assert vault.open(vault.seal(plain, bound_to="contact:1"), bound_to="contact:1") == plain


def test_the_sealed_bytes_show_nothing_and_are_never_the_same_twice(vault):
    sealed = [vault.seal({"mobile": "+46701740605"}, bound_to="contact:1") for _ in range(2)]
    assert b"46701740605" not in sealed[0]
    assert sealed[0] != sealed[1]


def test_a_sealed_value_cannot_be_moved_to_another_row(vault):
    sealed = vault.seal({"a": 1}, bound_to="contact:1")
    with pytest.raises(CannotOpen):
        vault.open(sealed, bound_to="contact:2")


@pytest.mark.parametrize("position", [0, 1, 6, 20, -1])
def test_a_changed_byte_is_noticed(vault, position):
    sealed = bytearray(vault.seal({"a": 1}, bound_to="x"))
    sealed[position] ^= 1
    with pytest.raises(CannotOpen):
        vault.open(bytes(sealed), bound_to="x")


def test_keys_rotate_the_newest_seals_and_the_older_still_open(vault):
    rotated = Vault(SECRET, (NEW, OLD))
    assert rotated.open(vault.seal({"a": 1}, bound_to="x"), bound_to="x") == {"a": 1}
    with pytest.raises(CannotOpen):
        vault.open(rotated.seal({"a": 1}, bound_to="x"), bound_to="x")


def test_a_key_that_was_taken_away_opens_nothing(vault):
    sealed = vault.seal({"a": 1}, bound_to="x")
    with pytest.raises(CannotOpen):
        Vault(SECRET, (NEW,)).open(sealed, bound_to="x")


def test_keyed_hashes_depend_on_key_purpose_and_value(vault):
    known = vault.keyed_hash("throttle", "a")
    assert known == vault.keyed_hash("throttle", "a")
    others = {
        vault.keyed_hash("lookup", "a"),
        vault.keyed_hash("throttle", "b"),
        Vault("x" * 40, (OLD,)).keyed_hash("throttle", "a"),
    }
    assert known not in others
    assert len(others) == 3


@pytest.mark.slow_hashes
def test_slow_hashes_are_argon2id_with_a_salt_of_their_own(vault):
    one, other = vault.slow_hash("1234"), vault.slow_hash("1234")
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert one != other
    assert vault.matches(one, "1234")
    assert not vault.matches(one, "1235")
    assert not vault.needs_rehash(one)


def test_a_slow_hash_is_worth_nothing_without_the_key_outside_the_database(vault):
    stored = vault.slow_hash("1234")
    assert not Vault("another secret key, also long enough", (OLD,)).matches(stored, "1234")


@pytest.mark.parametrize("stored", [None, "", "nonsense", "$argon2id$v=19$m=1"])
def test_nothing_matches_what_is_not_a_hash(vault, stored):
    assert not vault.matches(stored, "nobody")


def test_a_cheaper_hash_of_an_earlier_time_is_to_be_made_anew(vault):
    from argon2 import PasswordHasher

    assert vault.needs_rehash(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("x"))


def test_codes_are_twelve_signs_each_equally_likely(vault):
    codes = [vault.new_code() for _ in range(10_000)]
    assert len(set(codes)) == len(codes)
    assert {len(code) for code in codes} == {CODE_LENGTH}
    expected = len(codes) / len(ALPHABET)
    for position in range(CODE_LENGTH):
        counts = Counter(code[position] for code in codes)
        assert set(counts) <= set(ALPHABET)
        chi2 = sum((counts[sign] - expected) ** 2 / expected for sign in ALPHABET)
        assert chi2 < 79.0  # 30 degrees of freedom; exceeded by chance once in 450,000 positions


def test_the_alphabet_has_no_signs_that_look_alike():
    assert len(ALPHABET) == len(set(ALPHABET)) == 31
    assert not set("0O1IL") & set(ALPHABET)


def test_bytes_beyond_the_last_full_multiple_are_thrown_away():
    """Without that, the first signs of the alphabet would come up more often."""
    drawn = iter([b"\xff" * 12, b"\xf8" * 12, b"\xf7" * 12])
    assert Vault(SECRET, (OLD,), lambda count: next(drawn)).new_code() == ALPHABET[247 % 31] * 12


def test_tokens_carry_256_bits_and_are_kept_as_a_hash(vault):
    asked = []
    counting = Vault(SECRET, (OLD,), lambda count: asked.append(count) or b"x" * count)
    token = counting.new_token()
    assert asked == [32]
    assert len(token) == 43
    assert token_hash(token) != token
    assert len({vault.new_token() for _ in range(1000)}) == 1000


def test_totp_secrets_are_160_bits(vault):
    import base64

    assert len(base64.b32decode(vault.new_totp_secret())) == 20


@pytest.mark.parametrize("typed", ["ABCD-EFGH-JKMN", "abcd efgh jkmn", " abcdefghjkmn\n", "ABCD–EFGH–JKMN"])
def test_a_code_is_taken_however_it_was_typed(typed):
    assert normal_code(typed) == "ABCDEFGHJKMN"
    assert grouped(normal_code(typed)) == "ABCD-EFGH-JKMN"


def test_the_same_seed_makes_the_same_secrets():
    import random

    one, other = (Vault(SECRET, (OLD,), random.Random(7).randbytes) for _ in range(2))
    assert [one.new_code(), one.new_token(), one.new_receipt()] == [
        other.new_code(),
        other.new_token(),
        other.new_receipt(),
    ]


def test_what_is_sealed_is_plain_json():
    vault = Vault(SECRET, (OLD,))
    assert (
        json.dumps(vault.open(vault.seal({"b": None, "a": "ö"}, bound_to="x"), bound_to="x"))
        == '{"a": "\\u00f6", "b": null}'
    )


def test_a_link_token_that_belongs_to_something_is_always_the_same_and_shaped_like_a_new_one():
    one, other = (Vault(SECRET, (b"k" * 32,)).link_token_of(value) for value in ("a", "b"))
    assert one == Vault(SECRET, (b"k" * 32,)).link_token_of("a") != other
    assert Vault(SECRET + "x", (b"k" * 32,)).link_token_of("a") != one
    assert len(one) == LINK_LENGTH
    assert set(one) <= set(ALPHABET)
