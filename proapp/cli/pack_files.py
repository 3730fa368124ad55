"""What the commands share that turn a CSV file into another by the definitions of one pack, without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from proapp.instruments.model import Instrument


def pack_to_file(source: str) -> Callable[[Any], Any]:
    """PACK, the file to read (the parameter `source`), the file to write and the folder of further packs."""

    def decorate(command: Any) -> Any:
        for parameter in (
            click.option(
                "--packs", "extra", metavar="FOLDER", envvar="PROAPP_PACKS_DIR", type=click.Path(path_type=Path),
                help="A folder of further packs, which replace built-in ones of the same code. [env: PROAPP_PACKS_DIR]",
            ),
            click.option(
                "-o", "--out", "target", metavar="OUT.csv", required=True,
                type=click.Path(dir_okay=False, path_type=Path),
                help="Where the result goes. An existing file is replaced, but only when all rows are good.",
            ),
            click.argument(source, metavar="IN.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path)),
            click.argument("pack"),
        ):  # fmt: skip
            command = parameter(command)
        return command

    return decorate


@contextmanager
def loaded(pack: str, extra: Path | None) -> Iterator[Instrument]:
    """The pack of that code or in that folder; what is wrong with it or with the files ends the command in words."""
    # Here, not above: `proapp --help` must not wait for numpy and pydantic.
    from proapp.instruments.data_file import DataFileError
    from proapp.instruments.load import BUILT_IN, load_pack, load_packs
    from proapp.instruments.problems import DefinitionError

    try:
        known = load_packs(*([BUILT_IN, extra] if extra else [BUILT_IN]))
        if pack not in known and not Path(pack).is_dir():
            raise click.ClickException(f'there is no pack "{pack}"; known are {", ".join(sorted(known))}, or a folder')
        yield known[pack] if pack in known else load_pack(Path(pack))
    except DefinitionError as error:
        raise click.ClickException("\n".join(str(problem) for problem in error.problems)) from error
    except DataFileError as error:
        raise click.ClickException(f"{error}\nnothing was written") from error
