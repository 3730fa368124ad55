"""`proapp score`: scores for a file of answers, from the file alone: no database, no settings, no web."""

import os
from pathlib import Path

import click


@click.command()
@click.argument("pack")
@click.argument("answers", metavar="IN.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--out", "target", metavar="OUT.csv", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="Where the scores go. An existing file is replaced, but only when all rows are good.",
)  # fmt: skip
@click.option(
    "--packs", "extra", metavar="FOLDER", envvar="PROAPP_PACKS_DIR", type=click.Path(path_type=Path),
    help="A folder of further packs, which replace built-in ones of the same code. [env: PROAPP_PACKS_DIR]",
)  # fmt: skip
def score(pack: str, answers: Path, target: Path, extra: Path | None) -> None:
    """Score the answers in IN.csv with PACK: the code of a pack (c30, br23, lmc21), or a folder that holds one.

    IN.csv has a column q1 (or c30_q1) for every item; blank means missing. Its other columns are passed through
    unchanged, followed by every scale's score and number of answered items (PF2, PF2_N) and the summary score. A value
    that is no answer stops the run with its row (line in the file), column and value, and nothing is written.
    """
    # Here, not above: `proapp --help` must not wait for numpy and pydantic.
    from proapp.instruments.load import BUILT_IN, load_pack, load_packs
    from proapp.instruments.problems import DefinitionError
    from proapp.instruments.score_file import ScoreFileError, score_file

    try:
        known = load_packs(*([BUILT_IN, extra] if extra else [BUILT_IN]))
        if pack not in known and not Path(pack).is_dir():
            raise click.ClickException(f'there is no pack "{pack}"; known are {", ".join(sorted(known))}, or a folder')
        rows = score_file(known[pack] if pack in known else load_pack(Path(pack)), answers, target)
    except DefinitionError as error:
        raise click.ClickException("\n".join(str(problem) for problem in error.problems)) from error
    except ScoreFileError as error:
        raise click.ClickException(f"{error}\nnothing was written") from error
    click.echo(f"{rows} rows scored to {os.fspath(target)}", err=True)
