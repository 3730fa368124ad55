"""What is refused about contact details, said to the patient whose they are; staff read other words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

# code: (field, sentence)
REFUSALS: Mapping[str, tuple[str, Any]] = {
    "channel_unknown": ("channel", _("Choose how you would like to be reminded.")),
    "mobile_invalid": ("mobile", _("That does not look like a mobile number. Please check the digits.")),
    "mobile_landline": (
        "mobile",
        _("That is a landline, and text messages do not reach it. Please give a mobile number."),
    ),
    "mobile_not_mobile": ("mobile", _("Text messages do not reach that number. Please give a mobile number.")),
    "mobile_missing": ("mobile", _("Please write your mobile number, or choose another way to be reminded.")),
    "email_invalid": ("email", _("That does not look like an e-mail address. It should be like name@example.se.")),
    "email_missing": ("email", _("Please write your e-mail address, or choose another way to be reminded.")),
}
