"""What somebody sent after the session had ended is not saved, so where it was is remembered across the PIN and said
there. The place only, in the browser's own sealed cookie; never what was answered."""

from __future__ import annotations

from flask import flash, request, session, url_for
from flask_babel import gettext as _

from proapp.services.errors import NotFound
from proapp.services.sitting import Step
from proapp.services.sitting_reading import find_sitting
from proapp.web.transactions import connection, now, runtime

INTERRUPTED = "interrupted"  # [assessment, instrument, item, whether it was reached from the list]
SENDING = "interrupted_sending"  # assessment


def note() -> None:
    """Called where a patient without a session is led away."""
    at = request.view_args or {}
    if request.method != "POST":
        return
    if request.endpoint == "patient.answer" and (
        "answer" in request.form or request.form.get("do") in {"skip", "clear"}
    ):
        session[INTERRUPTED] = [at["assessment_id"], at["instrument"], at["item"], request.args.get("back") == "review"]
    elif request.endpoint == "patient.send":
        session[SENDING] = at["assessment_id"]


def way_back(participant_id: int) -> str | None:
    """Where this person was interrupted, said once; None when nothing was, or when it was somebody else."""
    question, sending = session.pop(INTERRUPTED, None), session.pop(SENDING, None)
    if question is not None:
        assessment_id, instrument, item, from_review = question
        if _is_of(participant_id, assessment_id, Step(instrument, item)):
            text = _("Your last answer was not saved, because you had been signed out. Please give it once more.")
            flash(text, "problem")
            place = {"assessment_id": assessment_id, "instrument": instrument, "item": item}
            return url_for("patient.question", **place, back="review" if from_review else None)
    if sending is not None and _is_of(participant_id, sending):
        flash(_("Your answers were not sent, because you had been signed out. Please send them once more."), "problem")
        return url_for("patient.review", assessment_id=sending)
    return None


def _is_of(participant_id: int, assessment_id: int, step: Step | None = None) -> bool:
    of = {"study": runtime().study, "instruments": runtime().instruments, "participant_id": participant_id}
    try:
        sitting = find_sitting(connection(), **of, assessment_id=assessment_id, now=now(), at=step)
        if step is not None:
            sitting.step(step.instrument, step.item)
    except NotFound:
        return False
    return True
