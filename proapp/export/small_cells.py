"""Groups so small that who knows somebody in one may know who it is. Named, not blocked: the trial has what it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from proapp.services.cohort import Cohort

SMALL = 5


class SmallCell(NamedTuple):
    site: str
    arm: str
    participants: int

    def __str__(self) -> str:
        return f"{self.site} x {self.arm}: {self.participants}"


def small_cells(cohort: Cohort) -> Sequence[SmallCell]:
    """Site and arm of fewer than five who were randomised, in the order of their codes."""
    counts = Counter((member.site_code, member.facts.arm) for member in cohort.members if member.facts.arm)
    return [SmallCell(site, arm or "", count) for (site, arm), count in sorted(counts.items()) if count < SMALL]
