"""Exports of a small trial, unpacked and read back."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from proapp.config import Settings
from proapp.db.session import make_engine
from proapp.export.bundle import bundle
from proapp.export.pseudonyms import Pseudonyms
from proapp.export.snapshot import snapshot
from proapp.runtime import Runtime
from proapp.services.exporting import Asked
from proapp.services.vault import Vault
from tests.conftest import SECRET, MovableClock, administration, database_url_of, definitions
from tests.export.trial import CUT_OFF, Trial, every_state

Row = dict[str, str]


@dataclass
class Exported:
    """The bytes of a bundle, and its tables as lists of rows."""

    content: bytes

    @cached_property
    def archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.content))

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Path below the top folder → bytes."""
        return {name.split("/", 1)[1]: self.archive.read(name) for name in self.archive.namelist()}

    @cached_property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["manifest.json"])
        return found

    def table(self, name: str) -> list[Row]:
        path = "codebook.csv" if name == "codebook" else f"data/{name}.csv"
        return list(csv.DictReader(io.StringIO(self.files[path].decode(), newline="")))

    def by(self, name: str, *key: str) -> dict[tuple[str, ...], Row]:
        rows = self.table(name)
        found = {tuple(row[column] for column in key): row for row in rows}
        assert len(found) == len(rows), "not a key"
        return found


@dataclass
class Exporter:
    runtime: Any
    folder: Path

    def __call__(self, cut_off: date = CUT_OFF, *, key: bytes | None = None, **asked: Any) -> Exported:
        pseudonyms = Pseudonyms(key) if key else None
        wanted = Asked(cut_off, key_id=pseudonyms.key_id if pseudonyms else None, **asked)
        study, instruments = self.runtime.study, self.runtime.instruments
        with (
            snapshot(self.runtime.engine) as session,
            bundle(
                session,
                study=study,
                instruments=instruments,
                asked=wanted,
                beside=self.folder,
                pseudonyms=pseudonyms,
            ) as made,
        ):
            return Exported(made.path.read_bytes())


@pytest.fixture
def export(runtime: Any, tmp_path: Path) -> Exporter:
    return Exporter(runtime, tmp_path)


@pytest.fixture
def trial(runtime: Any) -> Trial:
    """The trial in a database of this test's own, to be written to."""
    return every_state(runtime)


class Golden:
    """The trial as exported, made once for each engine and cut-off: for tests that only read."""

    def __init__(self, export: Exporter) -> None:
        self.export = export
        self.made: dict[date, Exported] = {}

    def __call__(self, cut_off: date = CUT_OFF) -> Exported:
        if cut_off not in self.made:
            self.made[cut_off] = self.export(cut_off)
        return self.made[cut_off]


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Golden]:
    folder = tmp_path_factory.mktemp("golden")
    with _database(request, folder) as url:
        study, instruments = definitions()
        runtime = Runtime(
            settings=Settings(
                database_url=url, secret_key=SECRET, contact_keys=(b"k" * 32,), base_url="https://x.example"
            ),
            study=study,
            instruments=instruments,
            engine=make_engine(url),
            clock=MovableClock(),
            vault=Vault(SECRET, (b"k" * 32,)),
        )
        every_state(runtime)
        yield Golden(Exporter(runtime, folder))
        runtime.close()


@contextmanager
def _database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "golden.sqlite3")
        yield f"sqlite:///{folder / 'golden.sqlite3'}"
        return
    with administration() as connection:
        connection.execute(text(f"CREATE DATABASE golden TEMPLATE {request.getfixturevalue('postgresql_template')}"))
    yield database_url_of("golden")
    with administration() as connection:
        connection.execute(text("DROP DATABASE golden WITH (FORCE)"))
