"""The invented staff and the invented ways to reach invented patients: addresses under example.org, and telephone
numbers from the series that the Swedish Post and Telecom Authority has set aside for fiction."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from proapp.services.vault import ALPHABET, CODE_LENGTH
from proapp.study.model import Study

PASSWORD = "lugn skog i november"  # noqa: S105 - everybody's in the demonstration, and printed by it
PIN = "4729"
FICTIONAL_MOBILES = tuple(f"+467017406{number:02}" for number in range(5, 100))


@dataclass(frozen=True, slots=True)
class Member:
    """One of the staff. `sites` is empty for roles that see every site."""

    id: int
    email: str
    name: str
    role: str
    sites: tuple[str, ...] = ()


NURSES = ("Berit Lindqvist", "Carina Holm", "Yasmin Haddad", "Eva Sjöberg", "Charlie Nordin", "Maria Ek")
DOCTORS = ("Ivar Strand", "Anneli Berg", "Tomas Wallin", "Leila Rahimi", "Johan Falk", "Sofia Lund")
CENTRAL = (
    ("karin.coordinator", "Karin Dahl", "coordinator"),
    ("mona.monitor", "Mona Öberg", "monitor"),
    ("stina.statistician", "Stina Åström", "statistician"),
    ("ada.administrator", "Ada Norberg", "administrator"),
)


def staff(study: Study) -> tuple[Member, ...]:
    """A nurse and an investigator at each site, and one person in each central role."""
    wanted: list[tuple[str, str, str, tuple[str, ...]]] = [(email, name, role, ()) for email, name, role in CENTRAL]
    for number, site in enumerate(study.sites):
        code = site.code.lower()
        wanted.append((f"nurse.{code}", NURSES[number % len(NURSES)], "nurse", (site.code,)))
        wanted.append((f"doctor.{code}", DOCTORS[number % len(DOCTORS)], "investigator", (site.code,)))
    return tuple(
        Member(number, f"{email}@example.org", name, role, sites)
        for number, (email, name, role, sites) in enumerate(wanted, start=1)
    )


def printed(members: tuple[Member, ...]) -> Iterator[Member]:
    """Whose sign-in `proapp demo` prints: one person of each role, those of the first site."""
    seen = set()
    for role in ("nurse", "investigator", "coordinator", "statistician", "monitor", "administrator"):
        for member in members:
            if member.role == role and role not in seen:
                seen.add(role)
                yield member


def code_of(seed: int, study_id: str, sheet: int = 1) -> str:
    """The personal code on a participant's printed sheet; the demonstration can print it again at any time."""
    rng = random.Random(f"proapp code {seed} {study_id} {sheet}")  # noqa: S311 - opens invented answers only
    return "".join(rng.choice(ALPHABET) for _ in range(CODE_LENGTH))
