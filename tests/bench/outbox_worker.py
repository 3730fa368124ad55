"""A worker for the throughput of the outbox: hands everything over as fast as it can to a gateway that answers at once.

python -m tests.bench.outbox_worker <database> <moment>
"""

from __future__ import annotations

import sys
from datetime import datetime

import structlog

from proapp.delivery import deliver_once, worker_name
from proapp.gateways.protocol import Accepted, Outgoing
from tests.conftest import MovableClock
from tests.life_worker import runtime_of


class Instant:
    name = "log"

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        return Accepted(message.reference)


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    runtime = runtime_of(sys.argv[1], MovableClock(datetime.fromisoformat(sys.argv[2])))
    print("ready", flush=True)
    sys.stdin.readline()
    number, gateway = 0, Instant()
    while True:
        done = deliver_once(runtime, {"sms": gateway, "email": gateway}, worker=worker_name(), limit=1_000_000)
        if not done:
            break
        number += done
    print(number, flush=True)


if __name__ == "__main__":
    main()
