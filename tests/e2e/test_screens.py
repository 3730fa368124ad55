"""The picture book of a licensed pack that is mounted: everything in it, nothing beside it, and twice the same."""

from __future__ import annotations

import re
from pathlib import Path

import html5lib
import pytest
from click.testing import CliRunner
from PIL import ImageStat

from proapp import logs
from proapp.cli import main
from proapp.instruments.load import load_pack, load_packs
from proapp.screens import browser
from proapp.study.load import load_study
from proapp.version import __version__
from tests.conftest import valid_html
from tests.gallery import one_font
from tests.likeness import difference
from tests.night import SCREENS, STUDY, WORDS, accepted, file_name, pictures, proapp, written


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="module")
def book(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    done = proapp("night", folder=folder, PROAPP_PACKS_DIR=str(packs), **one_font(folder))
    assert done.returncode == 0, done.stderr
    assert f"{len(SCREENS) * 2 * 6} pictures" in done.stdout
    return folder / "screens.html"


def test_every_screen_is_there_in_each_language_width_and_light(book):
    found = pictures(book.read_text())
    assert set(found) == {
        f"night · {screen} · {language} · {width} px · {light}"
        for screen in SCREENS for language in WORDS for width in (320, 390, 1280) for light in ("light", "dark")
    }  # fmt: skip
    for caption, picture in found.items():
        assert picture.width == int(re.search(r"(\d+) px", caption)[1]), caption
        brightness = ImageStat.Stat(picture.convert("L")).mean[0]
        assert brightness > 200 if caption.endswith("light") else brightness < 80, caption
    seen = {caption: picture.tobytes() for caption, picture in found.items()}
    assert len(set(seen.values())) == len(seen), "two screens look exactly alike"


def test_every_picture_looks_as_it_was_accepted(book):
    """The pictures for those who must approve them are those that were accepted here. Meant otherwise: make looks."""
    kept, now = accepted(), {file_name(caption): one for caption, one in pictures(book.read_text()).items()}
    assert set(kept) == set(now)
    found = {name: difference(kept[name], picture) for name, picture in now.items()}
    assert {name: one.words for name, one in found.items() if one} == {}


def test_the_book_says_what_was_pictured_and_by_what(book, packs):
    text = book.read_text()
    pack = load_pack(packs / "night")
    page = " ".join(html5lib.parse(text, namespaceHTMLElements=False).find("body").itertext())
    for fact in (
        "night", "2.1", pack.content_hash, "Night questionnaire, manual of 2024", f"proapp {__version__}",
        "Licensed wording, Sleep & Sons <Ltd>, Agreement 2027-001", *(one for words in WORDS.values() for one in words[:3]),
        "Asked only when the answer to item 1 is 2 to 4",
    ):  # fmt: skip
        assert fact in page, fact
    assert re.search(r"Validated\s*yes", page)
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", page), "a date would make two equal books differ"


def test_the_book_is_whole_by_itself(book):
    text = book.read_text()
    without_pictures = re.sub(r'"data:image/webp[^"]*"', '"data:,"', text)
    valid_html(without_pictures)
    tree = html5lib.parse(without_pictures, namespaceHTMLElements=False)
    assert tree.find(".//script") is None
    addresses = [value for one in tree.iter() for name, value in one.attrib.items() if name in ("src", "href")]
    assert [one for one in addresses if not one.startswith(("#", "data:"))] == []
    anchors = {one.attrib["id"] for one in tree.iter() if "id" in one.attrib}
    assert {one[1:] for one in addresses if one.startswith("#")} <= anchors
    assert not re.search(r"url\(|@import|https?:", without_pictures)


def test_a_study_shows_its_packs_as_it_asks_them_and_twice_the_same(packs, tmp_path):
    """Under the study's own words; the pages around the questions once, not once for each pack."""
    (tmp_path / "study.toml").write_text(STUDY)
    for name in ("one.html", "other.html"):
        done = proapp("--study", "study.toml", "-o", name, "dusk", folder=tmp_path, PROAPP_PACKS_DIR=str(packs))
        assert done.returncode == 0, done.stderr
    text = (tmp_path / "one.html").read_text()
    assert text == (tmp_path / "other.html").read_text()
    screens = {caption.split(" · sv")[0] for caption in pictures(text)}
    assert screens == {
        "before · start", "dusk · item 1", "dusk · item 1, left unanswered", "before · review", "before · receipt"
    }  # fmt: skip
    assert "NIGHTS" in text
    assert "3.14" in text
    assert load_study(tmp_path / "study.toml", load_packs(packs)).content_hash in text


def refused(*words: str) -> str:
    done = CliRunner().invoke(main, ["screens", *words])
    assert done.exit_code != 0
    return done.output


def test_what_cannot_be_shown_is_said(packs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logs, "configure", lambda _level: None)
    monkeypatch.setenv("PROAPP_PACKS_DIR", str(packs))
    assert "there is no pack 'nihgt'; it can be: br23, c30, lmc21, dusk, night." in refused("nihgt")
    assert "the folder nowhere does not exist" in refused("-o", "nowhere/book.html")
    assert "code: is missing" in refused("--study", str(packs / "night" / "wording.sv.toml"))
    monkeypatch.setattr(browser, "find_spec", lambda name: None)
    assert 'pip install "proapp[screens]"' in refused("night")
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_it_says_how_to_get_one(tmp_path):
    done = proapp("c30", folder=tmp_path, PATH="/nonexistent", PLAYWRIGHT_BROWSERS_PATH=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get install chromium" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
