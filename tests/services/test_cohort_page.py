"""A part of the participants at a time, alike on both engines."""

from __future__ import annotations

from datetime import date
from typing import Any

from proapp.services import cohort_page


def test_pages_join_without_a_gap_within_ones_sites(people: Any, session: Any, study: Any) -> None:
    for study_id in ("UME-003", "LUN-001", "UME-001", "GOT-002", "UME-002"):
        people.participant(study_id)
    about: dict[str, Any] = {"study": study, "today": date(2026, 11, 23), "limit": 2}
    met: list[list[str]] = []
    after: str | None = ""
    while after is not None:
        found, after = cohort_page.load(session, sites=frozenset({"UME", "GOT"}), after=after, **about)
        met.append([member.study_id for member in found.members])
    assert met == [["GOT-002", "UME-001"], ["UME-002", "UME-003"]]
    found, after = cohort_page.load(session, sites=frozenset(), after="", **about)
    assert (found.members, after) == ((), None)
