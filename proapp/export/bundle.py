"""The zip file: written beside its target, hashed, and only then given its name, so nothing half-written is ever seen.

Members are stored, not compressed: the output of a compressor depends on the version of its library, and a file made
again years later is to be the same to the last byte."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.orm import Session

from proapp.export import (
    acts,
    assessments,
    audit_trail,
    codebook,
    compliance,
    contacts,
    corrections,
    deterioration,
    items,
    participants,
    scores,
)
from proapp.export.acts import Acts
from proapp.export.cases import Person, people
from proapp.export.columns import Table
from proapp.export.csv_text import TableWriter
from proapp.export.cut import Cut
from proapp.export.flags import flags_of
from proapp.export.keys import ARM_COLUMNS
from proapp.export.manifest import FileSummary, manifest
from proapp.export.pseudonyms import Pseudonyms
from proapp.export.readme import readme
from proapp.export.small_cells import SmallCell, small_cells
from proapp.export.table_files import TableFiles, open_text
from proapp.instruments.model import Instrument
from proapp.services import cohort, versions
from proapp.services.cohort import Cohort
from proapp.services.exporting import Asked
from proapp.study.model import Study
from proapp.study.versions import tells_the_arm

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can tell; says nothing, and always the same
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished zip file. It lies in a folder that goes away; move or open it before that."""

    path: Path
    name: str
    cut: Cut
    sha256: str
    bytes: int
    files: tuple[FileSummary, ...]
    small: Sequence[SmallCell]

    @property
    def rows(self) -> dict[str, int]:
        """File to number of rows, of the files that have any."""
        return {file.path: file.rows for file in self.files if file.rows is not None}


