"""The staff face: what to do now, who has answered, who works here, and the data out."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("staff", __name__, url_prefix="/staff")

from proapp.web.staff import (  # noqa: E402, F401  the views register themselves on the blueprint above
    account,
    amendment,
    api_tokens,
    arrangements,
    assessments,
    audit,
    compliance,
    contact_check,
    contact_log,
    corrections,
    enrolment,
    events,
    exports,
    frame,
    hand_over,
    letters,
    participant_follow_up,
    participants,
    proposals,
    reason,
    sign_in,
    study_page,
    system,
    users,
    work,
)
