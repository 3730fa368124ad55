"""The patient's face: tiny, calm, and complete without scripts."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("patient", __name__)

from proapp.web.patient import (  # noqa: E402, F401  the views register themselves on the blueprint above
    calendar,
    contact,
    frame,
    home,
    installing,
    link,
    look,
    pauses,
    phone,
    questionnaire,
    sign_in,
    tablet,
    welcome,
)
