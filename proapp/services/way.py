"""By which way a participant can be reached, now or at a moment of the past: what the contact row, the contact log and
the trail amount to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from proapp.services import contact_doubts
from proapp.services.contact_doubts import CHANNELS, WRONG_NUMBER
from proapp.services.contact_history import Then
from proapp.services.vault import CannotOpen, Vault
from proapp.study import events as history
from proapp.study.events import Event
from proapp.study.follow_up import Reach


def reach(
    row: Any,
    *,
    events: Sequence[Event],
    told_wrong: Sequence[datetime],
    known_at: datetime | None,
    then: Then | None,
    vault: Vault,
) -> Reach:
    """What the contact `row` says; of the past what the trail says of it (`then`), as far as it does: that there was
    none yet, by which way messages went, and what was known against the address. An address that was taken away is not
    kept. `told_wrong` is when callers found a stranger."""
    plain: Mapping[str, Any] = {}
    if row.sealed is not None:
        with suppress(CannotOpen):  # as good as no contact; the row stays for whoever has the key
            plain = vault.open(row.sealed, bound_to=f"contact:{row.participant_id}")
    then = then or Then(True, None, row.updated_at, _sees(known_at, row.undeliverable_at))
    kept = row.undeliverable_reason == WRONG_NUMBER and _sees(known_at, row.undeliverable_at)
    told = [at for at in told_wrong if _sees(known_at, at)]
    return Reach(
        channel=(then.channel or row.channel) if then.recorded else None,
        # The way that was used then led somewhere, whatever has become of the address since.
        has_mobile=bool(plain.get("mobile")) or (bool(plain) and then.channel == "sms"),
        has_email=bool(plain.get("email")) or (bool(plain) and then.channel == "email"),
        undeliverable=then.undeliverable,
        wrong_number=kept or any(then.said_at is None or at > then.said_at for at in told),
        doubted=tuple(_doubted(plain, known_at)),
        pauses=history.pauses(events),
        lost="lost_to_follow_up" in history.standing(events),
    )


def _doubted(
    plain: Mapping[str, Any], known_at: datetime | None
) -> Iterator[tuple[str, Literal["wrong_number", "undeliverable"]]]:
    for address, doubt in contact_doubts.sealed(plain).items():
        if _sees(known_at, doubt.at):
            yield CHANNELS[address], "wrong_number" if doubt.reason == WRONG_NUMBER else "undeliverable"


def _sees(known_at: datetime | None, moment: datetime | None) -> bool:
    return moment is not None and (known_at is None or moment <= known_at)
