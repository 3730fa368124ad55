"""Every address of the product, who may open it, and a place in the tests' world to open it at.

This table is written by hand on purpose: the views declare their audience themselves, and a declaration that is wrong
must disagree with something. A new view needs its line here (see test_every_route.py); the message of the failing test
says which one is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

STAFF = frozenset({"nurse", "investigator", "coordinator", "monitor", "statistician", "administrator"})
CLINICAL = frozenset({"nurse", "investigator", "coordinator"})  # may write about participants
READERS = CLINICAL | {"monitor", "statistician"}
ADMINISTRATOR = frozenset({"administrator"})
ANYONE = frozenset({"anyone"})
NOT_ON_TABLET = frozenset({"anyone_but_clinic"})
PATIENT = frozenset({"patient"})
TABLET = frozenset({"clinic"})
QUESTIONNAIRE = PATIENT | TABLET
GATEWAY = frozenset({"gateway"})
SCOPES = frozenset(
    {
        "participants:read",
        "assessments:read",
        "compliance:read",
        "exports:read",
        "participants:write",
        "randomizations:write",
    }
)
PENDING = frozenset({"staff_pending"})
SUSPENDED = frozenset({"staff_suspended"})


@dataclass(frozen=True)
class Route:
    """`path` may hold {assessment}, {participant}, {event}, {message} and {proposal} (of a participant), {user} and
    {token}."""

    audience: frozenset[str]
    path: str
    methods: str = "GET"


ROUTES = {
    # everybody
    "public.start": Route(ANYONE, "/"),
    "public.language": Route(ANYONE, "/language", "POST"),
    "public.privacy": Route(ANYONE, "/about/privacy"),
    "public.accessibility": Route(ANYONE, "/about/accessibility"),
    "public.health": Route(ANYONE, "/healthz"),
    "static": Route(ANYONE, "/static/0/patient.css"),
    "patient.offline": Route(ANYONE, "/offline/sv"),
    "patient.service_worker": Route(ANYONE, "/sw.js"),
    # patients
    "patient.code": Route(NOT_ON_TABLET, "/a"),
    "patient.present_code": Route(NOT_ON_TABLET, "/a", "POST"),
    "patient.pin": Route(NOT_ON_TABLET, "/pin"),
    "patient.give_pin": Route(NOT_ON_TABLET, "/pin", "POST"),
    "patient.forget": Route(NOT_ON_TABLET, "/forget", "POST"),
    "patient.link": Route(NOT_ON_TABLET, "/l"),
    "patient.follow_link": Route(NOT_ON_TABLET, "/l", "POST"),
    "patient.welcome_mobile": Route(PATIENT, "/welcome/mobile"),
    "patient.give_mobile": Route(PATIENT, "/welcome/mobile", "POST"),
    "patient.welcome_email": Route(PATIENT, "/welcome/email"),
    "patient.give_email": Route(PATIENT, "/welcome/email", "POST"),
    "patient.welcome_reminders": Route(PATIENT, "/welcome/reminders"),
    "patient.choose_reminders": Route(PATIENT, "/welcome/reminders", "POST"),
    "patient.home": Route(PATIENT, "/home"),
    "patient.contact": Route(PATIENT, "/contact"),
    "patient.give_pin_again": Route(PATIENT, "/contact/pin", "POST"),
    "patient.change_contact": Route(PATIENT, "/contact", "POST"),
    "patient.pause": Route(PATIENT, "/pause"),
    "patient.pause_now": Route(PATIENT, "/pause", "POST"),
    "patient.end_pause": Route(PATIENT, "/pause/end", "POST"),
    "patient.calendar": Route(PATIENT, "/calendar.ics"),
    "patient.manifest": Route(ANYONE, "/app.webmanifest"),
    "patient.offered": Route(PATIENT, "/installing", "POST"),
    "patient.look": Route(ANYONE, "/look"),
    "patient.choose_look": Route(ANYONE, "/look", "POST"),
    "patient.start": Route(QUESTIONNAIRE, "/assessment/{assessment}"),
    "patient.begin": Route(QUESTIONNAIRE, "/assessment/{assessment}", "POST"),
    "patient.question": Route(QUESTIONNAIRE, "/assessment/{assessment}/c30/1"),
    "patient.answer": Route(QUESTIONNAIRE, "/assessment/{assessment}/c30/1", "POST"),
    "patient.copy": Route(PATIENT, "/assessment/{assessment}/copy"),
    "patient.kept": Route(PATIENT, "/assessment/{assessment}/kept", "POST"),
    "patient.review": Route(QUESTIONNAIRE, "/assessment/{assessment}/review"),
    "patient.send": Route(QUESTIONNAIRE, "/assessment/{assessment}/review", "POST"),
    "patient.sent": Route(QUESTIONNAIRE, "/assessment/{assessment}/sent"),
    "patient.decline": Route(PATIENT, "/assessment/{assessment}/decline"),
    "patient.decline_now": Route(PATIENT, "/assessment/{assessment}/decline", "POST"),
    "patient.undo_decline": Route(PATIENT, "/assessment/{assessment}/undo-decline", "POST"),
    "patient.not_now": Route(PATIENT, "/assessment/{assessment}/not-now"),
    "patient.ask": Route(PATIENT, "/assessment/{assessment}/not-now", "POST"),
    "patient.no_more": Route(PATIENT, "/no-more"),
    "patient.stop_questionnaires": Route(PATIENT, "/no-more", "POST"),
    "patient.sign_out": Route(PATIENT, "/sign-out", "POST"),
    # a clinic's tablet
    "patient.tablet": Route(ANYONE, "/tablet"),
    "patient.awake": Route(TABLET, "/tablet/awake"),
    "patient.own_phone_page": Route(TABLET, "/assessment/{assessment}/own-phone"),
    "patient.show_square": Route(TABLET, "/assessment/{assessment}/own-phone", "POST"),
    # gateways
    "gateway.elks46": Route(GATEWAY, "/receipts/46elks", "POST"),
    "gateway.http": Route(GATEWAY, "/receipts/http", "POST"),
    "gateway.smtp": Route(GATEWAY, "/receipts/smtp", "POST"),
    # machines with a token
    "api.description": Route(ANYONE, "/api/v1/openapi.json"),
    "api.participants": Route(frozenset({"participants:read"}), "/api/v1/participants"),
    "api.participant": Route(frozenset({"participants:read"}), "/api/v1/participants/{participant}"),
    "api.assessments": Route(frozenset({"assessments:read"}), "/api/v1/assessments?study_id={participant}"),
    "api.compliance": Route(frozenset({"compliance:read"}), "/api/v1/compliance"),
    "api.exports": Route(frozenset({"exports:read"}), "/api/v1/exports"),
    "api.enrol": Route(frozenset({"participants:write"}), "/api/v1/participants", "POST"),
    "api.randomize": Route(frozenset({"randomizations:write"}), "/api/v1/randomizations", "POST"),
    # staff, not yet signed in
    "staff.sign_in": Route(ANYONE, "/staff/sign-in", "GET POST"),
    "staff.second_factor": Route(PENDING, "/staff/second-factor", "GET POST"),
    "staff.set_up": Route(ANYONE, "/staff/set-up", "GET POST"),
    "staff.set_up_password": Route(PENDING, "/staff/set-up/password", "GET POST"),
    "staff.set_up_app": Route(PENDING, "/staff/set-up/app", "GET POST"),
    # staff, whose browser is handed over
    "staff.resume": Route(SUSPENDED, "/staff/resume", "GET POST"),
    # staff, everybody
    "staff.start": Route(STAFF, "/staff/"),
    "staff.sign_out": Route(STAFF, "/staff/sign-out", "POST"),
    "staff.account": Route(STAFF, "/staff/account"),
    "staff.change_password": Route(STAFF, "/staff/account/password", "POST"),
    "staff.choose_language": Route(STAFF, "/staff/account/language", "POST"),
    "staff.choose_digest": Route(CLINICAL | {"monitor"}, "/staff/account/digest", "POST"),
    "staff.end_session": Route(STAFF, "/staff/account/sessions/end", "POST"),
    "staff.end_other_sessions": Route(STAFF, "/staff/account/sessions/end-others", "POST"),
    "staff.study_page": Route(STAFF, "/staff/study"),
    "staff.system": Route(frozenset({"administrator", "coordinator"}), "/staff/system"),
    # participants
    "staff.work": Route(CLINICAL | {"monitor"}, "/staff/work"),
    "staff.find": Route(READERS, "/staff/find?q={participant}"),
    "staff.participants": Route(READERS, "/staff/participants"),
    "staff.participant": Route(READERS, "/staff/participants/{participant}"),
    "staff.enrol": Route(CLINICAL, "/staff/participants/new", "GET POST"),
    "staff.randomise": Route(CLINICAL, "/staff/participants/{participant}/randomise", "GET POST"),
    "staff.correct_randomisation": Route(
        CLINICAL, "/staff/participants/{participant}/correct-randomisation", "GET POST"
    ),
    "staff.sheet": Route(CLINICAL, "/staff/participants/{participant}/sheet", "GET POST"),
    "staff.contact": Route(CLINICAL, "/staff/participants/{participant}/contact", "GET POST"),
    "staff.log_contact": Route(CLINICAL, "/staff/participants/{participant}/log-contact", "GET POST"),
    "staff.postpone": Route(CLINICAL, "/staff/participants/{participant}/postpone", "GET POST"),
    "staff.events": Route(CLINICAL, "/staff/participants/{participant}/events"),
    "staff.record_event": Route(CLINICAL, "/staff/participants/{participant}/events/pro_stop", "GET POST"),
    "staff.revoke_event": Route(CLINICAL, "/staff/participants/{participant}/events/{event}/revoke", "GET POST"),
    "staff.correct_event": Route(CLINICAL, "/staff/participants/{participant}/events/{event}/correct", "GET POST"),
    "staff.pause": Route(CLINICAL, "/staff/participants/{participant}/events/contact_pause", "GET POST"),
    "staff.end_pause": Route(CLINICAL, "/staff/participants/{participant}/events/{event}/end-pause", "POST"),
    "staff.change_language": Route(CLINICAL, "/staff/participants/{participant}/events/language_change", "GET POST"),
    "staff.transfer_participant": Route(CLINICAL, "/staff/participants/{participant}/events/site_transfer", "GET POST"),
    "staff.open_assessment": Route(CLINICAL, "/staff/participants/{participant}/assessments/new", "GET POST"),
    "staff.extend": Route(CLINICAL, "/staff/assessments/{assessment}/extend", "GET POST"),
    "staff.end_extension": Route(CLINICAL, "/staff/assessments/{assessment}/end-extension", "GET POST"),
    "staff.take_back": Route(CLINICAL, "/staff/assessments/{assessment}/take-back", "GET POST"),
    "staff.hand_over": Route(CLINICAL, "/staff/assessments/{assessment}/hand-over", "GET POST"),
    "staff.end_tablet": Route(CLINICAL, "/staff/assessments/{assessment}/hand-over/end", "POST"),
    # changes that two people make
    "staff.proposals": Route(CLINICAL, "/staff/proposals"),
    "staff.proposal": Route(CLINICAL, "/staff/proposals/{proposal}", "GET POST"),
    "staff.propose_amendment": Route(frozenset({"coordinator"}), "/staff/study/amendment", "GET POST"),
    "staff.letters": Route(CLINICAL | {"monitor"}, "/staff/letters"),
    "staff.letter_sent": Route(CLINICAL, "/staff/letters/{message}/sent", "POST"),
    "staff.participant_follow_up": Route(CLINICAL | {"monitor"}, "/staff/participants/{participant}/follow-up"),
    "staff.test_arrived": Route(CLINICAL, "/staff/participants/{participant}/contact/arrived", "POST"),
    "staff.send_test": Route(CLINICAL, "/staff/participants/{participant}/contact/test", "POST"),
    "staff.send_again": Route(CLINICAL, "/staff/messages/{message}/send-again", "POST"),
    "staff.reason": Route(CLINICAL, "/staff/assessments/{assessment}/reason", "GET POST"),
    "staff.decline": Route(CLINICAL, "/staff/assessments/{assessment}/decline", "POST"),
    "staff.undo_decline": Route(CLINICAL, "/staff/assessments/{assessment}/decline/undo", "POST"),
    # data out
    "staff.compliance": Route(READERS, "/staff/compliance"),
    "staff.compliance_csv": Route(READERS, "/staff/compliance.csv"),
    "staff.exports": Route(frozenset({"coordinator", "statistician"}), "/staff/export", "GET POST"),
    "staff.freeze_cut": Route(frozenset({"coordinator", "statistician"}), "/staff/export/freeze", "POST"),
    "staff.audit": Route(frozenset({"coordinator", "monitor", "investigator", "administrator"}), "/staff/audit"),
    # accounts
    "staff.users": Route(ADMINISTRATOR, "/staff/users"),
    "staff.invite": Route(ADMINISTRATOR, "/staff/users/invite", "GET POST"),
    "staff.user": Route(ADMINISTRATOR, "/staff/users/{user}"),
    "staff.change_user": Route(ADMINISTRATOR, "/staff/users/{user}/access", "POST"),
    "staff.suspend_user": Route(ADMINISTRATOR, "/staff/users/{user}/suspend", "POST"),
    "staff.reactivate_user": Route(ADMINISTRATOR, "/staff/users/{user}/reactivate", "POST"),
    "staff.reset_user": Route(ADMINISTRATOR, "/staff/users/{user}/reset", "POST"),
    "staff.end_user_sessions": Route(ADMINISTRATOR, "/staff/users/{user}/end-sessions", "POST"),
    # machines
    "staff.api_tokens": Route(ADMINISTRATOR, "/staff/api-tokens"),
    "staff.add_api_token": Route(ADMINISTRATOR, "/staff/api-tokens/new", "GET POST"),
    "staff.end_api_token": Route(ADMINISTRATOR, "/staff/api-tokens/{token}/end", "GET POST"),
}
