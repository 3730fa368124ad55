"""The line between a phone and the server: real sockets, which a test can cut, or let stall."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Line:
    """Passes on what comes to `port`, to the server's port, until it is cut; then nobody is reached."""

    def __init__(self, port: int, server: int) -> None:
        self.port, self.server = port, server
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._flows = threading.Event()
        self.mend()

    def stall(self) -> None:
        """Everybody is let in, and nothing goes through until it is mended."""
        self._flows.clear()

    @property
    def stalls(self) -> bool:
        return not self._flows.is_set()

    def mend(self) -> None:
        self._flows.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=50, reuse_port=False)
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        """Whatever is under way breaks, and new connections are refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            broken, self._open = self._open, set()
        for one in broken:
            _close(one)
        self._flows.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                phone, _address = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server), timeout=5)
            except OSError:
                _close(phone)
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {phone, server}
            for source, target in ((phone, server), (server, phone)):
                threading.Thread(target=self._pump, args=[source, target], daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._flows.wait()
                target.sendall(piece)
        for one in (source, target):
            _close(one)
        with self._lock:
            self._open -= {source, target}


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def line(port: int, server: int) -> Iterator[Line]:
    made = Line(port, server)
    try:
        yield made
    finally:
        made.cut()
