"""What the tales have in common: how they are kept, and beginnings that several share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from proapp.demo.story import Story, Window

Tale = Callable[[Story], None]


class Tales(dict[str, Tale]):
    """Tales by name, in the order told."""

    def tell(self, name: str) -> Callable[[Tale], Tale]:
        """Keep the decorated tale under `name`."""

        def keep(tale: Tale) -> Tale:
            self[name] = tale
            return tale

        return keep


def days(number: int) -> timedelta:
    return timedelta(days=number)


def due(story: Story, timepoint: str, since_target: int, **beginning: str) -> Window:
    """Randomised so that the target of `timepoint` was `since_target` days ago, everything before it as usual."""
    target = story.today - days(since_target)
    day = story.randomized_so_that(
        timepoint,
        lambda one: abs((one.target_on - target).days) <= 1,
        lambda one: abs((one.target_on - target).days) <= 2,
    )
    return reached(story, timepoint, day, **beginning)


def reached(story: Story, timepoint: str, randomized_on: date, **beginning: str) -> Window:
    story.start(randomized_on, **beginning)
    later = [one.timepoint for one in story.windows() if one.target_on >= story.window(timepoint).target_on]
    story.go_on(but=later)
    return story.window(timepoint)


def closed(story: Story, timepoint: str, ago: int) -> Window:
    day = story.randomized_so_that(
        timepoint,
        lambda one: abs((story.today - one.late_until).days - ago) <= 1,
        lambda one: abs((story.today - one.late_until).days - ago) <= 2,
    )
    return reached(story, timepoint, day)
