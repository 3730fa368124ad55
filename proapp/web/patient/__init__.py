"""The patient's face: tiny, calm, and complete without scripts."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("patient", __name__)

from proapp.web.patient import contact, frame, home, link, pauses, phone, questionnaire, sign_in, welcome  # noqa: E402, F401  the views register themselves on the blueprint above
