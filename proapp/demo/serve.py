"""The web face and the worker of a demonstration, as two processes that begin and end together."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
READY_WITHIN = 60  # seconds; two seconds on an idle machine
PATIENCE = 15  # seconds for a process to end by itself

Process = subprocess.Popen[bytes]


class CannotServe(Exception):
    """The message says why, and what to do."""


class Stopped(Exception):
    """Somebody asked to stop before all was ready."""


def require_free(port: int) -> None:
    """Raise CannotServe when somebody listens on `port` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CannotServe(f"port {port} is taken. Choose another one: make demo PORT={port + 1}") from error


@dataclass(frozen=True, slots=True)
class Served:
    """Both processes, and whether somebody has asked to stop."""

    processes: tuple[Process, ...]
    asked: Callable[[], bool]

    def stay(self) -> int:
        """Wait for Ctrl-C, SIGTERM, or for one of the processes to end. Returns the exit status."""
        while not self.asked():
            if any(process.poll() is not None for process in self.processes):
                return 1
            time.sleep(0.2)
        return 0


@contextmanager
def serving(port: int, environment: Mapping[str, str]) -> Iterator[Served]:
    """Web face and worker, ready to be used; ended when the block is left, however it is left.

    Raises CannotServe, or Stopped.
    """
    web = [
        "gunicorn", "proapp:create_app()", "--bind", f"{HOST}:{port}", "--workers", "2", "--log-level", "warning",
    ]  # fmt: skip
    processes: list[Process] = []
    asked = _listen_for_signals()
    try:
        for words in (web, ["proapp", "worker"]):
            # A session of its own: Ctrl-C reaches us alone, and we end the others in order.
            command = [sys.executable, "-m", *words]  # our own interpreter with fixed words
            processes.append(subprocess.Popen(command, env=dict(environment), start_new_session=True))  # noqa: S603
        _wait_until_ready(port, processes, asked)
        yield Served(tuple(processes), asked)
    finally:
        _end(processes)


def _listen_for_signals() -> Callable[[], bool]:
    """From now on Ctrl-C and SIGTERM are only noted: an exception raised by a signal can be lost in a destructor."""
    noted: list[int] = []

    def note(number: int, _frame: Any) -> None:
        noted.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return lambda: bool(noted)


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our environment with the demonstration's settings instead of any that were there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROAPP_")}
    return kept | dict(settings)


def _wait_until_ready(port: int, processes: list[Process], asked: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if asked():
            raise Stopped
        if any(process.poll() is not None for process in processes):
            raise CannotServe("the web face or the worker ended at once; what they said stands above.")
        if _is_healthy(port):
            return
        time.sleep(0.1)
    raise CannotServe(f"the web face did not answer within {READY_WITHIN} seconds.")


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(processes: list[Process]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
