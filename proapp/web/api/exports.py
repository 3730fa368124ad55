"""Which exports were made: for a data manager who watches that what went out is what was agreed."""

from __future__ import annotations

from proapp.services import exporting
from proapp.services.exporting import Earlier
from proapp.web.api import blueprint
from proapp.web.api.operations import Read, reading
from proapp.web.api.shapes import Export, Exports, Nothing
from proapp.web.guard import audience, machine
from proapp.web.transactions import database, now, runtime


@blueprint.get("/exports")
@audience("exports:read")
@reading("The exports that were made", Exports)
def exports(_asked: Nothing) -> Read:
    data = [_export(one) for one in exporting.earlier(database())]
    with runtime().writing.begin() as own:
        exporting.record_listing(own, len(data), actor=machine().actor, now=now())
    return Read(Exports(data=data))


def _export(one: Earlier) -> Export:
    made = one.made
    return Export(
        created_at=one.at,
        role=one.role,
        cutoff=made.asked.cut_off,
        sha256=made.sha256,
        bytes=made.bytes,
        rows=dict(made.rows),
    )
