"""What a randomisation service tells: a new participant, and a randomisation. Each once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from flask import request

from proapp.services import api_writes
from proapp.services.api_writes import Told
from proapp.services.errors import Refused
from proapp.web.api import blueprint
from proapp.web.api.operations import writing
from proapp.web.api.shapes import Enrolled, NewParticipant, NewRandomization, Randomization
from proapp.web.guard import audience, machine
from proapp.web.problems import Problem
from proapp.web.transactions import database, now, runtime

LONGEST_KEY = 200


class Refusal(NamedTuple):
    status: int
    detail: str


REFUSALS = {
    "after_end": Refusal(409, "This participant has died or left the trial before that day. Ask the site."),
    "already_randomized": Refusal(
        409, "This participant is randomised already, and not by this request. Ask the site which one is right."
    ),
    "arm_unknown": Refusal(422, "The study has no such arm; send the code of one in its study file."),
    "baseline_missing": Refusal(
        409,
        "No valid baseline was sent before this randomisation. Ask for it first; if it has happened all the same, send "
        "baseline_override_reason.",
    ),
    "date_before_consent": Refusal(422, "That day lies before the consent; correct the date, or ask the site."),
    "date_in_future": Refusal(422, "That day is still to come at the site."),
    "key_used": Refusal(409, "This Idempotency-Key was sent with another request; use a new one for each request."),
    "language_not_offered": Refusal(422, "The study does not offer this language."),
    "reason_too_long": Refusal(422, "The reason is too long; 500 characters are room enough."),
    "site_not_open": Refusal(422, "The site does not take part on the day of that consent."),
    "study_id_of_other_site": Refusal(422, "By its number this participant belongs to another site."),
    "study_id_pattern": Refusal(422, "This is no study id of the study; send one such as {example}."),
    "study_id_taken": Refusal(
        409, "There is a participant with this study id already, and not by this request. Ask the site."
    ),
    "time_in_future": Refusal(422, "That time is still to come at the site; randomized_time is local to it."),
}


@blueprint.post("/participants")
@audience("participants:write")
@writing("Enrol a participant", Enrolled, body=NewParticipant, refusals=(404, 409))
def enrol(new: NewParticipant) -> Told:
    return _told(
        api_writes.enrol,
        study_id=new.study_id,
        site_code=new.site,
        language=new.language,
        consent_on=new.consent_on,
    )


@blueprint.post("/randomizations")
@audience("randomizations:write")
@writing("Record a randomisation", Randomization, body=NewRandomization, refusals=(404, 409))
def randomize(new: NewRandomization) -> Told:
    return _told(
        api_writes.randomize,
        study_id=new.study_id,
        arm=new.arm,
        randomized_on=new.randomized_on,
        randomized_time=new.randomized_time,
        override_reason=new.baseline_override_reason,
    )


def _told(act: Callable[..., Told], **asked: Any) -> Told:
    """Raises Problem for what is refused; what is absent or another site's is a 404 like everywhere."""
    key = _key()
    try:
        return act(
            database(),
            study=runtime().study,
            vault=runtime().vault,
            machine=machine(),
            key=key,
            now=now(),
            **asked,
        )
    except Refused as refused:
        status, detail = REFUSALS[refused.code]
        raise Problem(status, refused.code, detail.format(**refused.params)) from None


def _key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Problem(400, "idempotency_key", f"Idempotency-Key is text of 1 to {LONGEST_KEY} ASCII characters.")
    return key
