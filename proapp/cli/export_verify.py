"""`proapp export verify`: is a file what it says, and what the database says?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proapp.cli.support import open_runtime, pseudonyms_of

if TYPE_CHECKING:
    from proapp.export.pseudonyms import Pseudonyms
    from proapp.export.verify import Opened
    from proapp.instruments.model import Instrument
    from proapp.runtime import Runtime

MOST = 20  # of one kind; a file that is wrong is wrong in many places


@click.command()
@click.argument("file", metavar="FILE.zip", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--pseudonym-key",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key that the ids of the file were made with, to compare it with the database.",
)
def verify(file: Path, pseudonym_key: Path | None) -> None:
    """Recompute every hash and every score of FILE.zip, and make the file again where settings name a database.

    Says in words what differs. Status 1 if anything does, or could not be looked at.
    """
    from proapp.export.verify import NotABundle, opened

    try:
        with opened(file) as bundle, _place() as place:
            faults = sum(_tell(sentences) for sentences in _sentences(bundle, place, file, pseudonym_key))
    except NotABundle as error:
        raise click.ClickException(f"{file} cannot be verified: {error}.") from error
    if faults:
        click.echo("NOT verified.")
        raise SystemExit(1)
    click.echo("verified")


@contextmanager
def _place() -> Iterator[Runtime | None]:
    """The runtime of the settings, if they name a database."""
    if "PROAPP_DATABASE_URL" not in os.environ:
        yield None
        return
    with open_runtime() as runtime:
        yield runtime


def _sentences(
    bundle: Opened, place: Runtime | None, file: Path, pseudonym_key: Path | None
) -> Iterator[Iterable[str]]:
    from proapp.export.verify import faults_of_scores, faults_of_sums

    yield faults_of_sums(bundle)
    yield faults_of_scores(bundle, place.instruments if place else _built_in())
    if place is None:
        click.echo("Not compared with a database: PROAPP_DATABASE_URL is not set.", err=True)
    else:
        yield _against(place, bundle, file, pseudonyms_of(pseudonym_key))


def _built_in() -> Mapping[str, Instrument]:
    from proapp.instruments.load import BUILT_IN, load_packs

    extra = os.environ.get("PROAPP_PACKS_DIR")
    return load_packs(BUILT_IN, *([Path(extra)] if extra else []))


def _against(runtime: Runtime, bundle: Opened, file: Path, pseudonyms: Pseudonyms | None) -> Iterator[str]:
    from proapp.export.bundle import bundle as make
    from proapp.export.bundle import digest
    from proapp.export.cut import Unexportable
    from proapp.export.snapshot import snapshot
    from proapp.export.verify import asked_of, differences

    asked = asked_of(bundle)
    if asked.key_id != (pseudonyms.key_id if pseudonyms else None):
        yield (
            f"the ids were made with the key {asked.key_id}; name it with --pseudonym-key to compare the file with the "
            "database."
            if asked.key_id
            else "the ids are those of the study; leave --pseudonym-key out."
        )
        return
    try:
        with (
            snapshot(runtime.engine) as session,
            make(
                session, study=runtime.study, instruments=runtime.instruments, asked=asked, pseudonyms=pseudonyms
            ) as made,
        ):
            if digest(file)[0] == made.sha256:
                return
            told = [*differences(bundle, made)]
            yield from told or ["the same contents were packed in another way."]
    except Unexportable as error:
        yield str(error)


def _tell(sentences: Iterable[str]) -> int:
    found = iter(sentences)
    shown = list(islice(found, MOST))
    for sentence in shown:
        click.echo(sentence)
    more = sum(1 for _ in found)
    if more:
        click.echo(f"… and {more} more like these.")
    return len(shown) + more
