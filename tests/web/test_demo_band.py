"""A demonstration says on every page that it is none of the real thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proapp.config import Settings
from tests.web.routes import ROUTES
from tests.web.world import EVERYBODY, World, build

# What a page carries does not depend on the engine.
pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, demo=True)


@pytest.fixture
def world(people: Any) -> World:
    return build(people)


def bandless(world: World, who: str, paths: list[str]) -> list[str]:
    """The addresses of these whose page does not say DEMO; asked past the check of the HTML, which others make."""
    client = world.browser(who).client
    pages = {path: client.get(path, base_url="https://localhost") for path in paths}
    shown = [
        path for path, page in pages.items() if page.mimetype == "text/html" and page.status_code not in (204, 303)
    ]
    assert shown
    return [path for path in shown if not has_band(pages[path])]


def has_band(page: Any) -> bool:
    text = page.get_data(as_text=True)
    return 'class="demo-band"' in text and "<strong>DEMO</strong>" in text


@pytest.mark.parametrize("who", EVERYBODY)
def test_every_page_of_everybody_says_demo(world: World, who: str) -> None:
    paths = [world.anna.address(route.path) for route in ROUTES.values() if "GET" in route.methods]
    assert bandless(world, who, [*paths, "/nowhere", "/staff/nowhere"]) == []
