"""All participants against all time points, and everything about one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import render_template, request, url_for

from proapp.services import contacts, explaining, overview, proposals, work_cases
from proapp.services.cohort import Member, Scope
from proapp.services.overview import Dossier, Wanted
from proapp.study.worklist import Case
from proapp.web.guard import audience, staff, staff_actor
from proapp.web.staff import blueprint, contact_check, proposal_words
from proapp.web.staff.frame import may_open
from proapp.web.staff.presenters import grid as grid_words
from proapp.web.staff.presenters import history, person, scores, timeline, words
from proapp.web.staff.presenters.words import Background
from proapp.web.staff.work import background, known
from proapp.web.transactions import database, now, runtime, today

READERS = ("nurse", "investigator", "coordinator", "monitor", "statistician")
SEE_SCORES = frozenset({"investigator", "coordinator", "statistician"})


@blueprint.get("/participants")
@audience(*READERS)
def participants() -> str:
    wanted, on = _wanted(), background()
    found = overview.grid(database(), study=on.study, sites=staff().sites, today=today(), wanted=wanted)
    printed = grid_words.GridWords(on)
    return render_template(
        "staff/participants.html",
        wanted=wanted,
        is_filtered=wanted != Wanted(),
        choices=grid_words.filter_choices(on, staff().sites),
        columns=printed.columns(found),
        rows=list(printed.rows(found)),
        legend=printed.legend(),
        shown=len(found.rows),
        everybody=found.everybody,
    )


@blueprint.get("/participants/<study_id>")
@audience(*READERS)
def participant(study_id: str) -> str:
    on = background()
    before = request.args.get("before", type=int)
    found = overview.dossier(
        database(), study=on.study, sites=staff().sites, today=today(), now=now(), study_id=study_id, before=before
    )
    member, names = found.member, found.names
    is_former = member.periods is not None
    sent = [] if is_former else explaining.messages(database(), member.id)
    return render_template(
        "staff/participant.html",
        member=member,
        head=person.head(member, found.last_seen_at, on),
        notices=[*([] if is_former else _asked_or_proposed(member)), *person.notices(member, names, on)],
        stops=timeline.stops(member, names, on, sent, found.tablets),
        log=timeline.log(member, names, on),
        events=history.events(member, names, on),
        changes=history.history(found.changes, member, on),
        earlier=url_for("staff.participant", study_id=study_id, before=found.earlier) if found.earlier else "",
        newest=url_for("staff.participant", study_id=study_id) if before else "",
        contact=None if is_former else _contact(study_id),
        contact_state=[] if is_former else list(person.contact_state(member, on)),
        follow_up=_follow_up(study_id) if not is_former else "",
        is_former=is_former,
        parts=_scores(found, on),
        may_see_scores=staff().role in SEE_SCORES,
    )


def _case(member: Member) -> Case:
    found = work_cases.signals(database(), Scope(staff().sites, member.id), now=now())
    return work_cases.case(member, found, study=runtime().study, now=now())


def _follow_up(study_id: str) -> str:
    """Where the reminders are explained, for those who may read it."""
    endpoint = "staff.participant_follow_up"
    return url_for(endpoint, study_id=study_id) if may_open(endpoint) else ""


def _wanted() -> Wanted:
    """The filter as the address states it."""
    given, study = request.args, runtime().study
    return Wanted(
        site=known(given.get("site"), (site.code for site in study.sites)),
        status=known(given.get("status"), overview.STATUSES),
        timepoint=known(given.get("timepoint"), study.timepoints_by_code),
        text=given.get("text", "").strip(),
    )


def _contact(study_id: str) -> dict[str, Any] | None:
    """Contact data, for those who ring participants; None for everybody else."""
    if staff().role not in contacts.ROLES:
        return None
    details = contacts.read(
        database(), vault=runtime().vault, study_id=study_id, sites=staff().sites, actor=staff_actor()
    )
    return {
        "channel": words.METHODS.get(details.channel, ""),
        "number": contacts.written(details.mobile),
        "mobile": details.mobile,
        "email": details.email,
        "reach": contact_check.reach(contact_check.standing(study_id)),
    }


def _scores(found: Dossier, on: Background) -> list[scores.Part]:
    if staff().role not in SEE_SCORES:
        return []
    by_assessment = overview.scores(
        database(), found.member.assessments, study=on.study, instruments=runtime().instruments
    )
    return scores.parts(found.member, by_assessment, on)


def _asked_or_proposed(member: Member) -> Iterator[person.Notice]:
    """What waits for somebody here: a wish of the participant, and a correction for those who see proposals."""
    yield from person.asked(_case(member))
    if may_open("staff.proposals"):
        waiting = proposals.of_participant(database(), member.study_id, sites=staff().sites)
        if waiting is not None:
            yield person.correction_waits(proposal_words.what(waiting))
