"""Pages for everybody: the front door, the language switch, privacy, accessibility, health."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("public", __name__)
