"""What happens to a participant in the trial, and putting right what was recorded wrongly. Assessments that follow
from it are seen before anything is saved."""

from __future__ import annotations

from flask import Response, flash, render_template, request
from flask_babel import gettext

from proapp.services import enrolment as enrolling
from proapp.services import event_corrections, participant_events, unscheduled
from proapp.services.cohort import Event, Member
from proapp.services.errors import NotFound, Refused
from proapp.services.event_corrections import Correction
from proapp.study.diff import Diff
from proapp.study.events import KINDS
from proapp.web.forms import Form
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint, corrections
from proapp.web.staff.enrolment import CLINICAL, member, page, to_participant
from proapp.web.staff.enrolment_forms import RevokeForm, StopForm
from proapp.web.staff.enrolment_words import refuse, sentence
from proapp.web.staff.event_forms import EventDateForm
from proapp.web.staff.presenters import happenings
from proapp.web.staff.presenters.diff import move_lines
from proapp.web.staff.presenters.history import EVENTS as EVENT_NAMES
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
            if not confirmed or not _recorded_as_seen(person, type_, form):
                return _foreseen(person, type_, form, changed=confirmed)
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


def _foresee(person: Member, type_: str, form: StopForm) -> Diff:
    return participant_events.foresee_event(
        database(),
        study=runtime().study,
        study_id=person.study_id,
        sites=staff().sites,
        type=type_,
        effective_on=form.effective_on.data,
        now=now(),
    )


def _recorded_as_seen(person: Member, type_: str, form: StopForm) -> bool:
    """Record it; False if what would happen is no longer what was looked at."""
    try:
        _record(person, type_, form)
    except Refused as refused:
        if refused.code in corrections.NOT_AS_SEEN:
            return False
        raise
    return True


def _foreseen(person: Member, type_: str, form: StopForm, *, changed: bool) -> Response:
    diff = _foresee(person, type_, form)
    return page(
        "staff/event_look.html",
        form,
        person=person,
        name=EVENT_NAMES[type_],
        lines=move_lines(runtime().study, diff),
        seen=diff.digest,
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
        seen=request.form.get("seen", "") if _plans(type_) else None,
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
    changed = False
    if form.validate_on_submit():
        try:
            return _put_right(person, event, Correction(event_id, None), form)
        except Refused as refused:
            changed = refused.code in corrections.NOT_AS_SEEN
            if refused.code == "already_proposed":
                return corrections.waits(study_id, Correction(event_id, None))
            if not changed:
                refuse(form, refused)
    return _revocation(person, event, form, changed=changed)


def _revocation(person: Member, event: Event, form: RevokeForm, *, changed: bool) -> Response:
    try:
        looked = corrections.look(person.study_id, Correction(event.id, None))
    except Refused as refused:
        if refused.code == "already_proposed":
            return corrections.waits(person.study_id, None)
        flash(sentence(refused), "problem")
        return to_participant(person.study_id)
    return page(
        "staff/event_revoke.html",
        form,
        person=person,
        event=event,
        kind=KINDS[event.type],
        name=EVENT_NAMES[event.type],
        lines=move_lines(runtime().study, looked.diff),
        two_people=looked.two_people,
        seen=looked.diff.digest,
        changed=changed,
    )


def _put_right(person: Member, event: Event, correction: Correction, form: RevokeForm | EventDateForm) -> Response:
    """Do it, or propose it where that takes two people; only what was looked at."""
    study_id, reason = person.study_id, form.reason.data
    if corrections.look(study_id, correction).two_people:
        return corrections.propose(study_id, correction, reason)
    about, seen = corrections.given(study_id, correction), request.form.get("seen") or None
    event_corrections.put_right(database(), **about, reason=reason, seen=seen, actor=staff_actor())
    name = EVENT_NAMES[event.type]
    if correction.new_date is None:
        flash(gettext("Taken back: %(event)s.", event=name))
    else:
        flash(gettext("The date is corrected: %(event)s.", event=name))
    return to_participant(study_id)


@blueprint.route("/participants/<study_id>/events/<int:event_id>/correct", methods=["GET", "POST"])
@audience(*CLINICAL)
def correct_event(study_id: str, event_id: int) -> Response:
    """The form, a look at what moves and what stays, and only then the deed, or its proposal."""
    person = member(study_id)
    event = _event(person, event_id)
    kind = KINDS[event.type]
    if not kind.dated:
        raise NotFound(str(event_id))
    if event in person.superseded:
        flash(sentence(Refused("event_replaced")), "problem")
        return to_participant(study_id)
    form = EventDateForm(data={"new_date": event.effective_on})
    step = request.form.get("step", "")
    if step in ("look", "confirm") and form.validate_on_submit():
        try:
            return _corrected(person, event, form, step)
        except Refused as refused:
            if refused.code == "already_proposed":
                return corrections.waits(study_id, Correction(event_id, form.new_date.data))
            refuse(form, refused)
    name = EVENT_NAMES[event.type]
    return page("staff/event_correct.html", form, person=person, recorded=event, name=name, kind=kind)


def _corrected(person: Member, event: Event, form: EventDateForm, step: str) -> Response:
    correction = Correction(event.id, form.new_date.data)
    if step == "confirm":
        try:
            return _put_right(person, event, correction, form)
        except Refused as refused:
            if refused.code not in corrections.NOT_AS_SEEN:
                raise
    looked = corrections.look(person.study_id, correction)
    return page(
        "staff/event_correct_look.html",
        form,
        person=person,
        recorded=event,
        name=EVENT_NAMES[event.type],
        lines=move_lines(runtime().study, looked.diff),
        two_people=looked.two_people,
        seen=looked.diff.digest,
        changed=step == "confirm",
    )


def _event(person: Member, event_id: int) -> Event:
    """Raises NotFound for an event of somebody else."""
    for event in (*person.events, *person.superseded):
        if event.id == event_id and event.type in KINDS:
            return event
    raise NotFound(str(event_id))
