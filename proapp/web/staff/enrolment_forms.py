"""What is typed when somebody is enrolled, randomised, leaves, or is put right: the forms, and the days and times in
them. The rules are the services'; here is only what a form can see by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, DateField, RadioField, SelectField, StringField, TimeField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from proapp.services import contacts
from proapp.services import enrolment as enrolling
from proapp.services.errors import Refused
from proapp.web.context import in_language
from proapp.web.forms import Form, trimmed
from proapp.web.guard import staff
from proapp.web.staff.enrolment_words import CHANNEL_NAMES, LANGUAGE_NAMES, sentence
from proapp.web.transactions import runtime, today

OLD_CONSENT = timedelta(days=30)
LONG = Length(max=500, message=_("Write at most 500 characters."))
SHORT = Length(max=254, message=_("That is too long."))


class Day(DateField):
    """A calendar day, YYYY-MM-DD."""

    def process_formdata(self, valuelist: list[str]) -> None:
        typed = trimmed(" ".join(valuelist))
        self.raw_data = [typed]
        self.data = None
        try:
            self.data = date.fromisoformat(typed) if typed else None
        except ValueError:
            raise ValueError(gettext("Write the date as year-month-day, for example 2026-11-23.")) from None


class Clock(TimeField):
    """A time of day, HH:MM."""

    def process_formdata(self, valuelist: list[str]) -> None:
        typed = trimmed(" ".join(valuelist))
        self.raw_data = [typed]
        self.data = None
        try:
            self.data = time.fromisoformat(typed).replace(second=0, microsecond=0, tzinfo=None) if typed else None
        except ValueError:
            raise ValueError(gettext("Write the time as hours:minutes, for example 14:05.")) from None


# Made by functions because the order in which fields are made is the order in which faults are listed.


def _channel() -> RadioField:
    return RadioField(
        _("How does the participant want to be reached?"),
        [InputRequired(_("Choose how the participant wants to be reached."))],
        choices=[SelectChoice(*one) for one in CHANNEL_NAMES.items()],
    )


def _mobile() -> StringField:
    return StringField(_("Mobile number"), [SHORT])


def _shared() -> StringField:
    return StringField(_("Why do two participants share the number?"), [LONG])


def _email() -> StringField:
    return StringField(_("E-mail address"), [SHORT])


class ReachableForm(Form):
    """Asks the services' own rules field by field, so that every fault is shown at once and not one after another."""

    def validate_mobile(self, field: StringField) -> None:
        needs = "sms" if self.channel.data == "sms" else "letter"
        _ask(lambda: contacts.checked(needs, field.data, None))

    def validate_email(self, field: StringField) -> None:
        needs = "email" if self.channel.data == "email" else "letter"
        _ask(lambda: contacts.checked(needs, None, field.data))


def _ask(rule: Callable[[], object]) -> None:
    """Raise ValidationError with the sentence for what the rule refuses."""
    try:
        rule()
    except Refused as refused:
        raise ValidationError(sentence(refused)) from None


class ContactForm(ReachableForm):
    channel, mobile, allow_shared_mobile_reason, email = _channel(), _mobile(), _shared(), _email()


class EnrolForm(ReachableForm):
    site_code = SelectField(_("Site"), [DataRequired(_("Choose the site."))])
    study_id = StringField(_("Study id"), [DataRequired(_("Write the study id.")), SHORT])
    consent_on = Day(_("Date of consent"), [InputRequired(_("Write the date of consent."))])
    old_consent = BooleanField(_("Yes, the date is right"))
    language = RadioField(_("Language of the questionnaires"), [InputRequired(_("Choose the language."))])
    channel, mobile, allow_shared_mobile_reason, email = _channel(), _mobile(), _shared(), _email()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        study, scope = runtime().study, staff().sites
        sites = [site for site in study.sites if scope is None or site.code in scope]
        empty = [SelectChoice("", gettext("Choose"))] if len(sites) != 1 else []
        self.site_code.choices = [*empty, *(SelectChoice(site.code, site.name) for site in sites)]
        self.language.choices = [SelectChoice(code, LANGUAGE_NAMES.get(code, code)) for code in study.languages]

    def validate_study_id(self, field: StringField) -> None:
        if self.site_code.data:
            _ask(lambda: enrolling.check_study_id(runtime().study, field.data, self.site_code.data))

    def validate_consent_on(self, field: Day) -> None:
        if field.data and field.data > today():
            raise ValidationError(sentence(Refused("date_in_future")))

    def validate_old_consent(self, field: BooleanField) -> None:
        given = self.consent_on.data
        if given and given < today() - OLD_CONSENT and not field.data:
            raise ValidationError(gettext("The consent was given more than 30 days ago. Is the date right?"))


class RandomiseForm(Form):
    arm = RadioField(_("Arm"), [InputRequired(_("Choose the arm."))])
    randomized_on = Day(_("Date of randomisation"), [InputRequired(_("Write the date of randomisation."))])
    randomized_time = Clock(_("Time, if it is known"))
    override_reason = StringField(_("Why is the participant randomised without a baseline?"), [LONG])

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arm.choices = [SelectChoice(arm.code, in_language(arm.label)) for arm in runtime().study.arms]


class SheetForm(Form):
    lost_phone = RadioField(
        _("Why is a new sheet needed?"),
        choices=[
            SelectChoice(
                "no", _("The sheet is lost, or its code is too old. Phones that are signed in stay signed in.")
            ),
            SelectChoice(
                "yes",
                _("The phone is lost, or somebody else may know the PIN. All phones are signed out at once."),
            ),
        ],
        default="no",
    )
    identity_check = StringField(_("How did you make sure who is asking?"), [LONG])


class StopForm(Form):
    effective_on = Day(_("Date"), [InputRequired(_("Write the date."))])
    data_use = RadioField(
        _("What has the participant decided about the data?"),
        choices=[
            SelectChoice("keep", _("All data collected so far may be used")),
            SelectChoice("keep_until", _("Data up to a certain day may be used")),
            SelectChoice("delete_if_lawful", _("The data shall be deleted where the law allows it")),
        ],
        # An answer is demanded by the service, which also knows that only leaving the trial needs one.
        validate_choice=False,
    )
    keep_until = Day(_("Last day whose data may be used"))
    note = StringField(_("Note (need not be given)"), [LONG])


class RevokeForm(Form):
    reason = StringField(_("What was wrong?"), [DataRequired(_("Write a reason. It is kept with the change.")), LONG])


class CorrectForm(Form):
    new_date = Day(_("Right date of randomisation"), [InputRequired(_("Write the date of randomisation."))])
    new_time = Clock(_("Time, if it is known"))
    arm = RadioField(_("Right arm"), validate_choice=False)  # checked by the service; none is the arm that is recorded
    reason = StringField(
        _("Why is it corrected?"), [DataRequired(_("Write a reason. It is kept with the change.")), LONG]
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.arm.choices = [SelectChoice(arm.code, in_language(arm.label)) for arm in runtime().study.arms]
