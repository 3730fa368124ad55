"""`proapp screens`: the picture book of the questionnaires, for whoever must approve them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from proapp.screens.chapters import Chapter
    from proapp.screens.walk import Screen


@click.command()
@click.argument("packs", nargs=-1, metavar="[PACK]...")
@click.option("--study", "study_file", type=click.Path(path_type=Path), help="Show them as this study file asks them.")
@click.option(
    "-o", "--out", default="screens.html", show_default=True, type=click.Path(path_type=Path), help="The book."
)
def screens(packs: tuple[str, ...], study_file: Path | None, out: Path) -> None:
    """Picture every screen of every pack in one HTML file: for the owner of the wording, and for the ethics board.

    PACK is a code; without any, all packs are shown: those that come with proapp and those in PROAPP_PACKS_DIR. Each is
    pictured in its languages at 320, 390 and 1280 px, light and dark, with its version, hash and licence. Without
    --study each pack is asked by itself; the demonstration's red band is left out.

    The pages are the real ones, in a database that lives as long as the command; no setting but PROAPP_PACKS_DIR is
    read. Needs Chromium, and Playwright and Pillow: pip install "proapp[screens]". Three packs take some minutes.
    """
    from proapp.instruments.problems import DefinitionError
    from proapp.screens.browser import NoBrowser
    from proapp.screens.chapters import NothingToShow
    from proapp.screens.walk import WrongPage

    _require_place(out)
    try:
        _make(packs, study_file, out)
    except DefinitionError as error:
        raise click.ClickException("\n".join(str(problem) for problem in error.problems)) from error
    except (NoBrowser, NothingToShow, WrongPage) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}.") from error


def _require_place(out: Path) -> None:
    if out.is_dir():
        raise click.BadParameter(f"{out} is a folder; name a file in it.", param_hint="--out")
    if not out.parent.is_dir():
        raise click.BadParameter(f"the folder {out.parent} does not exist.", param_hint="--out")


def _make(codes: Sequence[str], study_file: Path | None, out: Path) -> None:
    from proapp import logs
    from proapp.instruments.load import BUILT_IN, load_packs
    from proapp.screens import book, browser, chapters

    browser.require_tools()
    logs.configure("WARNING")
    mounted = os.environ.get("PROAPP_PACKS_DIR", "").strip()
    packs = load_packs(BUILT_IN, *([Path(mounted)] if mounted else []))
    shown = chapters.of_study(study_file, packs, codes) if study_file else chapters.of_packs(packs, codes)
    with browser.chromium() as chromium, ThreadPoolExecutor(max_workers=2) as pool:
        taken = [(chapter, _taken(chromium, chapter, pool)) for chapter in shown]
        size = book.write(out, book.parts(taken), browser=chromium.version)
    pictures = sum(len(screen.pictures) for _, screens in taken for screen in screens)
    click.echo(f"{out}: {pictures} pictures, {size / 1_000_000:.1f} MB")


def _taken(chromium: Browser, chapter: Chapter, pool: ThreadPoolExecutor) -> list[Screen]:
    from proapp.screens.place import place
    from proapp.screens.walk import walk

    found: list[Screen] = []
    with place(chapter.study, {one.code: one for one in chapter.instruments}) as here:
        for language in chapter.languages:
            there = list(walk(chromium, here, chapter, language, pool))
            click.echo(f"{chapter.name}, {language}: {len(there)} screens")
            found += there
    return found
