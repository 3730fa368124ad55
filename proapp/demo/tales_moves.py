"""Tales of how people are reached: a pause in contact, another language, another clinic."""

from __future__ import annotations

from proapp.demo.story import Story
from proapp.demo.telling import Tales, days, due

TALES = Tales()


@TALES.tell("contact paused")
def _paused(story: Story) -> None:
    due(story, "m06", 9)
    story.happen("contact_pause", story.today - days(4), until=(story.today + days(10)).isoformat())


@TALES.tell("contact paused until further notice")
def _paused_for_now(story: Story) -> None:
    due(story, "m12", 6)
    story.happen("contact_pause", story.today - days(2), until=None)


@TALES.tell("another language")
def _language(story: Story) -> None:
    story.language = "sv"
    story.start(story.today - days(260))
    story.happen("language_change", story.window("m06").opens_on - days(20), **{"from": "sv", "to": "en"})
    story.go_on()


@TALES.tell("moved to another clinic")
def _moved(story: Story) -> None:
    story.start(story.today - days(300))
    day = story.window("m06").opens_on - days(15)
    story.happen("site_transfer", day, **{"from": story.site, "to": _elsewhere(story)})
    story.go_on()


@TALES.tell("moved, an answer awaited")
def _moved_lately(story: Story) -> None:
    due(story, "m06", 8)
    story.happen("site_transfer", story.today - days(20), **{"from": story.site, "to": _elsewhere(story)})


def _elsewhere(story: Story) -> str:
    """The clinic after this one in the study file."""
    codes = [site.code for site in story.study.sites]
    return codes[(codes.index(story.site) + 1) % len(codes)]
