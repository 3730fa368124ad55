"""`proapp deterioration`: times to deterioration for a file of scores, from the file alone."""

import os
from pathlib import Path

import click

from proapp.cli.pack_files import loaded, pack_to_file


@click.command()
@pack_to_file("scores")
def deterioration(pack: str, scores: Path, target: Path, extra: Path | None) -> None:
    """Time to deterioration of the scores in IN.csv, with the directions of PACK (c30, br23, lmc21, or a folder).

    IN.csv has one row per assessment, with the columns participant, day (whole days since randomisation), death_day
    (blank for who lives) and a column for each scale asked about, named by its code (PF2, C30SUMMARY); blank means
    missing, other columns are not looked at. The last score not after the day of randomisation, which is day 0, is the
    baseline; in a file without any day 0 the days may be study days, where randomisation is day 1.

    OUT.csv has one row per participant, scale, definition (first, def1, def2, def3), threshold (5, 10 points) and rule
    for death (censored, event). docs/deterioration.md says what they mean.
    """
    with loaded(pack, extra) as instrument:
        from proapp.instruments.deterioration_file import deterioration_file

        people, scales = deterioration_file(instrument, scores, target)
    click.echo(f"{people} participants, {scales} scales: times to deterioration in {os.fspath(target)}", err=True)
