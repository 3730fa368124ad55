"""The pictures as one HTML file that needs nothing else: no script, no other file, no other address.

Written piece by piece: three packs make a thousand pictures.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from proapp.instruments.model import Instrument
from proapp.screens.chapters import Chapter
from proapp.screens.pictures import SCHEMES, SCREENS, Picture
from proapp.screens.walk import Screen
from proapp.version import __version__

HERE = Path(__file__).parent
LANGUAGES = {"sv": "Swedish", "en": "English"}


@dataclass(frozen=True)
class Section:
    """The screens of one pack (or of the pages around several) in one language."""

    where: str
    language: str
    screens: tuple[Screen, ...]

    @property
    def key(self) -> str:
        return f"{self.where}-{self.language}"

    @property
    def language_name(self) -> str:
        return LANGUAGES[self.language]


@dataclass(frozen=True)
class Part:
    """What belongs to one pack: the facts about it, and its screens language by language. Without a pack: the pages
    around several."""

    where: str
    pack: Instrument | None
    chapter: Chapter
    sections: tuple[Section, ...]


def parts(chapters: Iterable[tuple[Chapter, Sequence[Screen]]]) -> list[Part]:
    """The screens of each chapter, sorted by what they belong to."""
    found: list[Part] = []
    for chapter, screens in chapters:
        packs = {one.code: one for one in chapter.instruments}
        for where in dict.fromkeys(screen.where for screen in screens):
            here = [screen for screen in screens if screen.where == where]
            sections = [Section(where, code, tuple(some)) for code, some in groupby(here, lambda one: one.language)]
            found.append(Part(where, packs.get(where), chapter, tuple(sections)))
    return found


def write(path: Path, found: Sequence[Part], *, browser: str) -> int:
    """Write the book; it appears whole or not at all. Returns its size in bytes."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["anchor"] = anchor
    environment.filters["picture"] = _address
    environment.filters["in_order"] = _in_order
    pieces = environment.get_template("book.html").generate(
        parts=found,
        studies=list({id(part.chapter.study): part.chapter for part in found if part.chapter.study_file}.values()),
        widths=tuple(SCREENS),
        schemes=SCHEMES,
        version=__version__,
        browser=browser,
        style=(HERE / "book.css").read_text(encoding="utf-8"),
    )
    return _written(path, pieces)


def _written(path: Path, pieces: Iterator[str]) -> int:
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def anchor(screen: Screen) -> str:
    """c30-sv-item-12: where the table of contents leads."""
    return "-".join([screen.where, screen.language, *re.findall("[a-z0-9]+", screen.name)])


def _in_order(taken: Iterable[Future[Picture]]) -> list[Picture]:
    """Phones side by side, the two lights after each other, then the desks."""
    pictures = [one.result() for one in taken]
    return sorted(pictures, key=lambda one: (one.width > 640, SCHEMES.index(one.scheme), one.width))


def _address(picture: Picture) -> str:
    return "data:image/webp;base64," + base64.b64encode(picture.data).decode()
