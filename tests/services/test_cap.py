"""The most that goes out in a day for the whole study, however many workers there are."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from proapp import delivery
from proapp.services import outbox
from tests.messages import OPENED_TODAY, Memory, rows
from tests.people import People


def capped(runtime: Any, most: int) -> Any:
    follow_up = runtime.study.follow_up.model_copy(update={"cap_study": most})
    return replace(runtime, study=runtime.study.model_copy(update={"follow_up": follow_up}))


def claim(runtime: Any, worker: str, session: Any) -> Any:
    return outbox.claim(
        session, worker=worker, study=runtime.study, vault=runtime.vault, base_url="https://x.org", now=runtime.clock()
    )


def test_two_workers_do_not_both_take_the_last_place(runtime):
    people = People(runtime, None, lambda *_: None)
    for number in range(3):
        people.participant(f"UME-{number:03}", randomized_on=OPENED_TODAY)
    assert len(list(delivery.queue_due(runtime, now=runtime.clock()))) == 3
    runtime = capped(runtime, 2)
    assert delivery.deliver_once(runtime, Memory().both(), worker="w0", limit=1) == 1
    found: list[Any] = []

    def second() -> None:
        with runtime.writing.begin() as session:
            found.append(claim(runtime, "w2", session))

    thread = threading.Thread(target=second)
    with runtime.writing.begin() as session:
        assert claim(runtime, "w1", session) is not None
        thread.start()
        thread.join(0.5)  # it looks while the first has not committed yet
    thread.join(20)
    assert found == [None]
    assert sorted(row.state for row in rows(runtime)) == ["queued", "sending", "sent"]
