"""`proapp check`: are the study file and the packs in order? Everything that is wrong, at once, before a patient sees
it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from proapp.instruments.load import BUILT_IN
from proapp.study.load import BRECLIM2, STRUCTURE, check_files


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check study files and instrument packs.

    FILES are study files (.toml), packs (a folder, or a file in it) or folders of packs. Without any, what comes with
    proapp is checked, and what PROAPP_STUDY and PROAPP_PACKS_DIR name. Study files are checked against the packs that
    come with proapp and those in PROAPP_PACKS_DIR.

    Prints one line for each problem (file, place in the file, sentence) and ends with status 1 if there was any.
    """
    packs_dir = _path("PROAPP_PACKS_DIR")
    paths = files or tuple(filter(None, (BUILT_IN, packs_dir, BRECLIM2, _path("PROAPP_STUDY"))))
    told: set[str] = set()  # a faulty pack is found again with every study file, and said once
    for path in dict.fromkeys(paths):
        lines = dict.fromkeys(map(str, check_files([path], packs_dir=packs_dir)))
        for line in lines:
            if line not in told:
                click.echo(line)
        told.update(lines)
        if not lines:
            click.echo("\n".join(f"{part}: OK" for part in _parts(path)))
    if told:
        raise SystemExit(1)


def _parts(path: Path) -> list[Path]:
    """A folder of packs is reported pack by pack."""
    packs = sorted(file.parent for file in path.glob(f"*/{STRUCTURE}")) if path.is_dir() else []
    return packs or [path]


def _path(name: str) -> Path | None:
    value = os.environ.get(name, "").strip()
    return Path(value) if value else None
