"""The web face in a thread of this process: a clock that stands still cannot be handed to another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from proapp import create_app
from proapp.runtime import Runtime

HOST = "127.0.0.1"


class Quiet(WSGIRequestHandler):
    """Addresses are nobody's business, and the command has its own things to say."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: ARG002
        pass


@contextmanager
def serving(runtime: Runtime) -> Iterator[str]:
    """The address at which the web face answers until the block is left."""
    server = make_server(HOST, 0, create_app(runtime=runtime), threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever, name="web face", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
