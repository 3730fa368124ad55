"""What the tick does for amendments: sites whose day has come begin with their version, each in a transaction of its
own."""

from __future__ import annotations

import structlog

from proapp.runtime import Runtime, refreshed
from proapp.services.activation import NotBegun, activate_next

log = structlog.get_logger()


def keep_up(runtime: Runtime) -> Runtime:
    """Let every site begin whose day has come; returns the runtime that knows the versions in force.

    A site that cannot begin keeps none of the others waiting: it stays behind, is tried again by the next tick, and is
    a trouble of the system's health until it has begun. Safe to run twice and at once. Raises what the database raises:
    the next tick does what this one could not.
    """
    runtime = refreshed(runtime)
    behind: set[str] = set()
    while True:
        try:
            with runtime.writing.begin() as session:
                done = activate_next(session, study=runtime.study, now=runtime.clock(), but=behind)
        except NotBegun as failure:
            behind.add(failure.site)
            said = {"version": failure.number, "site": failure.site, "error_type": failure.error}
            log.error("study.not_activated", **said)
            continue
        if done is None:
            return runtime
        log.info("study.activated", version=done.number, site=done.site, assessments=done.assessments)
        runtime = refreshed(runtime)
