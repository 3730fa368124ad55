"""Secrets: sealing contact data, hashing codes, PINs, passwords and tokens.

The keys come from outside the database, so a copy of the database alone opens nothing. Randomness is handed in, so that
a demonstration can be made twice the same; production hands in the operating system's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # 31 signs, without 0 O 1 I L
CODE_LENGTH = 12  # 59 bits
LINK_LENGTH = 26  # 128.8 bits, in letters that no telephone leaves out of a link
# OWASP's second recommended setting for argon2id; a sign-in takes about 30 ms.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


_VERSION = b"\x01"


class CannotOpen(Exception):
    """The sealed value was made with a key that is not among the configured ones, or was altered."""


class Vault:
    def __init__(
        self,
        secret_key: str,
        contact_keys: tuple[bytes, ...],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._pepper = hashlib.sha256(b"proapp pepper\0" + secret_key.encode()).digest()
        self._keys = contact_keys
        self._random = random_bytes
        self._dummy = _HASHER.hash("nobody", salt=b"proapp-dummy-salt")

    # sealing: version byte, key id (4 bytes), nonce (12), ciphertext and tag

    def seal(self, plain: Mapping[str, Any], *, bound_to: str) -> bytes:
        """Encrypt with AES-256-GCM under the newest key, bound to its place so that rows cannot be swapped."""
        nonce = self._random(12)
        text = json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()
        return _VERSION + _key_id(self._keys[0]) + nonce + AESGCM(self._keys[0]).encrypt(nonce, text, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> dict[str, Any]:
        """Raises CannotOpen."""
        for key in self._keys:
            if sealed[:5] == _VERSION + _key_id(key):
                try:
                    plain: dict[str, Any] = json.loads(
                        AESGCM(key).decrypt(sealed[5:17], sealed[17:], bound_to.encode())
                    )
                except (InvalidTag, ValueError) as error:
                    raise CannotOpen(bound_to) from error
                return plain
        raise CannotOpen(bound_to)

    def is_newest(self, sealed: bytes) -> bool:
        """Whether `sealed` was made under the newest key."""
        return sealed[:5] == _VERSION + _key_id(self._keys[0])

    # keyed hashes: equal values can be found again, nobody without the key can try values

    def keyed_hash(self, purpose: str, value: str) -> str:
        """64 hexadecimal digits."""
        return hmac.new(self._pepper, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()

    def lookup(self, purpose: str, value: str) -> str:
        """A short keyed hash that narrows the search for a slow hash without giving the value away."""
        return self.keyed_hash(purpose, value)[:16]

    # slow hashes for what people choose or type

    def slow_hash(self, secret: str) -> str:
        return _HASHER.hash(self._peppered(secret), salt=self._random(16))

    def matches(self, stored: str | None, secret: str) -> bool:
        """Whether `secret` is the one hashed. Takes the same time when nothing is stored."""
        try:
            return _HASHER.verify(stored or self._dummy, self._peppered(secret)) and stored is not None
        except (VerificationError, InvalidHashError):  # wrong, or a damaged hash
            return False

    def needs_rehash(self, stored: str) -> bool:
        return _HASHER.check_needs_rehash(stored)

    def _peppered(self, secret: str) -> str:
        return self.keyed_hash("slow hash", secret)

    # fresh secrets

    def new_code(self) -> str:
        """Twelve signs of ALPHABET, each equally likely (bytes beyond the last full multiple are thrown away)."""
        return self._signs(CODE_LENGTH)

    def new_link_token(self) -> str:
        """The token of a personal link: 26 signs, 128 bits."""
        return self._signs(LINK_LENGTH)

    def link_token_of(self, value: str) -> str:
        """The one token of a personal link that belongs to `value`: like a new one to whoever has not the key."""
        number, signs = int(self.keyed_hash("link", value), 16), ""
        for _ in range(LINK_LENGTH):
            number, place = divmod(number, len(ALPHABET))
            signs += ALPHABET[place]
        return signs

    def _signs(self, length: int) -> str:
        signs: list[str] = []
        limit = 256 - 256 % len(ALPHABET)
        while len(signs) < length:
            signs += [ALPHABET[byte % len(ALPHABET)] for byte in self._random(length) if byte < limit]
        return "".join(signs[:length])

    def new_token(self) -> str:
        """An opaque token of 256 bits for a cookie."""
        return base64.urlsafe_b64encode(self._random(32)).decode().rstrip("=")

    def new_totp_secret(self) -> str:
        """160 bits in base32, as RFC 4226 recommends."""
        return base64.b32encode(self._random(20)).decode()

    def new_receipt(self) -> str:
        """Eight signs to read over the telephone, XXXX-XXXX."""
        code = self.new_code()
        return f"{code[:4]}-{code[4:8]}"


def token_hash(token: str) -> str:
    """Tokens carry 128 bits or more, so a fast hash is enough to keep them out of the database."""
    return hashlib.sha256(token.encode()).hexdigest()


def normal_code(typed: str) -> str:
    """What a person typed, as the code was made: upper case, without spaces and dashes."""
    return "".join(sign for sign in typed.upper() if sign.isalnum())


def grouped(code: str) -> str:
    """ABCD-EFGH-JKLM."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"proapp key id\0" + key).digest()[:4]
