"""What the services refuse about events, pauses, transfers and windows, as sentences beside the field to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _

_DATES = ("new_date", "effective_on", "from_on", "opens_on")
_UNTIL = ("until_on", "until")

# code: (names of the fields it may belong to, sentence)
REFUSALS: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "type_unknown": ((), _("This cannot be recorded here.")),
    "cannot_correct": ((), _("The date of this entry cannot be corrected here.")),
    "event_replaced": ((), _("This entry was replaced or taken back meanwhile. Nothing was changed.")),
    "date_after_event": (_DATES, _("The date lies after another event: %(type)s, %(effective_on)s.")),
    "until_before_from": (_UNTIL, _("The last day lies before the first.")),
    "pause_over": (_UNTIL, _("That pause is over already.")),
    "pause_too_far": (_DATES, _("A pause can begin at most a year from now.")),
    "pause_too_long": (_UNTIL, _("A pause can last a year at most. Leave the last day empty if it is not known.")),
    "already_paused": (_DATES, _("There is a pause from %(from_on)s already. End that one first.")),
    "site_unknown": (("to",), _("Choose the site.")),
    "same_site": (("to",), _("The participant is at %(site)s already.")),
    "site_not_open": (("effective_on", "consent_on"), _("%(site)s took no participants on that day.")),
    "transfer_order": (_DATES, _("The date does not fit between the other transfers.")),
    "not_the_last_transfer": ((), _("The participant has been transferred again since. Take back the last one first.")),
    "answered": ((), _("The answers have arrived meanwhile. Nothing was changed.")),
    "baseline": ((), _("The first questionnaire ends with the randomisation, so there is no more time to give.")),
    "not_asked": ((), _("No answer is asked for here, so there is no more time to give.")),
    "not_extended": ((), _("The window is not extended. Nothing was changed.")),
    "extension_over": ((), _("The longer window is over, so it can no longer be changed.")),
    "too_late": ((), _("It is too late: the study allows no longer window than has passed already.")),
    "until_too_early": (_UNTIL, _("Choose %(earliest)s or later.")),
    "until_too_late": (_UNTIL, _("The study allows at most %(latest)s.")),
    "timepoint_unknown": (("timepoint",), _("Choose the assessment.")),
    "opens_in_past": (("opens_on",), _("Choose today or a later day.")),
    "opens_too_far": (("opens_on",), _("Choose a day within a year.")),
    "closes_before_open": (("closes_on",), _("The last day lies before the first.")),
    "window_too_long": (("closes_on",), _("It can be open for a year at most.")),
    "not_taking_part": ((), _("The participant has stopped the questionnaires, so nothing can be opened.")),
    "still_open": (("opens_on",), _("The same assessment is open until %(closes_on)s already.")),
    "not_unscheduled": ((), _("This assessment belongs to the plan and cannot be taken back.")),
    "begun": ((), _("The participant has begun to answer, so it stays.")),
}
