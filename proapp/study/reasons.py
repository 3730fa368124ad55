"""Why an assessment can be missing, and why it can be no longer asked for. The flags let an analyst tell missingness
that has to do with the participant's health from missingness that better routines would have avoided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Literal, NamedTuple

Flag = Literal["Y", "N", "?"]


class MissedReason(NamedTuple):
    """`by_hand` is False for the reasons that only the system gives."""

    code: str
    health_related: Flag
    avoidable: Flag
    by_hand: bool = True


_REASONS = (
    MissedReason("too_ill", "Y", "N"),
    MissedReason("hospitalised", "Y", "?"),
    MissedReason("refused_this", "?", "N"),
    MissedReason("refused_burden", "Y", "?"),
    MissedReason("forgot", "?", "Y"),
    MissedReason("no_time", "N", "Y"),
    MissedReason("upset_or_irrelevant", "?", "N"),
    MissedReason("language_or_cognition", "?", "Y"),
    MissedReason("technical", "N", "Y"),
    MissedReason("unreachable", "?", "?"),
    MissedReason("not_sent", "N", "Y"),
    MissedReason("wrong_contact", "N", "Y"),
    MissedReason("staff_oversight", "N", "Y"),
    MissedReason("registered_after_window", "N", "Y", by_hand=False),
    MissedReason("system_down", "N", "Y"),
    MissedReason("wrong_instrument", "N", "Y"),
    MissedReason("unknown", "?", "?"),
    # Given by `state` where a stop fell inside a window that is still expected to have been answered.
    MissedReason("death_in_window", "Y", "N", by_hand=False),
    MissedReason("pro_stop_in_window", "?", "N", by_hand=False),
    MissedReason("trial_withdrawal_in_window", "?", "N", by_hand=False),
)

MISSED_REASONS: Mapping[str, MissedReason] = MappingProxyType({reason.code: reason for reason in _REASONS})

STRUCTURAL_REASONS = (
    "death", "trial_withdrawal", "pro_stop", "amendment", "not_applicable_arm", "event_taken_back", "opened_by_mistake",
)  # fmt: skip
"""Why an assessment is not expected: derived from events and the study file, never chosen by anybody. The last two are
of time points that staff set going: the event they belong to, or the assessment itself, was taken back."""


def still_counts(
    source: str,
    recorded_at: datetime,
    *,
    declined_at: datetime | None,
    late_until: date | None,
    known_on: date,
) -> bool:
    """Whether a reason recorded at `recorded_at` still says why the assessment is missing.

    A patient's belongs to the decline in force (`declined_at`, None if there is none) and goes when that is taken back.
    The system's says that the window was over on `known_on`, the first local day on which anybody could have been
    asked; a corrected date can make that untrue. What staff have said always counts.
    """
    if source == "patient":
        return declined_at is not None and recorded_at >= declined_at
    if source == "system":
        return late_until is not None and late_until < known_on
    return True
