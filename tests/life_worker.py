"""A worker for the simulation: a process of its own with the real worker's functions, told through a pipe what time it
is. Messages go over a socket to whoever counts them, who may take his time, or kill this process in the middle.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

import structlog
from sqlalchemy.exc import OperationalError

from proapp import delivery, worker
from proapp.config import Settings
from proapp.db.session import make_engine
from proapp.delivery import Rounds
from proapp.runtime import Runtime
from proapp.services.vault import Vault
from tests.conftest import SECRET, MovableClock, definitions
from tests.life import study
from tests.life_gateway import SocketGateway

KEYS = (b"k" * 32,)


def runtime_of(url: str, clock: MovableClock) -> Runtime:
    settings = Settings(url, SECRET, KEYS, "https://pro.example.org")
    return Runtime(settings, study(), definitions()[1], make_engine(url), clock, Vault(SECRET, KEYS))


def serve(orders: Connection, url: str, port: int) -> None:
    """Do the hour that is ordered, and say how much there was to do, until somebody hangs up. Whoever does it `anew`
    has forgotten what he has seen, as after a restart."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(40), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    clock = MovableClock()
    runtime = runtime_of(url, clock)
    gateway, name = SocketGateway(port), delivery.worker_name()
    seen, rounds = None, Rounds()
    orders.send("ready")
    while True:
        try:
            hour, anew = orders.recv()
        except EOFError:
            return
        clock.set(hour)
        now = clock()
        if now != seen or anew:  # as the real one: once in a tick
            seen, runtime = now, worker.amended(runtime)
        if anew:
            rounds = Rounds()
        if now.hour == 0:
            worker.sweep_once(runtime, now)
        try:
            done = sum(1 for _ in delivery.queue_due(runtime, now=now, rounds=rounds))
            done += delivery.deliver_once(runtime, {"sms": gateway, "email": gateway}, worker=name)
        except OperationalError:  # as the worker's jobs do: the next round does what a busy database did not let
            done = 1
        orders.send(done)


# Read once, before the workers are forked from the process that has imported this.
definitions(), study()
