"""gunicorn with two workers, forked from a process that has loaded the program once: a server of its own for every room of
tests, without waiting seconds for each to load it again."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import gunicorn.arbiter
import gunicorn.workers.sync  # noqa: F401  loaded before the fork
from gunicorn.app.base import BaseApplication

import proapp
import proapp.web.app  # noqa: F401  loaded before the fork

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


class _Served(BaseApplication):
    def __init__(self, port: int) -> None:
        self.port = port
        super().__init__()

    def load_config(self) -> None:
        settings: dict[str, Any] = {
            "bind": f"127.0.0.1:{self.port}", "workers": 2, "preload_app": True, "loglevel": "warning",
            "graceful_timeout": 2,
        }  # fmt: skip
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return proapp.create_app()


def _serve(environment: Mapping[str, str], port: int) -> None:
    os.environ.clear()
    os.environ.update(environment)
    gunicorn.arbiter.Arbiter(_Served(port)).run()


def start(environment: Mapping[str, str], port: int) -> ForkServerProcess:
    """The master process; it is ready when /healthz answers."""
    process = _forks.Process(target=_serve, args=(dict(environment), port))
    process.start()
    return process


def workers_of(master: int) -> list[int]:
    """The process numbers of the workers of a gunicorn."""
    return sorted(map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split()))
