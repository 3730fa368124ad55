"""Leaving the trial, stopping the questionnaires, death, and putting right what was recorded wrongly."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from flask import Response, flash, render_template, request
from flask_babel import gettext

from proapp.services import enrolment as enrolling
from proapp.services.cohort import Event, Member
from proapp.services.enrolment import Move
from proapp.services.errors import NotFound, Refused
from proapp.services.participant_events import STOPS
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_forms import CorrectForm, RevokeForm, StopForm
from proapp.web.staff.enrolment_words import refuse, sentence
from proapp.web.staff.presenters.history import EVENTS as EVENT_NAMES
from proapp.web.staff.presenters.windows import move_lines
from proapp.web.transactions import database, now, runtime


@blueprint.get("/participants/<study_id>/events")
@audience(*CLINICAL)
def events(study_id: str) -> str:
    """What is recorded, what can be recorded, and what can be taken back."""
    person = member(study_id)
    recorded = {event.type for event in person.events}
    return render_template(
        "staff/events.html",
        person=person,
        names=EVENT_NAMES,
        stops=STOPS,
        open_stops=[type_ for type_ in STOPS if type_ not in recorded],
    )


@blueprint.route(
    "/participants/<study_id>/events/<any(trial_withdrawal, pro_stop, death):type_>", methods=["GET", "POST"]
)
@audience(*CLINICAL)
def record_event(study_id: str, type_: str) -> Response:
    person, form = member(study_id), StopForm()
    if type_ != "trial_withdrawal":
        del form.data_use, form.keep_until
    if form.validate_on_submit():
        try:
            _record(person, type_, form)
        except Refused as refused:
            if not _is_repeated(refused, form):
                refuse(form, refused)
        if not form.errors:
            flash(gettext("Recorded: %(event)s.", event=EVENT_NAMES[type_]))
            return to_participant(study_id)
    return page("staff/event.html", form, person=person, type=type_, name=EVENT_NAMES[type_])


def _record(person: Member, type_: str, form: StopForm) -> None:
    enrolling.record_event(
        database(),
        study=runtime().study,
        study_id=person.study_id,
        sites=staff().sites,
        type=type_,
        effective_on=form.effective_on.data,
        data_use=form.data_use.data if "data_use" in form else None,
        keep_until=form.keep_until.data if "keep_until" in form else None,
        note=form.note.data,
        actor=staff_actor(),
        now=now(),
    )


def _is_repeated(refused: Refused, form: StopForm) -> bool:
    """The same form sent twice is one event and the same answer."""
    return refused.code == "already_recorded" and refused.params["effective_on"] == form.effective_on.data


@blueprint.route("/participants/<study_id>/events/<int:event_id>/revoke", methods=["GET", "POST"])
@audience(*CLINICAL)
def revoke_event(study_id: str, event_id: int) -> Response:
    person, form = member(study_id), RevokeForm()
    event = _stop(person, event_id)
    if event in person.superseded:
        flash(sentence(Refused("already_revoked")), "problem")
        return to_participant(study_id)
    if form.validate_on_submit():
        try:
            enrolling.revoke_event(
                database(),
                study=runtime().study,
                study_id=study_id,
                sites=staff().sites,
                event_id=event_id,
                reason=form.reason.data,
                actor=staff_actor(),
                now=now(),
            )
        except Refused as refused:
            refuse(form, refused)
        else:
            flash(gettext("Taken back: %(event)s.", event=EVENT_NAMES[event.type]))
            return to_participant(study_id)
    return page("staff/event_revoke.html", form, person=person, event=event, name=EVENT_NAMES[event.type])


def _stop(person: Member, event_id: int) -> Event:
    """Raises NotFound for an event of somebody else, and for one that is not to be taken back."""
    for event in (*person.events, *person.superseded):
        if event.id == event_id and event.type in STOPS:
            return event
    raise NotFound(str(event_id))


@blueprint.route("/participants/<study_id>/correct-randomisation", methods=["GET", "POST"])
@audience(*CLINICAL)
def correct_randomisation(study_id: str) -> Response:
    """The form, a look at what moves and what stays, and only then the deed."""
    person = member(study_id)
    recorded = next((event for event in person.events if event.type == "randomized"), None)
    if recorded is None:
        flash(sentence(Refused("not_randomized")), "problem")
        return to_participant(study_id)
    form = CorrectForm(data={"new_date": recorded.effective_on, "new_time": recorded.effective_time})
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _corrected(person, recorded, form, step)
        except Refused as refused:
            refuse(form, refused)
    return page("staff/correct.html", form, person=person, recorded=recorded)


def _corrected(person: Member, recorded: Event, form: CorrectForm, step: str) -> Response:
    moves = _correct(person, form, dry_run=True)
    seen, now_seen = request.form.get("seen", ""), fingerprint(moves)
    if step == "confirm" and seen == now_seen:
        _correct(person, form, dry_run=False)
        flash(gettext("The date of randomisation is corrected."))
        return to_participant(person.study_id)
    return page(
        "staff/correct_look.html",
        form,
        person=person,
        recorded=recorded,
        lines=move_lines(runtime().study, moves),
        seen=now_seen,
        changed=step == "confirm",
    )


def _correct(person: Member, form: CorrectForm, *, dry_run: bool) -> tuple[Move, ...]:
    given: dict[str, Any] = {"study": runtime().study, "study_id": person.study_id, "sites": staff().sites}
    return enrolling.correct_randomization(
        database(),
        **given,
        new_date=form.new_date.data,
        new_time=form.new_time.data,
        reason=form.reason.data,
        actor=staff_actor(),
        now=now(),
        dry_run=dry_run,
    )


def fingerprint(moves: Sequence[Move]) -> str:
    """What was looked at, in short: the deed is done only if it still is what would happen."""
    return hashlib.sha256(repr(moves).encode()).hexdigest()[:16]
