"""What is typed when something happens to a participant: events, pauses, language, transfer, longer windows."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import RadioField, SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, InputRequired

from proapp.services import unscheduled
from proapp.services.cohort import Member
from proapp.web.context import in_language
from proapp.web.forms import Form
from proapp.web.staff.enrolment_forms import LONG, Day
from proapp.web.staff.enrolment_words import LANGUAGE_NAMES
from proapp.web.transactions import runtime

NEEDS_REASON = DataRequired(_("Write a reason. It is kept with the change."))


class EventDateForm(Form):
    new_date = Day(_("Right date"), [InputRequired(_("Write the date."))])
    reason = StringField(_("Why is the date corrected?"), [NEEDS_REASON, LONG])


class PauseForm(Form):
    from_on = Day(_("First day of the pause"), [InputRequired(_("Write the date."))])
    until_on = Day(_("Last day of the pause"))
    reason = StringField(_("Why is contact paused?"), [NEEDS_REASON, LONG])


class LanguageForm(Form):
    language = RadioField(_("Language from now on"), [InputRequired(_("Choose the language."))])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.language.choices = [
            SelectChoice(code, LANGUAGE_NAMES.get(code, code)) for code in runtime().study.languages
        ]


class TransferForm(Form):
    to = SelectField(_("New site"), [DataRequired(_("Choose the site."))])
    effective_on = Day(_("Day of the transfer"), [InputRequired(_("Write the date."))])
    note = StringField(_("Note (need not be given)"), [LONG])

    def __init__(self, person: Member, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        others = (site for site in runtime().study.sites if site.code != person.site_code)
        self.to.choices = [
            SelectChoice("", gettext("Choose")),
            *(SelectChoice(site.code, site.name) for site in others),
        ]


class ExtensionForm(Form):
    until = Day(_("Answers are taken until"), [InputRequired(_("Write the date."))])
    reason = StringField(_("Why is more time needed?"), [NEEDS_REASON, LONG])


class TakeBackForm(Form):
    reason = StringField(_("Why is it taken back?"), [NEEDS_REASON, LONG])


class OpenForm(Form):
    timepoint = RadioField(_("Which assessment?"), [InputRequired(_("Choose the assessment."))])
    opens_on = Day(_("Opens on"), [InputRequired(_("Write the date."))])
    closes_on = Day(_("Last day to answer"))
    reason = StringField(_("Why is it opened?"), [NEEDS_REASON, LONG])

    def __init__(self, person: Member, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        points = unscheduled.offered(runtime().study, person)
        self.timepoint.choices = [SelectChoice(point.code, in_language(point.label)) for point in points]
        if len(points) == 1 and not self.timepoint.data:
            self.timepoint.data = points[0].code
