"""A worker for the simulation: a process of its own with the real worker's functions, told on its standard input what
time it is. Messages go over a socket to whoever counts them, who may take his time, or kill this process in the middle.

    python -m tests.life_worker <database> <port>
"""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from proapp import delivery, worker
from proapp.config import Settings
from proapp.db.session import make_engine
from proapp.gateways.protocol import Accepted, Outgoing, UnknownOutcome
from proapp.runtime import Runtime
from proapp.services.vault import Vault
from tests.conftest import SECRET, MovableClock, definitions
from tests.life import study

KEYS = (b"k" * 32,)


class SocketGateway:
    """Hands a message over by one line, and has it accepted by another."""

    name = "log"

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, message: Outgoing, *, timeout: float) -> Accepted:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
                said = {"reference": message.reference, "channel": message.channel, "pid": os.getpid()}
                connection.sendall(json.dumps(said).encode() + b"\n")
                answer = connection.makefile().readline().strip()
        except OSError as error:
            raise UnknownOutcome("no_answer") from error
        if not answer:
            raise UnknownOutcome("no_answer")
        return Accepted(answer)


def runtime_of(url: str, clock: MovableClock) -> Runtime:
    settings = Settings(url, SECRET, KEYS, "https://pro.example.org")
    return Runtime(settings, study(), definitions()[1], make_engine(url), clock, Vault(SECRET, KEYS))


def main() -> None:
    url, port = sys.argv[1], int(sys.argv[2])
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    clock = MovableClock()
    runtime = runtime_of(url, clock)
    gateway, name = SocketGateway(port), delivery.worker_name()
    print("ready", flush=True)
    for line in sys.stdin:
        clock.set(datetime.fromisoformat(line.strip()))
        now = clock()
        if now.hour == 0:
            worker.sweep_once(runtime, now)
        try:
            done = sum(1 for _ in delivery.queue_due(runtime, now=now))
            done += delivery.deliver_once(runtime, {"sms": gateway, "email": gateway}, worker=name)
        except OperationalError:  # as the worker's jobs do: the next round does what a busy database did not let
            done = 1
        print(done, flush=True)


if __name__ == "__main__":
    main()
