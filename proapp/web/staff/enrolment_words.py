"""What the services refuse about participants, as sentences beside the field that has to change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import Field

from proapp.services.errors import Refused
from proapp.web.context import day, in_language
from proapp.web.forms import Form
from proapp.web.staff import event_words
from proapp.web.staff.presenters.history import EVENTS
from proapp.web.transactions import runtime

CHANNEL_NAMES: Mapping[str, Any] = {"sms": _("Text message"), "email": _("E-mail"), "letter": _("Letter")}
LANGUAGE_NAMES: Mapping[str, str] = {"sv": "Svenska", "en": "English"}

# code: (names of the fields it may belong to, sentence)
_DATES = ("consent_on", "randomized_on", "effective_on", "new_date")
_REASONS = ("reason", "note", "override_reason", "identity_check", "allow_shared_mobile_reason")
REFUSALS: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "study_id_pattern": (("study_id",), _("Write the study id the way this study does, for example %(example)s.")),
    "study_id_of_other_site": (("study_id",), _("A study id that begins like this belongs to %(site)s.")),
    "study_id_taken": (
        ("study_id",),
        _("This study id is already in use. If you have just sent this form, it was saved: look under Participants."),
    ),
    "language_not_offered": (("language",), _("The study is not offered in that language.")),
    "date_in_future": (_DATES, _("The date lies in the future.")),
    "time_in_future": (("randomized_time", "new_time"), _("The time lies in the future.")),
    "date_before_consent": (_DATES, _("The date lies before the consent, which was given on %(consent_on)s.")),
    "after_end": (_DATES, _("The date lies after another event: %(type)s, %(effective_on)s.")),
    "channel_unknown": (("channel",), _("Choose how the participant wants to be reached.")),
    "mobile_invalid": (("mobile",), _("That is not a telephone number. Check the digits.")),
    "mobile_landline": (
        ("mobile",),
        _("That is a landline, which cannot receive text messages. Write a mobile number, or choose another channel."),
    ),
    "mobile_not_mobile": (("mobile",), _("That is not a mobile number, so it cannot receive text messages.")),
    "mobile_missing": (("mobile",), _("Write a mobile number, or choose another channel.")),
    "mobile_in_use": (
        ("allow_shared_mobile_reason", "mobile"),
        _("Another participant has this number. Check the digits. If two people share it, write why."),
    ),
    "email_invalid": (("email",), _("That is not an e-mail address. It should look like name@example.se.")),
    "email_missing": (("email",), _("Write an e-mail address, or choose another channel.")),
    "reason_required": (_REASONS, _("Write a reason. It is kept with the change.")),
    "reason_too_long": (_REASONS, _("Write at most %(longest)s characters.")),
    "arm_unknown": (("arm",), _("Choose the arm.")),
    "baseline_missing": (
        ("override_reason",),
        _("No valid baseline was submitted before this date. To randomise all the same, write why."),
    ),
    "already_randomized": ((), _("The participant is already randomised, on %(effective_on)s. Nothing was changed.")),
    "already_recorded": (
        ("effective_on",),
        _("This is already recorded, with the date %(effective_on)s. If that is wrong, take it back first."),
    ),
    "data_use_required": (("data_use",), _("Choose what the participant has decided about the data.")),
    "keep_until_required": (("keep_until",), _("Write the last day whose data may be used.")),
    "keep_until_out_of_range": (("keep_until",), _("The day must lie between the consent and leaving the trial.")),
    "cannot_revoke": ((), _("This cannot be taken back here.")),
    "already_revoked": ((), _("This was already taken back. Nothing was changed.")),
    "not_randomized": ((), _("The participant is not randomised yet, so there is nothing to correct.")),
    "nothing_changed": (("new_date",), _("That is what is already recorded.")),
    "participant_ended": (
        (),
        _("The participant answers no more questionnaires, so there is no sheet to make. Nothing was changed."),
    ),
    **event_words.REFUSALS,
}


def sentence(refused: Refused) -> str:
    """The refusal in the reader's language."""
    return str(REFUSALS[refused.code][1]) % {name: _in_words(name, value) for name, value in refused.params.items()}


def _in_words(name: str, value: object) -> str:
    if isinstance(value, date):
        return day(value)
    if name == "type":
        return str(EVENTS[str(value)])
    if name == "arm" and value:
        return in_language(runtime().study.arm(str(value)).label)
    return str(value)


def refuse(form: Form, refused: Refused) -> None:
    """Put the sentence beside its field."""
    names, _sentence = REFUSALS[refused.code]
    field: Field | None = next((form[name] for name in names if name in form), None)
    form.refuse(field, sentence(refused))
