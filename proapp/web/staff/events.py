"""What happens to a participant in the trial, and putting right what was recorded wrongly. Assessments that follow
from it are seen before anything is saved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from flask import Response, flash, render_template, request
from flask_babel import gettext

from proapp.services import enrolment as enrolling
from proapp.services import event_corrections, participant_events, unscheduled
from proapp.services.cohort import Event, Member
from proapp.services.enrolment import Move
from proapp.services.errors import NotFound, Refused
from proapp.study.events import KINDS
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_forms import RevokeForm, StopForm
from proapp.web.staff.enrolment_words import refuse, sentence
from proapp.web.staff.event_forms import EventDateForm
from proapp.web.staff.presenters import happenings
from proapp.web.staff.presenters.history import EVENTS as EVENT_NAMES
from proapp.web.staff.presenters.windows import move_lines
from proapp.web.transactions import database, now, runtime, today


@blueprint.get("/participants/<study_id>/events")
@audience(*CLINICAL)
def events(study_id: str) -> str:
    """What is recorded, what can be recorded, and what can be put right."""
    person = member(study_id)
    return render_template(
        "staff/events.html",
        person=person,
        names=EVENT_NAMES,
        groups=happenings.groups(person, runtime().study),
        recorded=happenings.recorded(person, runtime().study, today()),
        outside=bool(unscheduled.offered(runtime().study, person)),
        form=Form(formdata=None),
    )


@blueprint.route(
    "/participants/<study_id>/events/<any(surgery, progression, off_treatment, lost_to_follow_up, trial_withdrawal,"
    " pro_stop, death):type_>",
    methods=["GET", "POST"],
)
@audience(*CLINICAL)
def record_event(study_id: str, type_: str) -> Response:
    person, form = member(study_id), StopForm(data={"effective_on": None})
    if type_ != "trial_withdrawal":
        del form.data_use, form.keep_until
    confirmed = request.form.get("step") == "confirm" or not _plans(type_)
    if request.form.get("step") != "change" and form.validate_on_submit():
        try:
            if not confirmed or not _was_seen(person, type_, form):
                return _foreseen(person, type_, form, changed=confirmed)
            _record(person, type_, form)
        except Refused as refused:
            if not (confirmed and _is_repeated(refused, form)):
                refuse(form, refused)
        if not form.errors:
            flash(gettext("Recorded: %(event)s.", event=EVENT_NAMES[type_]))
            return to_participant(study_id)
    return page("staff/event.html", form, person=person, type=type_, name=EVENT_NAMES[type_], plans=_plans(type_))


def _plans(type_: str) -> bool:
    """Whether a time point of the study is counted from such an event: then its windows are looked at first."""
    return any(point.anchor == type_ for point in runtime().study.timepoints)


def _foresee(person: Member, type_: str, form: StopForm) -> tuple[Move, ...]:
    return participant_events.foresee_event(
        database(),
        study=runtime().study,
        study_id=person.study_id,
        sites=staff().sites,
        type=type_,
        effective_on=form.effective_on.data,
        now=now(),
    )


def _was_seen(person: Member, type_: str, form: StopForm) -> bool:
    """Whether what would happen is still what was looked at."""
    return not _plans(type_) or request.form.get("seen", "") == fingerprint(_foresee(person, type_, form))


def _foreseen(person: Member, type_: str, form: StopForm, *, changed: bool) -> Response:
    moves = _foresee(person, type_, form)
    return page(
        "staff/event_look.html",
        form,
        person=person,
        name=EVENT_NAMES[type_],
        lines=move_lines(runtime().study, moves),
        seen=fingerprint(moves),
        changed=changed,
    )


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
    """What follows is on the page itself, before the reason is given."""
    person, form = member(study_id), RevokeForm()
    event = _event(person, event_id)
    if not KINDS[event.type].revocable:
        raise NotFound(str(event_id))
    if event in person.superseded:
        flash(sentence(Refused("already_revoked")), "problem")
        return to_participant(study_id)
    try:
        moves = _revoke(study_id, event_id, None, dry_run=True)
    except Refused as refused:
        flash(sentence(refused), "problem")
        return to_participant(study_id)
    if form.validate_on_submit():
        try:
            _revoke(study_id, event_id, form.reason.data, dry_run=False)
        except Refused as refused:
            refuse(form, refused)
        else:
            flash(gettext("Taken back: %(event)s.", event=EVENT_NAMES[event.type]))
            return to_participant(study_id)
    return page(
        "staff/event_revoke.html",
        form,
        person=person,
        event=event,
        kind=KINDS[event.type],
        name=EVENT_NAMES[event.type],
        lines=move_lines(runtime().study, moves),
    )


def _revoke(study_id: str, event_id: int, reason: str | None, *, dry_run: bool) -> tuple[Move, ...]:
    return event_corrections.revoke_event(
        database(),
        study=runtime().study,
        study_id=study_id,
        sites=staff().sites,
        event_id=event_id,
        reason=reason,
        actor=staff_actor(),
        now=now(),
        dry_run=dry_run,
    )


@blueprint.route("/participants/<study_id>/events/<int:event_id>/correct", methods=["GET", "POST"])
@audience(*CLINICAL)
def correct_event(study_id: str, event_id: int) -> Response:
    """The form, a look at what moves and what stays, and only then the deed."""
    person = member(study_id)
    event = _event(person, event_id)
    if not KINDS[event.type].dated:
        raise NotFound(str(event_id))
    if event in person.superseded:
        flash(sentence(Refused("event_replaced")), "problem")
        return to_participant(study_id)
    form = EventDateForm(data={"new_date": event.effective_on})
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _put_right(person, event, form, step)
        except Refused as refused:
            refuse(form, refused)
    return page("staff/event_correct.html", form, person=person, recorded=event, name=EVENT_NAMES[event.type])


def _put_right(person: Member, event: Event, form: EventDateForm, step: str) -> Response:
    moves = _correct_date(person, event, form, dry_run=True)
    now_seen = fingerprint(moves)
    if step == "confirm" and request.form.get("seen", "") == now_seen:
        _correct_date(person, event, form, dry_run=False)
        flash(gettext("The date is corrected: %(event)s.", event=EVENT_NAMES[event.type]))
        return to_participant(person.study_id)
    return page(
        "staff/event_correct_look.html",
        form,
        person=person,
        recorded=event,
        name=EVENT_NAMES[event.type],
        lines=move_lines(runtime().study, moves),
        seen=now_seen,
        changed=step == "confirm",
    )


def _correct_date(person: Member, event: Event, form: EventDateForm, *, dry_run: bool) -> tuple[Move, ...]:
    return event_corrections.correct_event(
        database(),
        study=runtime().study,
        study_id=person.study_id,
        sites=staff().sites,
        event_id=event.id,
        new_date=form.new_date.data,
        reason=form.reason.data,
        actor=staff_actor(),
        now=now(),
        dry_run=dry_run,
    )


def _event(person: Member, event_id: int) -> Event:
    """Raises NotFound for an event of somebody else."""
    for event in (*person.events, *person.superseded):
        if event.id == event_id and event.type in KINDS:
            return event
    raise NotFound(str(event_id))


def fingerprint(moves: Sequence[Move]) -> str:
    """What was looked at, in short: the deed is done only if it still is what would happen."""
    return hashlib.sha256(repr(moves).encode()).hexdigest()[:16]
