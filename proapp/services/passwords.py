"""What a password must be: long, and not one that a stranger would try first. No rules about kinds of signs, no forced
change, pasting welcome (NIST SP 800-63B, OWASP ASVS 5 chapter 6.2)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

SHORTEST = 12
LONGEST = 256
FEWEST_DIFFERENT = 5
PRODUCT_WORDS = ("proapp", "breclim", "password", "lösenord", "losenord")
# Of the lists of leaked passwords, what is long enough to be chosen here; Swedish and English.
_LEAKED = """
123456789abc 123456789012 1234567890123 1q2w3e4r5t6y 1qaz2wsx3edc 1qazxsw23edc abcd12345678 abcdefghijkl
abcdefghijklm administrator adminadmin123 changeme1234 changemenow123 footballfootball hejhejhejhej hejsanhejsan
iloveyou1234 iloveyouforever jagälskardig jagalskardig kalleanka123 letmeinletmein letmeinplease linköping1234
lillagubben123 mittlösenord mittlosenord mypassword123 p@ssw0rd1234 p@ssword1234 passw0rd1234 password1234
passwordpassword princess1234 qazwsxedcrfv qwerty123456 qwertyqwerty qwertyuiop12 qwertyuiop123 qwertyuiopas
qwertyuiopå qwertyuiopåä sjuksköterska sjukskoterska sommar123456 sommarlov123 sommaren2024 sommaren2025
sommaren2026 sommaren2027 sunshine1234 superman1234 sverige12345 sverigesverige test12345678 testtesttest
universitetssjukhus välkommen123 valkommen123 vinter123456 vintern2024 vintern2025 vintern2026 vintern2027
welcome12345 welcomewelcome zxcvbnm12345 correcthorsebatterystaple trustno1trustno1 onkologi1234 kirurgen1234
sahlgrenska123 karolinska123 norrlands123
"""
COMMON = frozenset(_LEAKED.split())


def normal_password(typed: str) -> str:
    """One form of what was typed (NFC), so that ö from two keyboards is the same; never shortened or stripped."""
    return unicodedata.normalize("NFC", typed)


def weakness(password: str, *, personal: Iterable[str] = ()) -> str | None:
    """Why `password` is not good enough, as a code, or None.

    too_short, too_long, common, personal (name, e-mail and product words do not count towards the length).
    """
    password = normal_password(password)
    if len(password) < SHORTEST:
        return "too_short"
    if len(password) > LONGEST:
        return "too_long"
    plain = password.casefold()
    if plain in COMMON or len(set(plain)) < FEWEST_DIFFERENT or _is_run(plain):
        return "common"
    if len(_without(plain, personal)) < SHORTEST and _without(plain, personal) != plain:
        return "personal"
    return None


def _is_run(plain: str) -> bool:
    """abcdefgh… or 87654321…: every sign follows its neighbour by the same step of at most one."""
    steps = {ord(right) - ord(left) for left, right in zip(plain, plain[1:], strict=False)}
    return len(steps) == 1 and abs(steps.pop()) <= 1


def _without(plain: str, personal: Iterable[str]) -> str:
    words = [word for text in (*personal, *PRODUCT_WORDS) for word in re.split(r"[\W_]+", text.casefold())]
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        if len(word) >= 3:
            plain = plain.replace(word, "")
    return plain
