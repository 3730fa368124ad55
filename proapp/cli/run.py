"""`proapp run`: the web face, served by gunicorn with the settings of the environment."""

from __future__ import annotations

import os
import sys

import click

from proapp.cli.support import open_runtime


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="Address and port, or unix:/path.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes that serve.")
def run(bind: str, workers: int) -> None:
    """Serve the web face. Run `proapp worker` beside it, and a proxy with TLS in front (docs/operations.md)."""
    with open_runtime(serving=True):
        pass  # says in sentences what is wrong, before gunicorn says it in tracebacks
    os.execv(sys.executable, gunicorn(bind, workers))  # noqa: S606 - our own interpreter with a fixed list of words


def gunicorn(bind: str, workers: int) -> list[str]:
    """The command line that serves. Without an access log: addresses hold study ids, and nothing needs them."""
    return [
        sys.executable, "-m", "gunicorn", "proapp:create_app()", "--bind", bind, "--workers", str(workers),
        "--worker-class", "sync", "--timeout", "30", "--graceful-timeout", "20", "--log-level", "warning",
    ]  # fmt: skip
