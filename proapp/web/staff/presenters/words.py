"""The house's codes as words: one place where a state, a reason or an outcome gets its name on staff pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask_babel import lazy_gettext

from proapp.instruments.model import Instrument
from proapp.services.cohort import Expected
from proapp.services.overview import mark
from proapp.study.model import Study
from proapp.web.context import in_language

Words = Mapping[str, Any]

REASONS: Words = {
    "too_ill": lazy_gettext("Felt too ill"),
    "hospitalised": lazy_gettext("Was in hospital"),
    "refused_this": lazy_gettext("Did not want to answer this time"),
    "refused_burden": lazy_gettext("Too tiring, or too much to answer"),
    "forgot": lazy_gettext("Forgot"),
    "no_time": lazy_gettext("Had no time"),
    "upset_or_irrelevant": lazy_gettext("Found the questions upsetting or beside the point"),
    "language_or_cognition": lazy_gettext("Language, reading or memory made it too hard"),
    "technical": lazy_gettext("Technical trouble with phone, network or sign-in"),
    "unreachable": lazy_gettext("Could not be reached"),
    "not_sent": lazy_gettext("Was never asked"),
    "wrong_contact": lazy_gettext("Wrong number or address"),
    "staff_oversight": lazy_gettext("Overlooked at the clinic"),
    "registered_after_window": lazy_gettext("Registered when the window had already closed"),
    "system_down": lazy_gettext("The system was down"),
    "wrong_instrument": lazy_gettext("Was given the wrong questionnaire"),
    "unknown": lazy_gettext("Not known"),
    "death_in_window": lazy_gettext("Died while the window was open"),
    "pro_stop_in_window": lazy_gettext("Stopped the questionnaires while the window was open"),
    "trial_withdrawal_in_window": lazy_gettext("Left the trial while the window was open"),
}

NOT_EXPECTED: Words = {
    "death": lazy_gettext("died before this time point"),
    "trial_withdrawal": lazy_gettext("left the trial before this time point"),
    "pro_stop": lazy_gettext("stopped the questionnaires before this time point"),
    "amendment": lazy_gettext("taken out by a change of the protocol"),
    "not_applicable_arm": lazy_gettext("not part of this arm"),
    "event_taken_back": lazy_gettext("what it followed from was taken back"),
    "opened_by_mistake": lazy_gettext("opened by mistake"),
}

METHODS: Words = {
    "phone": lazy_gettext("Telephone"),
    "sms": lazy_gettext("SMS"),
    "email": lazy_gettext("E-mail"),
    "letter": lazy_gettext("Letter"),
    "visit": lazy_gettext("At a visit"),
    "none": lazy_gettext("No contact"),
}

OUTCOMES: Words = {
    "reached_will_answer": lazy_gettext("Reached, will answer"),
    "answered_by_phone": lazy_gettext("Answered over the telephone"),
    "left_message": lazy_gettext("Left a message"),
    "no_answer": lazy_gettext("No answer"),
    "wrong_number": lazy_gettext("Wrong number"),
    "declined": lazy_gettext("Does not want to answer"),
    "too_ill": lazy_gettext("Too ill"),
    "hospitalised": lazy_gettext("In hospital"),
    "letter_sent": lazy_gettext("Letter sent"),
    "postponed": lazy_gettext("Postponed"),
}

MODES: Words = {
    "self_remote": lazy_gettext("on the participant's own phone"),
    "self_clinic": lazy_gettext("at the clinic"),
    "paper": lazy_gettext("on paper"),
    "phone": lazy_gettext("over the telephone"),
    "interview": lazy_gettext("in an interview"),
    "proxy": lazy_gettext("by somebody else for the participant"),
}

RESPONDENTS: Words = {
    "self": lazy_gettext("answered without help"),
    "helped": lazy_gettext("somebody helped"),
    "proxy": lazy_gettext("somebody else answered"),
}

TIMINGS: Words = {
    "early": lazy_gettext("Answered before the window"),
    "in_window": lazy_gettext("Answered"),
    "late": lazy_gettext("Answered late"),
    "out_of_window": lazy_gettext("Answered after the window"),
}

FLAGS: Words = {"Y": lazy_gettext("yes"), "N": lazy_gettext("no"), "?": lazy_gettext("not known")}

ROLES: Words = {
    "nurse": lazy_gettext("nurse"),
    "investigator": lazy_gettext("investigator"),
    "coordinator": lazy_gettext("coordinator"),
    "monitor": lazy_gettext("monitor"),
    "statistician": lazy_gettext("statistician"),
    "administrator": lazy_gettext("administrator"),
    "patient": lazy_gettext("participant"),
    "worker": lazy_gettext("the system"),
    "command_line": lazy_gettext("command line"),
    "api": lazy_gettext("a machine"),
}

# What a machine's token opens.
SCOPES: Words = {
    "participants:read": lazy_gettext("Read who takes part, and since when"),
    "assessments:read": lazy_gettext("Read assessments: days and states, no answers"),
    "compliance:read": lazy_gettext("Read compliance"),
    "exports:read": lazy_gettext("Read which exports were made"),
    "participants:write": lazy_gettext("Enrol participants"),
    "randomizations:write": lazy_gettext("Record randomisations"),
}

LANGUAGES: Words = {"sv": lazy_gettext("Swedish"), "en": lazy_gettext("English")}


@dataclass(frozen=True, slots=True)
class Background:
    """What every presenter needs to know besides the facts."""

    study: Study
    instruments: Mapping[str, Instrument]
    today: date

    def label(self, timepoint: str, occurrence: int = 1) -> str:
        """The name of a time point in the page's language, its code if the study no longer has it; of one that repeats
        with its number."""
        known = self.study.timepoints_by_code.get(timepoint)
        name = str(in_language(known.label)) if known else timepoint
        return f"{name} ({occurrence})" if occurrence > 1 else name

    def name(self, assessment: Expected) -> str:
        """The label of an assessment's time point."""
        return self.label(assessment.timepoint, assessment.occurrence)

    def site_name(self, code: str) -> str:
        """The name of a site, its code if the study no longer has it."""
        return next((site.name for site in self.study.sites if site.code == code), code)

    def item_count(self, timepoint: str) -> int:
        """How many questions a time point has, by the packs in force."""
        known = self.study.timepoints_by_code.get(timepoint)
        packs = [self.instruments[code] for code in known.instruments if code in self.instruments] if known else []
        return sum(len(pack.items) for pack in packs)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a state looks: a letter that survives black and white, an icon, a tone (a CSS class) and its name."""

    letter: Any
    icon: str
    tone: str
    words: Any


# The order is that of the legend and of the filter.
MARKS: Mapping[str, Mark] = {
    "completed": Mark(lazy_gettext("A"), "done", "done", lazy_gettext("Answered")),
    "completed_late": Mark(lazy_gettext("L"), "late-done", "done", lazy_gettext("Answered outside the window")),
    "completed_unscorable": Mark(lazy_gettext("U"), "part", "done", lazy_gettext("Answered, too little to score")),
    "in_progress": Mark(lazy_gettext("S"), "part", "open", lazy_gettext("Started, not sent")),
    "open": Mark(lazy_gettext("O"), "open", "open", lazy_gettext("Open")),
    "due": Mark(lazy_gettext("D"), "clock", "open", lazy_gettext("Due")),
    "late": Mark(lazy_gettext("G"), "late", "late", lazy_gettext("Past the window, still taken as late")),
    "missed_unexplained": Mark(lazy_gettext("M?"), "alert", "missed", lazy_gettext("Missed, reason needed")),
    "missed": Mark(lazy_gettext("M"), "missed", "gone", lazy_gettext("Missed, reason recorded")),
    "declined": Mark(lazy_gettext("N"), "declined", "gone", lazy_gettext("Did not want to answer")),
    "not_expected": Mark("", "none", "na", lazy_gettext("Not asked for")),
    "upcoming": Mark("", "soon", "none", lazy_gettext("Not open yet")),
    "unscheduled": Mark("", "soon", "none", lazy_gettext("No date yet")),
}


def reason(code: str) -> str:
    """A reason in words; a code from an earlier version of the study stays as it is."""
    return str(REASONS.get(code, code))


def mark_of(assessment: Expected) -> Mark:
    return MARKS[mark(assessment.state)]


def yes_no(flag: str) -> str:
    return str(FLAGS.get(flag, flag))


def role(code: str) -> str:
    return str(ROLES.get(code, code))
