"""A gateway between processes: the worker's end hands a message over by one line; the other end, in the test, counts,
and does what gateways do. It takes a message, or not yet, or never; answers at once or late; reports what became of it
before it has answered, in the wrong order, twice or not at all; and kills the worker it is speaking to when told to.

What it does with a message is decided by the message's reference, and so the same whoever hands it over."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from proapp.db.models import Message, Participant
from proapp.gateways.protocol import Accepted, Outgoing, PassingFailure, PermanentFailure, UnknownOutcome
from proapp.runtime import Runtime
from proapp.services import receipts

NAME = "log"
NOT_YET = (0, 0, 0, 0, 1, 2)  # how many times it says so
LATE_SECONDS = 0.05
# What is reported before it answers, and afterwards. A message that has arrived stays delivered.
REPORTS: Sequence[tuple[Sequence[str], Sequence[str]]] = (
    ((), ()),
    (("delivered",), ()),
    (("failed", "delivered"), ("accepted",)),
    ((), ("accepted", "delivered")),
    ((), ("delivered", "failed", "delivered")),
    (("accepted",), ("delivered", "accepted", "failed")),
)


class SocketGateway:
    """The worker's end."""

    name = NAME

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
        if answer == "not yet":
            raise PassingFailure("busy")
        if answer == "never":
            raise PermanentFailure("recipient_refused", undeliverable=True)
        if not answer:
            raise UnknownOutcome("no_answer")
        return Accepted(answer)


class Sink(socketserver.ThreadingTCPServer):
    """The other end. `dead` are the participants whose address exists no more, `hour` is what the clock shows."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.runtime = runtime
        self.hour: datetime | None = None
        self.dead: set[str] = set()
        self.handed_over: Counter[str] = Counter()
        self.put_off: Counter[str] = Counter()
        self.waiting: set[str] = set()  # put off, and not handed over since
        self.refused = 0
        self.to_report: list[tuple[str, Sequence[str]]] = []
        self.kill_next = threading.Event()
        self.killed: list[int] = []
        self._whose: dict[str, str] = {}
        self._reading = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed hangs up."""

    def whose(self, reference: str) -> str:
        """The study id of the participant to whom it is addressed."""
        with self._reading:
            if reference not in self._whose:
                query = select(Participant.study_id).join(Message, Message.participant_id == Participant.id)
                with self.runtime.reading() as session:
                    self._whose[reference] = session.execute(query.where(Message.reference == reference)).scalar_one()
            return self._whose[reference]

    def report(self, reference: str, statuses: Sequence[str]) -> None:
        assert self.hour is not None
        for status in statuses:
            with self.runtime.writing.begin() as session:
                said = {"gateway": NAME, "provider_ref": f"ref-{reference}", "status": status, "now": self.hour}
                receipts.receive(session, **said)  # type: ignore[arg-type]

    def report_the_rest(self) -> None:
        """Everything that is reported after the answer, before anything else happens."""
        while self.to_report:
            self.report(*self.to_report.pop())


class _Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        said = json.loads(self.rfile.readline())
        answer = self._decided(self.server, said["reference"], said["pid"])  # type: ignore[arg-type]
        if answer:
            self.wfile.write(f"{answer}\n".encode())

    def _decided(self, sink: Sink, reference: str, pid: int) -> str:
        if sink.whose(reference) in sink.dead:
            sink.refused += 1
            return "never"
        dice = int(reference[:8], 16)
        if sink.put_off[reference] < NOT_YET[dice % len(NOT_YET)]:
            sink.put_off[reference] += 1
            sink.waiting.add(reference)
            return "not yet"
        sink.waiting.discard(reference)
        sink.handed_over[reference] += 1
        if sink.kill_next.is_set():
            sink.kill_next.clear()
            os.kill(pid, signal.SIGKILL)
            sink.killed.append(pid)
            return ""
        before, after = REPORTS[dice // 7 % len(REPORTS)]
        sink.report(reference, before)
        sink.to_report.append((reference, after))
        if dice % 11 == 0:
            time.sleep(LATE_SECONDS)
        return f"ref-{reference}"
