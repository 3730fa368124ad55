"""The shipped study with something changed, for tests that need a plan of their own."""

from __future__ import annotations

from collections.abc import Iterable

from proapp.study.model import Reminder, Study


def with_steps(study: Study, timepoint: str, steps: Iterable[Reminder]) -> Study:
    """`study` with other reminder steps at one time point, and no others anywhere else."""
    timepoints = tuple(
        one.model_copy(update={"reminders": tuple(steps) if one.code == timepoint else ()}) for one in study.timepoints
    )
    fields = {name: getattr(study, name) for name in type(study).model_fields}
    return Study.model_construct(**{**fields, "timepoints": timepoints})  # a copy would carry the old answers along