@contextmanager
def bundle(
    session: Session,
    *,
    study: Study,
    instruments: Mapping[str, Instrument],
    asked: Asked,
    beside: Path | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> Iterator[Bundle]:
    """What was asked for, as a zip file in a temporary folder (inside `beside`, if given, so that it can be renamed
    into its place).

    A constant number of statements; memory for the plan of each participant, not for the answers. `session` should be
    a `snapshot`. The study is that of the cut: versions that began later change nothing. Raises Unexportable where
    stored answers do not fit the instruments. `pseudonyms` are those of the key that was asked for.
    """
    assert asked.key_id == (pseudonyms.key_id if pseudonyms else None)
    cut = cut_of(session, study=study, instruments=instruments, asked=asked)
    found = _cohort(session, cut)
    with TemporaryDirectory(prefix=".proapp-export-", dir=beside) as folder:
        yield _bundle(Path(folder), session, found, cut, pseudonyms)


def cut_of(session: Session, *, study: Study, instruments: Mapping[str, Instrument], asked: Asked) -> Cut:
    """What was asked for, with the study as it stood then."""
    wanted = Cut(study, instruments, asked)
    then = versions.as_known(session, study, day=wanted.day, before=wanted.as_of)
    return Cut(then, instruments, replace(asked, as_of=wanted.as_of))


def _cohort(session: Session, cut: Cut) -> Cohort:
    """Everybody, or who is at the site at the cut-off (which may be another site than today); without the arms also
    without the assessments that only some arms have."""
    found = cohort.load(session, study=cut.study, sites=None, today=cut.day, cut_off=cut.day, known_before=cut.as_of)
    if not cut.asked.arms:
        for member in found.members:
            member.assessments = [
                one for one in member.assessments if not tells_the_arm(cut.study, one.protocol_version, one.timepoint)
            ]
    if cut.asked.site is None:
        return found
    return replace(found, members=tuple(one for one in found.members if one.site_code == cut.asked.site))


def tables(cut: Cut) -> tuple[Table, ...]:
    """Every data set of the bundle."""
    hidden = () if cut.asked.arms else ARM_COLUMNS
    return tuple(table.without(hidden) for table in _tables(cut))


def _tables(cut: Cut) -> tuple[Table, ...]:
    return (
        participants.table(cut),
        assessments.table(cut),
        items.long_table(cut),
        items.wide_table(cut),
        scores.long_table(cut),
        scores.wide_table(cut),
        deterioration.table(cut),
        contacts.table(cut),
        corrections.table(cut),
        compliance.table(cut),
        *((audit_trail.table(),) if cut.asked.profile == "archive" else ()),
    )


def _bundle(folder: Path, session: Session, found: Cohort, cut: Cut, pseudonyms: Pseudonyms | None) -> Bundle:
    content = folder / "content"
    (content / "data").mkdir(parents=True)
    described = tables(cut)
    rows = _write_tables(content, session, found, cut, described, pseudonyms)
    small = small_cells(found) if cut.asked.arms else ()
    (content / "README.txt").write_bytes(readme(cut, described, small))
    files = [_summary(content, table.path, rows[table.name], len(table.columns)) for table in described]
    files += [_summary(content, table.json_path) for table in described]
    files.append(_codebook(content, described))
    files.append(_summary(content, "README.txt"))
    (content / "manifest.json").write_bytes(manifest(cut, codebook.tables(described), files))
    files.append(_summary(content, "manifest.json"))
    sums = "".join(f"{file.sha256}  {file.path}\n" for file in sorted(files))
    (content / "SHA256SUMS").write_bytes(sums.encode())
    top = _name(cut)
    target = folder / "bundle.zip"
    _zip(content, target, top)
    sha256, size = digest(target)
    return Bundle(target, f"{top}_{sha256[:8]}.zip", cut, sha256, size, tuple(sorted(files)), small)


def _write_tables(
    content: Path,
    session: Session,
    found: Cohort,
    cut: Cut,
    described: tuple[Table, ...],
    pseudonyms: Pseudonyms | None,
) -> dict[str, int]:
    """All tables in one pass over the participants; returns table → rows."""
    with ExitStack() as open_files:
        out = {table.name: TableFiles(content, table, open_files) for table in described}
        done = acts.read(session, cut)
        for person in open_files.enter_context(closing(people(session, found, cut))):
            if pseudonyms is not None:
                person.member.study_id = pseudonyms.of(person.member.study_id)
                for files in out.values():
                    files.begin(person.member.study_id)
            _write_person(out, person, cut, done)
        for files in out.values():
            files.end()
        for row in compliance.rows(compliance.flows(found, cut.study), cut.study, by_arm=cut.asked.arms):
            out["compliance"].write(row)
        if cut.asked.profile == "archive":
            for row in open_files.enter_context(closing(audit_trail.rows(session, found, cut))):
                out["audit_trail"].write(row)
        for files in out.values():
            files.flush()
    for files in out.values():
        files.finish(cut)
    return {name: files.rows for name, files in out.items()}


def _codebook(content: Path, described: tuple[Table, ...]) -> FileSummary:
    table = codebook.table()
    with open_text(content / "codebook.csv") as file:
        writer = TableWriter(file, table)
        for row in codebook.rows(described):
            writer.write(row)
    return _summary(content, "codebook.csv", writer.rows, len(table.columns))


def _write_person(out: Mapping[str, TableFiles], person: Person, cut: Cut, done: Acts) -> None:
    flags = [flags_of(case.expected, cut_off=cut.day) for case in person.cases]
    out["participants"].write(participants.row(person.member, flags, cut))
    for case, flag in zip(person.cases, flags, strict=True):
        for row in assessments.rows(case, flag, cut, done):
            out["assessments"].write(row)
        for row in items.long_rows(case):
            out["items_long"].write(row)
        for row in scores.long_rows(person, case, cut):
            out["scores_long"].write(row)
        out["items_wide"].write(items.wide_row(case, cut))
        out["scores_wide"].write(scores.wide_row(case, cut))
    for row in deterioration.rows(person, cut):
        out["deterioration"].write(row)
    for row in contacts.rows(person, done):
        out["contacts"].write(row)
    for row in corrections.rows(person, done, cut):
        out["corrections"].write(row)


def _summary(content: Path, path: str, rows: int | None = None, columns: int | None = None) -> FileSummary:
    sha256, size = digest(content / path)
    return FileSummary(path, size, sha256, rows, columns)


def digest(path: Path) -> tuple[str, int]:
    """(SHA-256, bytes) of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest(), path.stat().st_size


def _zip(content: Path, target: Path, top: str) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as out:
        for path in sorted(path.relative_to(content).as_posix() for path in content.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(f"{top}/{path}", EPOCH)
            member.create_system = 3  # Unix, wherever it is made
            member.external_attr = 0o100644 << 16
            member.file_size = (content / path).stat().st_size
            with (content / path).open("rb") as source, out.open(member, "w") as sink:
                while block := source.read(BLOCK):
                    sink.write(block)


def _name(cut: Cut) -> str:
    """The study and the cut-off; of the rest only what is not as usual."""
    asked = cut.asked
    said = [_plain(cut.study.code), cut.day.isoformat()]
    if cut.as_of != cut.end:
        said.append(f"asof-{cut.as_of:%Y%m%dT%H%M%SZ}")
    if asked.profile != "analysis":
        said.append(_plain(f"{asked.profile}-{asked.site}" if asked.site else asked.profile))
    elif not asked.arms:
        said.append("without-arms")
    if asked.key_id is not None:
        said.append(f"key-{asked.key_id}")
    return "_".join(said)


def _plain(code: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", code)
