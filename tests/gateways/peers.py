"""Servers at the other end that misbehave, on real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from proapp.gateways.protocol import Outgoing

MOBILE = "+46701740605"
EMAIL = "anna.svensson@example.org"
TEXT = "Ni har ett formulär att fylla i. Frågor: 090-785 00 00"


def sms(**changed: object) -> Outgoing:
    return Outgoing(**{"channel": "sms", "to": MOBILE, "text": TEXT, "subject": None, "reference": "ab12", **changed})


def email(**changed: object) -> Outgoing:
    given = {"channel": "email", "to": EMAIL, "text": TEXT, "subject": "Påminnelse", "reference": "ab12", **changed}
    return Outgoing(**given)


@contextmanager
def speaking(*lines: bytes, then_close: bool = False, received: list[bytes] | None = None) -> Iterator[int]:
    """A server that answers each piece it receives with the next of `lines` (the first at once), then nothing more.
    What comes after the last of them is put into `received`."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            for number, line in enumerate(lines):
                if number and not peer.recv(65536):
                    return
                peer.sendall(line)
            if then_close:
                peer.recv(65536)
                return
            while received is not None and (piece := peer.recv(65536)):
                received.append(piece)
            done.wait(20)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.close()
        thread.join(5)


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def trickling(line: bytes, every: float = 0.05) -> Iterator[int]:
    """A server that never stops to answer and never comes to the end: `line` without end, a byte at a time."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            number = 0
            while not done.wait(every):
                try:
                    peer.sendall(line[number % len(line) :][:1])
                except OSError:
                    return
                number += 1

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        done.set()
        listener.close()
        thread.join(5)
