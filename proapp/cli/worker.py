"""`proapp worker`: the process that does what has to be done by the clock."""

from __future__ import annotations

import click

from proapp.cli.support import open_runtime


@click.command()
def worker() -> None:
    """Do, minute by minute, what the clock has to do: submit questionnaires that were begun and left.

    Run one of these beside the web face. A second one does no harm; none at all is made up for when it starts.
    """
    from proapp.worker import run

    with open_runtime() as runtime:
        run(runtime)
