"""The face for machines: /api/v1, described by itself at /api/v1/openapi.json.

States, dates and counts go out; never an answer, a contact or a note. A token opens what its scopes say, for its sites,
and with the arm only where it was made so. Within v1 fields are added and none is taken away or changes its meaning.
"""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

from proapp.web.api import (  # noqa: E402, F401  the views register themselves on the blueprint above
    assessments,
    compliance,
    description,
    exports,
    participants,
    writes,
)
