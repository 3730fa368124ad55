"""`proapp score`: scores for a file of answers, from the file alone: no database, no settings, no web."""

import os
from pathlib import Path

import click

from proapp.cli.pack_files import loaded, pack_to_file


@click.command()
@pack_to_file("answers")
def score(pack: str, answers: Path, target: Path, extra: Path | None) -> None:
    """Score the answers in IN.csv with PACK: the code of a pack (c30, br23, lmc21), or a folder that holds one.

    IN.csv has a column q1 (or c30_q1) for every item; blank means missing. Its other columns are passed through
    unchanged, followed by every scale's score and number of answered items (PF2, PF2_N) and the summary score. A value
    that is no answer stops the run with its row (line in the file), column and value, and nothing is written.
    """
    with loaded(pack, extra) as instrument:
        from proapp.instruments.score_file import score_file

        rows = score_file(instrument, answers, target)
    click.echo(f"{rows} rows scored to {os.fspath(target)}", err=True)
