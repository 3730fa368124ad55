"""The audit trail in words: what was done, and old and new values, as the page prints them."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _

ACTIONS: dict[str, Any] = {
    "answer.conflict": _("Answer that came too late to count"),
    "answer.recorded": _("Answer recorded"),
    "assessment.declined": _("Assessment declined"),
    "assessment.decline_undone": _("Decline taken back"),
    "assessment.extended": _("Window extended"),
    "activation.applied": _("A version of the study began at a site"),
    "activation.planned": _("Beginning of a version of the study decided"),
    "assessment.follows_version": _("Assessment follows another version of the study"),
    "assessment.moved": _("Assessment moved"),
    "assessment.opened": _("Assessment opened outside the plan"),
    "assessment.changed": _("Assessment changed"),
    "assessment.taken_back": _("Assessment taken back"),
    "assessment.planned": _("Assessment planned"),
    "assessment.voided": _("Answers made void"),
    "code.issued": _("Patient's code issued"),
    "code.revoked": _("Patient's code revoked"),
    "contact.changed": _("Contact data changed"),
    "contact.confirmed": _("Contact data confirmed by the patient"),
    "contact.logged": _("Contact logged"),
    "contact.reached": _("A message arrived"),
    "contact.recorded": _("Contact data recorded"),
    "contact.resealed": _("Contact data encrypted anew"),
    "contact.undeliverable": _("Messages do not arrive"),
    "contact.verified": _("Test message arrived, the patient says"),
    "user.resealed": _("Second factor encrypted anew"),
    "event.recorded": _("Event recorded"),
    "export.created": _("Data exported"),
    "export.frozen": _("Data cut frozen and signed"),
    "former_site.recorded": _("Time at a former site recorded"),
    "former_site.changed": _("Time at a former site changed"),
    "former_site.removed": _("Time at a former site removed"),
    "installation.marked": _("Installation marked"),
    "message.cancelled": _("Message cancelled"),
    "message.delivered": _("Message delivered"),
    "message.failed": _("Message failed"),
    "message.possibly_sent": _("Message possibly sent"),
    "message.posted": _("Letter posted"),
    "message.postponed": _("Message put off"),
    "message.queued": _("Message queued"),
    "message.requeued": _("Message queued again by hand"),
    "message.sent": _("Message sent"),
    "message.try_failed": _("Sending failed, to be tried again"),
    "missed_reason.recorded": _("Reason for a missed assessment"),
    "participant.enrolled": _("Participant enrolled"),
    "participant.changed": _("Site or language changed"),
    "patient.activated": _("Code activated by the patient"),
    "patient.code_accepted": _("Code given by the patient"),
    "patient.link_followed": _("Link in a message or on the tablet followed by the patient"),
    "patient.device_forgotten": _("Patient's device forgotten"),
    "patient.pin_given": _("PIN given once more by the patient"),
    "patient.pin_chosen": _("PIN chosen by the patient"),
    "patient.signed_in": _("Patient signed in"),
    "patient.signed_out": _("Patient signed out"),
    "pin.removed": _("PIN removed"),
    "request.recorded": _("Wish of the patient"),
    "receipt.received": _("Delivery report received"),
    "proposal.approved": _("Change approved"),
    "proposal.made": _("Change proposed"),
    "proposal.refused": _("Change refused"),
    "proposal.withdrawn": _("Change withdrawn"),
    "response_set.started": _("Questionnaire started"),
    "response_set.submitted": _("Answers sent"),
    "session.ended": _("Signed out"),
    "session.resumed": _("Password given on the device that was handed over"),
    "session.started": _("Signed in"),
    "session.suspended": _("Signed-in device handed over to a participant"),
    "study.proposed": _("New study file proposed"),
    "study.recorded": _("Study file recorded"),
    "tablet.handed_over": _("Clinic's tablet handed over"),
    "tablet.left_for_phone": _("Went on from the clinic's tablet to the own phone"),
    "tablet.phone_offered": _("Square for the own phone shown on the clinic's tablet"),
    "tablet.taken_back": _("Clinic's tablet taken back"),
    "user.added": _("Account added"),
    "user.changed": _("Role or sites changed"),
    "user.digest": _("Monday message switched"),
    "user.invited": _("Set-up code made"),
    "user.language": _("Language chosen"),
    "user.password_changed": _("Password changed"),
    "user.password_chosen": _("Password chosen"),
    "user.reactivated": _("Account let in again"),
    "user.rehashed": _("Password stored under today's protection"),
    "user.reset": _("Account reset"),
    "user.sessions_ended": _("Signed out everywhere"),
    "user.set_up": _("Account set up"),
    "user.suspended": _("Account suspended"),
}

# name in the address → words, and the beginnings of the actions it stands for
GROUPS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "answers": (_("Answers and sending"), ("answer.", "response_set.")),
    "assessments": (_("Plan, declines and missed assessments"), ("assessment.", "missed_reason.")),
    "events": (_("Enrolment and events"), ("participant.", "event.", "former_site.", "proposal.")),
    "contact": (_("Contact data and contacts"), ("contact.", "request.")),
    "messages": (_("Messages"), ("message.", "receipt.")),
    "access": (_("Codes, PINs and patients' sign-ins"), ("code.", "pin.", "patient.", "session.", "tablet.")),
}
SYSTEM_GROUPS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "accounts": (_("Accounts"), ("user.",)),
    "sign_ins": (_("Sign-ins"), ("session.",)),
    "other": (_("Study, exports and installation"), ("study.", "activation.", "proposal.", "export.", "installation.")),
}

ACTOR_KINDS: dict[str, Any] = {"patient": _("Patient"), "system": _("The system")}


def in_words(action: str) -> str:
    """The action as a person would say it; an action without words is shown as it is stored."""
    return str(ACTIONS.get(action, action))
