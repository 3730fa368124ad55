"""What the scripts of a phone ask for: the whole questionnaire in one piece, and the place to bring what was kept.

Pages do their whole job without it. Everything is JSON. A body that is not what our own script sends is refused whole;
a single entry in it that is not is refused by itself, so that it holds up no other.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from flask import Response, current_app, g, jsonify, make_response, render_template, request, url_for
from flask_babel import force_locale
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proapp.services import answering, phone
from proapp.services.errors import Refused
from proapp.services.phone import AT_ONCE, Delivery, Entry, Outcome
from proapp.services.sitting import Sitting, Step
from proapp.services.sitting_reading import find_sitting
from proapp.web.guard import audience, patient, patient_actor
from proapp.web.i18n import language
from proapp.web.look import look
from proapp.web.patient import blueprint, phone_copy
from proapp.web.patient.frame import phone_owner
from proapp.web.transactions import connection, now, runtime

_Moment = Annotated[int, Field(ge=0, lt=253402300800000)]  # milliseconds since 1970, by the phone's clock
_Sign = Annotated[str, Field(pattern=r"^[a-z0-9]{8}$")]
_Offset = Annotated[int, Field(ge=-(10**11), le=10**11)] | None  # seconds
_Row = Annotated[int, Field(ge=0, lt=2**31)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Entry(_Strict):
    id: Annotated[str, Field(pattern=r"^[a-z0-9]{8}-[a-z0-9-]{1,31}$")]
    kind: Literal["answered", "skipped", "cleared", "send"]
    at: _Moment
    instrument: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,19}$")] | None = None
    item: Annotated[int, Field(ge=1, le=9999)] | None = None
    answer: Annotated[str, Field(max_length=10)] | None = None
    language: Annotated[str, Field(max_length=5)] | None = None
    offset: _Offset = None
    known: _Row | None = None

    def read(self, delivery: _Delivery) -> Entry:
        step = Step(self.instrument, self.item) if self.instrument and self.item else None
        if (step is None) != (self.kind == "send"):
            raise ValueError("an answer has an item, and sending has none")
        # A page from before entries had an offset of their own sends one for all.
        offset = self.offset if "offset" in self.model_fields_set else delivery.offset
        return Entry(
            self.id, self.kind, _instant(self.at), step, self.answer, self.language or "", offset, known=self.known
        )


class _Delivery(_Strict):
    device: _Sign
    now: _Moment
    offset: _Offset = None
    known: _Row = 0
    entries: Annotated[tuple[dict[str, Any], ...], Field(max_length=AT_ONCE)] = ()

    def read(self) -> tuple[Delivery, dict[str, str]]:
        """What can be taken in, and the ids of the entries that cannot be, with the reason."""
        entries, refused = [], {}
        for one in self.entries:
            try:
                entries.append(_Entry.model_validate_json(json.dumps(one)).read(self))
            except ValueError:  # pydantic's is one too; its message quotes what was typed
                refused[str(one.get("id"))] = "not_understood"
        return Delivery(tuple(entries), self.device, _instant(self.now), self.known), refused


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def _sitting(assessment_id: int, *, lock: bool = False) -> Sitting:
    return find_sitting(
        connection(),
        study=runtime().study,
        instruments=runtime().instruments,
        participant_id=patient().participant_id,
        assessment_id=assessment_id,
        now=now(),
        lock=lock,
    )


@blueprint.get("/assessment/<int:assessment_id>/copy")
@audience("patient")
def copy(assessment_id: int) -> Any:
    """All that is needed to go on without network; 409 while nothing is begun or where nothing can be answered."""
    sitting = _sitting(assessment_id)
    own = sitting.own
    sent = answering.receipt(sitting) if own is not None and own.submitted_at is not None else None
    if own is None or (sent is None and answering.why_not(sitting) is not None):
        return jsonify(why="not_started" if own is None else answering.why_not(sitting)), 409
    site = runtime().study.site(patient().site_code)
    return jsonify(phone_copy.copy_of(sitting, site, owner=phone_owner(patient()), sent=sent))


@blueprint.post("/assessment/<int:assessment_id>/kept")
@audience("patient")
def kept(assessment_id: int) -> Any:
    """Take in what the phone kept. 400 for what our script would not send, 409 where nothing was begun."""
    sitting = _sitting(assessment_id, lock=True)
    try:
        delivery, refused = _Delivery.model_validate_json(request.get_data(cache=False)).read()
    except ValidationError:  # its message quotes what was typed
        return jsonify(why="not_understood"), 400
    try:
        outcome = phone.take_in(
            connection(), sitting, delivery, vault=runtime().vault, now=now(), actor=patient_actor()
        )
    except Refused as refusal:
        return jsonify(why=refusal.code), 409
    return jsonify(_told(outcome, sitting, refused))


def _told(outcome: Outcome, sitting: Sitting, refused: dict[str, str]) -> dict[str, Any]:
    return {
        "now": int(now().timestamp() * 1000),
        "done": outcome.done,
        "refused": {**refused, **dict(outcome.refused)},
        "known": outcome.known,
        "elsewhere": {
            f"{one.step.instrument}.{one.step.item}": [one.given.kind, one.given.code] for one in outcome.elsewhere
        },
        "sent": phone_copy.in_words(outcome.receipt, sitting),
        "conflicts": outcome.conflicts,
    }


@blueprint.get("/offline/<any(sv, en):code>")
@audience("anyone")
def offline(code: str) -> str:
    """The page a phone shows when it reaches nobody. It is the same for everybody and asked for without cookies: the
    script fills it from what the phone keeps. Its language and look are part of the address."""
    g.patient, g.look = None, request.args.get("look", "")
    with force_locale(code):
        return render_template("patient/offline.html")


@blueprint.get("/sw.js")
@audience("anyone")
def service_worker() -> Response:
    """The phone's go-between, for the whole site; it names the files of this version, so a new version is a new one."""
    static_url: Any = current_app.jinja_env.globals["static_url"]
    files = [static_url("patient.css"), static_url("patient.js")]
    page = url_for("patient.offline", code=language(), look=look().word)
    settings = json.dumps({"files": files, "offline": page, "root": request.script_root})
    source: bytes = current_app.extensions["proapp.static"]["js/service-worker.js"].content
    response = make_response(f"const SETTINGS = {settings};\n".encode() + source)
    response.mimetype = "text/javascript"
    return response
