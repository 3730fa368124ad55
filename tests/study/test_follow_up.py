"""The reminder policy, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from proapp.study.follow_up import Reach, decide, explain, later_step, moment, recheck
from proapp.study.status import ParticipantFacts
from tests.study.reminded import (
    CLOSES,
    LATE,
    OPENS,
    PLAN,
    RANDOMIZED,
    REACHED,
    STOCKHOLM,
    TARGET,
    at,
    decided,
    facts,
    on,
    planned,
    row,
    step,
    study_with,
    subject,
    told,
)

DAY = timedelta(days=1)
SECOND = TARGET + 5 * DAY  # target+3 is a Saturday; messages go from Monday to Friday in most of these tests
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


@pytest.fixture(scope="module")
def study(small):
    return study_with(small, weekdays=WEEKDAYS)


def second(study, known=None, now=None, *reminders, **said):
    """What becomes of the message three days after the target, at noon of the day it falls due."""
    return decided(study, known or subject(), now or on(SECOND), *reminders, **said)["target+3"]


# --- the plan -------------------------------------------------------------------------------------------------------


def test_each_step_has_its_day_its_hour_and_its_way(study):
    found = decided(study, subject(), on(OPENS - DAY))
    assert [(d.step, d.channel, d.via, d.due_at.astimezone(STOCKHOLM).isoformat()) for d in found.values()] == [
        ("opens+0", "message", "sms", "2026-09-02T10:00:00+02:00"),
        ("target+3", "message", "sms", "2026-09-21T10:00:00+02:00"),  # a Saturday, moved to Monday
        ("target+10", "task", "task", "2026-09-28T00:00:00+02:00"),  # likewise, there from the morning on
        ("closes-8", "digest", "digest", "2026-10-06T00:00:00+02:00"),
        ("closes-7", "message", "sms", "2026-10-07T10:00:00+02:00"),
    ]
    assert {told(d) for d in found.values()} == {"wait not_open"}
    assert {d.params["until"] == d.due_at for d in found.values()} == {True}


def test_a_step_goes_from_its_minute_on(study):
    assert told(second(study, now=on(SECOND, "09:59"))) == "wait later"
    assert told(second(study, now=on(SECOND, "10:00"))) == "send due"
    assert told(second(study, now=on(SECOND, "19:59"))) == "send due"


def test_a_step_may_name_its_own_hour(study):
    evening = (step("target", 3, at="17:30"),)
    assert told(second(study, None, on(SECOND, "17:29"), *evening)) == "wait later"
    assert told(second(study, None, on(SECOND, "17:30"), *evening)) == "send due"


def test_a_task_stands_from_the_morning_on_whatever_the_night_and_the_caps(study):
    monday = on(TARGET + 12 * DAY, "00:00")
    full = subject(sent_to_participant=(monday,))
    found = decided(study, full, monday, study_sent_today=10_000)
    assert told(found["target+10"]) == "send due"


def test_a_task_stays_until_the_window_closes(study):
    assert told(decided(study, subject(), on(CLOSES, "23:59"))["target+10"]) == "send due"
    assert told(decided(study, subject(), on(CLOSES + DAY, "00:00"))["target+10"]) == "not closed"


def test_an_unfinished_questionnaire_is_still_reminded_of(study):
    begun = facts(started_at=on(TARGET), last_answer_at=on(TARGET))
    assert told(second(study, subject(begun))) == "send due"


def test_an_unknown_anchor_waits_and_says_so(study):
    found = decided(study, subject(facts(None)), on(TARGET))
    assert {told(d) for d in found.values()} == {"wait anchor_unknown"}
    assert {(d.due_at, d.params["until"]) for d in found.values()} == {(None, None)}


# --- nothing after ... ----------------------------------------------------------------------------------------------

MORNING = on(SECOND, "07:00")
NEVER = {
    "submitted": (
        facts(started_at=MORNING, submitted_at=MORNING, completed_on=SECOND, valid=True),
        RANDOMIZED,
        REACHED,
    ),
    "declined": (facts(declined=True), RANDOMIZED, REACHED),
    "died": (facts(), RANDOMIZED._replace(died_on=SECOND), REACHED),
    "stopped": (facts(), RANDOMIZED._replace(stopped_on=SECOND), REACHED),
    "withdrawn": (facts(), RANDOMIZED._replace(withdrawn_on=SECOND), REACHED),
    "lost": (facts(), RANDOMIZED, replace(REACHED, lost=True)),
    "not_expected": (facts(cancelled_reason="amendment"), RANDOMIZED, REACHED),
}


@pytest.mark.parametrize("reason", NEVER)
def test_nothing_at_all_after(reason, study):
    assessment, person, reach = NEVER[reason]
    found = decided(study, subject(assessment, person, reach), on(SECOND, "11:00"))
    assert {told(d) for d in found.values()} == {f"not {reason}"}


@pytest.mark.parametrize("rule", ["opens", "target", "closes"])
@pytest.mark.parametrize("kind", ["died_on", "stopped_on", "withdrawn_on"])
def test_a_death_or_stop_counts_from_its_day_on_whatever_is_still_expected(study, rule, kind):
    strict = study.model_copy(update={"death_before": rule})
    tomorrow = RANDOMIZED._replace(**{kind: SECOND + DAY})
    assert told(second(strict, subject(person=tomorrow), on(SECOND, "19:00"))) == "send due"
    assert second(strict, subject(person=tomorrow), on(SECOND + DAY)).verdict == "not"


def test_a_step_after_a_stop_that_is_already_known_is_not_promised(study):
    later = RANDOMIZED._replace(stopped_on=SECOND)
    assert told(second(study, subject(person=later), on(OPENS))) == "not stopped"


def test_another_arm_is_not_asked(small):
    surgical = small.timepoint("op1").model_copy(update={"reminders": (step("target", 0),)})
    known = subject(facts(timepoint="op1"), RANDOMIZED._replace(arm="ONC"))
    (decision,) = decide(small, surgical, known, now=on(TARGET), zone=STOCKHOLM)
    assert told(decision) == "not not_expected"


@pytest.mark.parametrize(
    ("reach", "reason"),
    [
        (Reach(None), "no_contact"),
        (Reach("sms", has_email=True), "no_contact"),
        (Reach("email", has_mobile=True), "no_contact"),
        (replace(REACHED, wrong_number=True), "wrong_number"),
        (replace(REACHED, undeliverable=True), "undeliverable"),
    ],
)
def test_without_a_way_no_message_goes_but_the_nurse_is_told(study, reach, reason):
    found = decided(study, subject(reach=reach), on(TARGET + 14 * DAY))
    assert told(decided(study, subject(reach=reach), on(SECOND))["target+3"]) == f"not {reason}"
    assert told(found["target+10"]) == "send due"


def test_a_message_goes_the_way_the_participant_chose(study):
    ways = {"sms": Reach("sms", True, True), "email": Reach("email", True, True), "letter": Reach("letter", True, True)}
    assert {name: second(study, subject(reach=reach)).via for name, reach in ways.items()} == {
        "sms": "sms",
        "email": "email",
        "letter": "letter",
    }


@pytest.mark.parametrize(
    ("reach", "sms", "email"),
    [
        (Reach("sms", True, True), "send due", "send due"),
        (Reach("email", True, True), "send due", "send due"),
        (Reach("email", False, True), "not no_contact", "send due"),
        (Reach("letter", True, True), "not chose_letter", "not chose_letter"),
        (Reach(None, False, False), "not no_contact", "not no_contact"),
    ],
)
def test_steps_by_sms_and_email_reach_those_who_have_them_and_want_no_letters(study, reach, sms, email):
    roomy = study_with(study, cap_participant=2, weekdays=WEEKDAYS)
    found = decided(roomy, subject(reach=reach), on(SECOND), step("target", 3, "sms"), step("target", 3, "email"))
    assert (told(found["target+3 sms"]), told(found["target+3 email"])) == (sms, email)


def test_a_letter_waits_for_a_working_day_and_not_for_the_hour(study):
    christmas_eve = date(2026, 12, 24)  # a sending day, but no working day; the next is Monday 28
    known = subject(facts(christmas_eve - 3 * DAY), reach=Reach("letter"))
    found = decided(study, known, on(christmas_eve))["target+3"]
    assert (told(found), found.due_at) == ("wait later", on(date(2026, 12, 28), "00:00"))
    by_sms = decided(study, replace(known, reach=REACHED), on(christmas_eve))["target+3"]
    assert told(by_sms) == "send due"
    assert told(decided(study, known, on(date(2027, 1, 2), "23:00"))["target+3"]) == "send due"  # put on the list
    assert told(decided(study, known, on(date(2027, 1, 3), "00:00"))["target+3"]) == "not too_late"


# --- the window -----------------------------------------------------------------------------------------------------


def test_nothing_goes_in_the_grace_period_unless_the_window_was_extended(study):
    last = (step("closes", 0),)
    wednesday = CLOSES
    assert told(decided(study, subject(), on(wednesday), *last)["closes+0"]) == "send due"
    assert told(decided(study, subject(), on(wednesday + DAY), *last)["closes+0"]) == "not closed"
    longer = subject(facts(extension_until=LATE + 7 * DAY))
    found = decided(study, longer, on(wednesday + DAY), *last)["closes+0"]
    assert told(found) == "wait later"
    assert found.due_at == on(LATE + 7 * DAY, "10:00")
    assert told(decided(study, longer, on(LATE + 7 * DAY), *last)["closes+0"]) == "send due"
    assert told(decided(study, longer, on(LATE + 8 * DAY), *last)["closes+0"]) == "not closed"


def test_an_extension_within_the_grace_period_counts_and_no_further(study):
    longer = subject(facts(extension_until=CLOSES + 5 * DAY))
    last = (step("closes", 0),)
    assert told(decided(study, longer, on(CLOSES + 5 * DAY), *last)["closes+0"]) == "send due"
    assert told(decided(study, longer, on(CLOSES + 6 * DAY), *last)["closes+0"]) == "not closed"


def test_an_extension_before_the_close_changes_nothing(study):
    assert told(second(study, subject(facts(extension_until=TARGET)))) == "send due"


@pytest.mark.parametrize("whose", ["study_closed", "site_closed"])
def test_nothing_goes_after_the_study_or_the_site_has_closed(study, whose):
    def known(day):
        if whose == "study_closed":
            return study.model_copy(update={"closes_on": day}), subject()
        return study, subject(site_closed_on=day)

    for day, said in ((SECOND, "send due"), (SECOND - DAY, f"not {whose}")):
        asked, about = known(day)
        assert told(second(asked, about)) == said


def test_a_closing_step_on_a_free_day_goes_before_the_close_and_not_after(study):
    sunday = date(2026, 10, 18)
    known = subject(facts(sunday - 28 * DAY))
    found = decided(study, known, on(sunday - 9 * DAY), step("closes", 0), step("closes", -8))
    assert found["closes+0"].due_at == on(sunday - 2 * DAY, "10:00")  # Friday
    assert found["closes-8"].due_at == on(sunday - 6 * DAY, "10:00")  # Saturday a week before: Monday


def test_where_the_window_has_no_sending_day_nothing_goes(small):
    study = study_with(small, weekdays=["sun"])
    short = facts(opens_on=TARGET, closes_on=TARGET + DAY)
    assert told(decided(study, subject(short), on(TARGET), step("target", 0))["target+0"]) == "not no_sending_day"


def baseline(consent, randomized=None):
    window = facts(timepoint="baseline", kind="baseline", target_on=consent, opens_on=consent)
    return window._replace(closes_on=randomized, late_until=randomized)


def test_a_baseline_is_reminded_of_from_consent_until_the_randomisation(study):
    plan = (step("opens", 2), step("opens", 6, "task"))
    still_open = subject(baseline(TARGET), ParticipantFacts(consent_on=TARGET))
    found = decided(study, still_open, on(TARGET + 2 * DAY), *plan)
    assert (told(found["opens+2"]), told(found["opens+6"])) == ("send due", "wait later")
    assert told(decided(study, still_open, on(TARGET + 400 * DAY), *plan)["opens+6"]) == "send due"
    for days, said in ((3, "send due"), (2, "not closed"), (1, "not closed"), (0, "not closed")):
        on_day = TARGET + days * DAY
        known = subject(baseline(TARGET, on_day), ParticipantFacts(TARGET, on_day, "SURG"))
        assert told(decided(study, known, on(TARGET + 2 * DAY), *plan)["opens+2"]) == said, days


# --- days, nights, caps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clock", "said", "until"),
    [
        ("07:59", "wait quiet_hours", "08:00"),
        ("08:00", "send due", None),
        ("19:59", "send due", None),
        ("20:00", "wait quiet_hours", "08:00+1"),
        ("23:59", "wait quiet_hours", "08:00+1"),
    ],
)
def test_nothing_goes_in_the_quiet_hours(study, clock, said, until):
    tuesday = SECOND + DAY
    found = second(study, now=on(tuesday, clock))
    assert told(found) == said
    if until:
        clock, _, days = until.partition("+")
        assert found.params["until"] == on(tuesday + int(days or 0) * DAY, clock)


def test_quiet_hours_need_not_reach_over_midnight(small):
    siesta = study_with(small, quiet_from="12:00", quiet_until="14:00")
    three = SECOND - 2 * DAY
    assert [told(second(siesta, now=on(three, clock))) for clock in ("11:59", "12:00", "13:59", "14:00", "23:59")] == [
        "send due",
        "wait quiet_hours",
        "wait quiet_hours",
        "send due",
        "send due",
    ]
    assert second(siesta, now=on(three, "13:00")).params["until"] == on(three, "14:00")
    awake = study_with(small, quiet_from="12:00", quiet_until="12:00")
    assert told(second(awake, now=on(three, "12:00"))) == "send due"


def test_what_was_missed_waits_over_the_weekend_and_over_holidays(study):
    friday, monday = date(2026, 9, 18), date(2026, 9, 21)
    known = subject(facts(friday - 3 * DAY))
    found = decided(study, known, on(friday + DAY))["target+3"]
    assert told(found) == "wait not_a_sending_day"
    assert found.params["until"] == on(monday, "08:00")
    assert told(decided(study, known, on(monday, "08:00"))["target+3"]) == "send due"
    maundy_thursday, after_easter = date(2026, 4, 2), date(2026, 4, 7)
    known = subject(facts(maundy_thursday - 3 * DAY))
    assert decided(study, known, on(maundy_thursday + DAY))["target+3"].params["until"] == on(after_easter, "08:00")
    secular = study_with(study, weekdays=WEEKDAYS, public_holidays=True)
    assert told(decided(secular, known, on(maundy_thursday + DAY))["target+3"]) == "send due"


def test_the_participants_cap_counts_local_days_and_messages_about_anything(study):
    for sent, said in (
        (on(SECOND, "00:00"), "wait cap_participant"),
        (on(SECOND, "08:00"), "wait cap_participant"),
        (on(SECOND - DAY, "23:59"), "send due"),
    ):
        assert told(second(study, subject(sent_to_participant=(sent,)))) == said, sent
    two = study_with(study, cap_participant=2, weekdays=WEEKDAYS)
    assert told(second(two, subject(sent_to_participant=(on(SECOND, "08:00"),)))) == "send due"
    assert told(second(two, subject(sent_to_participant=(on(SECOND, "08:00"),) * 2))) == "wait cap_participant"
    assert second(study, subject(sent_to_participant=(on(SECOND),))).params["until"] == on(SECOND + DAY, "08:00")


def test_the_studys_cap_makes_everything_wait_until_tomorrow(study):
    capped = study_with(study, cap_study=3, weekdays=WEEKDAYS)
    assert told(second(capped, None, None, study_sent_today=2)) == "send due"
    found = second(capped, None, None, study_sent_today=3)
    assert (told(found), found.params["until"]) == ("wait cap_study", on(SECOND + DAY, "08:00"))


@pytest.mark.parametrize(
    ("pause", "said", "until"),
    [
        ((SECOND, SECOND), "wait paused", SECOND + DAY),
        ((SECOND - 9 * DAY, SECOND + 3 * DAY), "wait paused", SECOND + 4 * DAY),
        ((SECOND - 9 * DAY, SECOND + 5 * DAY), "not paused", None),  # useful until five days after
        ((SECOND - 9 * DAY, None), "not paused", None),
        ((SECOND - 9 * DAY, SECOND - DAY), "send due", None),
        ((SECOND + DAY, None), "send due", None),
    ],
)
def test_a_pause_holds_everything_up_from_its_first_day_to_its_last(study, pause, said, until):
    found = second(study, subject(reach=replace(REACHED, pauses=(pause,))))
    assert told(found) == said
    assert found.params.get("until") == (on(until, "08:00") if until else None)


def test_a_pause_holds_up_the_nurse_too(study):
    day = TARGET + 12 * DAY
    paused = subject(reach=replace(REACHED, pauses=((day, day + 2 * DAY),)))
    found = decided(study, paused, on(day))["target+10"]
    assert (told(found), found.params["until"]) == ("wait paused", on(day + 3 * DAY, "00:00"))


def test_two_pauses_in_a_row_are_waited_out(study):
    pauses = ((SECOND, SECOND + DAY), (SECOND + 2 * DAY, SECOND + 2 * DAY))
    found = second(study, subject(reach=replace(REACHED, pauses=pauses)))
    assert found.params["until"] == on(SECOND + 3 * DAY, "08:00")


# --- once, and the latest -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("queued", "sent queued"),
        ("sending", "sent queued"),
        ("sent", "sent sent"),
        ("delivered", "sent delivered"),
        ("possibly_sent", "sent possibly_sent"),
        ("failed", "not failed"),
        ("cancelled", "not cancelled"),
    ],
)
def test_a_step_is_taken_once_whatever_came_of_it(study, state, said):
    known = subject(sent=(row("target+3", on(SECOND, "10:01"), state),))
    assert told(second(study, known)) == said


def test_a_step_is_not_taken_again_because_the_way_has_changed(study):
    moved = subject(reach=Reach("email", has_email=True), sent=(row("target+3", on(SECOND, "10:01")),))
    assert told(second(study, moved)) == "sent sent"


def test_steps_of_the_same_name_by_two_ways_are_two(study):
    both = (step("target", 3, "sms"), step("target", 3, "email"))
    known = subject(reach=Reach("sms", True, True), sent=(row("target+3", on(SECOND, "10:01")),))
    found = decided(study, known, on(SECOND + DAY), *both)
    assert told(found["target+3 sms"]) == "sent sent"
    assert told(found["target+3 email"]) == "send due"


def test_a_row_of_an_earlier_plan_is_shown_and_counts_as_a_reminder(study):
    known = subject(sent=(row("target+4", on(SECOND + DAY, "10:00")),))
    found = decided(study, known, on(SECOND + 2 * DAY))
    assert told(found["target+4"]) == "sent sent"
    assert told(found["target+3"]) == "not superseded"


def test_after_an_interruption_only_the_latest_goes(study):
    back = on(CLOSES - 7 * DAY)  # nothing has run since before it opened
    found = decided(study, subject(), back)
    assert {key: told(d) for key, d in found.items()} == {
        "opens+0": "not too_late",
        "target+3": "not too_late",
        "target+10": "send due",
        "closes-8": "send due",
        "closes-7": "send due",
    }


def test_a_step_gives_way_from_the_morning_of_the_next(study):
    close = (step("target", 3), step("target", 6))  # Monday (moved from Saturday) and Tuesday
    tuesday = SECOND + DAY
    assert told(second(study, None, on(SECOND, "19:59"), *close)) == "send due"
    found = decided(study, subject(), on(tuesday, "08:30"), *close)
    assert {key: told(d) for key, d in found.items()} == {"target+3": "not superseded", "target+6": "wait later"}


def test_two_steps_moved_to_the_same_day_are_one_message(study):
    weekend = (step("target", 3), step("target", 4))
    found = decided(study, subject(), on(SECOND), *weekend)
    assert {key: told(d) for key, d in found.items()} == {"target+3": "not superseded", "target+4": "send due"}


def test_two_hours_of_one_day_are_two_messages_if_the_cap_allows(study):
    wednesday = (step("target", 0, at="09:00"), step("opens", 14, at="17:00"))
    two = study_with(study, cap_participant=2, weekdays=WEEKDAYS)
    found = decided(two, subject(), on(TARGET), *wednesday)
    assert {key: told(d) for key, d in found.items()} == {"target+0": "send due", "opens+14": "wait later"}
    known = subject(sent=(row("target+0", on(TARGET, "09:00")),), sent_to_participant=(on(TARGET, "09:00"),))
    assert told(decided(two, known, on(TARGET, "17:00"), *wednesday)["opens+14"]) == "send due"
    assert told(decided(two, subject(), on(TARGET, "17:00"), *wednesday)["target+0"]) == "not superseded"


def test_a_step_that_cannot_reach_the_participant_takes_nothing_over(study):
    plan = (step("target", 3), step("target", 6, "email"))
    assert told(second(study, None, on(SECOND + DAY), *plan)) == "send due"


def test_a_task_takes_nothing_over_from_a_message(study):
    plan = (step("target", 3), step("target", 6, "task"))
    assert told(second(study, None, on(SECOND + DAY), *plan)) == "send due"


def test_useful_days_are_counted_from_the_day_it_fell_due(study):
    for useful, days, said in ((0, 0, "send due"), (0, 1, "not too_late"), (3, 3, "send due"), (3, 4, "not too_late")):
        asked = study_with(study, useful_days=useful)
        wednesday = (step("target", 0),)
        assert told(decided(asked, subject(), on(TARGET + days * DAY), *wednesday)["target+0"]) == said


# --- not now --------------------------------------------------------------------------------------------------------

TONIGHT = on(SECOND, "18:00")


def wished(when=TONIGHT, **said):
    return subject(remind_later_at=when, **said)


def test_a_wish_makes_earlier_steps_wait_and_is_a_step_then(study):
    key = later_step(TONIGHT, STOCKHOLM)
    assert key == "later:2026-09-21T18"
    before = decided(study, wished(), on(SECOND, "13:00"))
    assert told(before["target+3"]) == "wait asked_later"
    assert before["target+3"].params["until"] == TONIGHT
    assert told(before[key]) == "wait later"
    then = decided(study, wished(), TONIGHT)
    assert {k: told(then[k]) for k in ("target+3", key)} == {"target+3": "not superseded", key: "send due"}
    assert (then[key].channel, then[key].via, then[key].due_at) == ("message", "sms", TONIGHT)


def test_a_wish_is_kept_on_any_day_and_though_a_message_has_gone_that_day(study):
    saturday = on(date(2026, 9, 26), "19:59")
    known = wished(saturday, sent_to_participant=(saturday - timedelta(hours=9),))
    assert told(decided(study, known, saturday)[later_step(saturday, STOCKHOLM)]) == "send due"


def test_a_wish_for_the_night_waits_for_the_morning(study):
    late = on(SECOND, "20:00")
    found = decided(study, wished(late), late)[later_step(late, STOCKHOLM)]
    assert (told(found), found.params["until"]) == ("wait quiet_hours", on(SECOND + DAY, "08:00"))


def test_the_days_own_step_is_covered_by_the_wish(study):
    morning = on(SECOND, "08:30")
    found = decided(study, wished(morning, sent=(row("later:2026-09-21T08", morning),)), on(SECOND))
    assert told(found["target+3"]) == "not superseded"


def test_a_wish_gives_way_to_the_step_of_a_later_day(study):
    last = CLOSES - 7 * DAY
    evening_before = on(last - DAY, "19:00")
    found = decided(study, wished(evening_before), on(last))
    assert told(found[later_step(evening_before, STOCKHOLM)]) == "not superseded"
    assert told(found["closes-7"]) == "send due"


def test_only_the_latest_wish_counts_and_the_earlier_is_shown(study):
    first = row("later:2026-09-21T18", TONIGHT)
    known = wished(on(SECOND + DAY, "18:00"), sent=(first,))
    found = decided(study, known, on(SECOND + DAY))
    assert told(found["later:2026-09-21T18"]) == "sent sent"
    assert told(found["later:2026-09-22T18"]) == "wait later"
    assert told(found["target+3"]) == "not superseded"  # by the earlier wish


def test_the_nurse_waits_for_the_wish_too_and_then_rings(study):
    day = TARGET + 12 * DAY
    tonight = on(day, "18:00")
    assert told(decided(study, wished(tonight), on(day))["target+10"]) == "wait asked_later"
    assert told(decided(study, wished(tonight), tonight)["target+10"]) == "send due"


def test_a_wish_after_the_close_is_not_kept(study):
    too_late = on(CLOSES + DAY, "10:00")
    assert told(decided(study, wished(too_late), on(CLOSES))[later_step(too_late, STOCKHOLM)]) == "not closed"


def test_nobody_prints_a_letter_for_tonight(study):
    known = wished(reach=Reach("letter"))
    assert told(decided(study, known, TONIGHT)[later_step(TONIGHT, STOCKHOLM)]) == "not chose_letter"


# --- looking again before it is sent --------------------------------------------------------------------------------


def looked_at_again(study, known, now, queued, **said):
    return told(recheck(study, planned(study), known, queued, now=now, zone=STOCKHOLM, **said))


def test_a_queued_row_is_decided_about_as_though_it_were_not_there(study):
    queued = row("target+3", on(SECOND, "10:01"), "queued")
    known = subject(sent=(queued,), sent_to_participant=(queued.at,))
    assert looked_at_again(study, known, on(SECOND), queued) == "send due"
    other = replace(known, sent_to_participant=(on(SECOND, "09:00"), queued.at))
    assert looked_at_again(study, other, on(SECOND), queued) == "wait cap_participant"
    assert looked_at_again(study, known, on(SECOND, "21:00"), queued) == "wait quiet_hours"
    assert looked_at_again(study, known, on(SECOND + 6 * DAY), queued) == "not too_late"
    assert looked_at_again(study, known, on(SECOND), queued, study_sent_today=500) == "wait cap_study"


@pytest.mark.parametrize("reason", NEVER)
def test_a_queued_row_does_not_go_after(reason, study):
    queued = row("target+3", on(SECOND, "10:01"), "queued")
    assessment, person, reach = NEVER[reason]
    known = subject(assessment, person, reach, sent=(queued,), sent_to_participant=(queued.at,))
    assert looked_at_again(study, known, on(SECOND, "11:00"), queued) == f"not {reason}"


def test_a_queued_row_whose_step_or_wish_is_gone_does_not_go(study):
    for key, said in (("target+4", "not not_in_policy"), ("later:2026-09-20T18", "not another_wish")):
        queued = row(key, on(SECOND, "10:01"), "queued")
        assert looked_at_again(study, wished(on(SECOND, "11:00"), sent=(queued,)), on(SECOND), queued) == said


def test_a_changed_way_is_told(study):
    queued = row("target+3", on(SECOND, "10:01"), "queued")
    known = subject(reach=Reach("email", has_email=True), sent=(queued,))
    assert recheck(study, planned(study), known, queued, now=on(SECOND), zone=STOCKHOLM).via == "email"


# --- the clocks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "utc"), [(date(2026, 3, 28), 9), (date(2026, 3, 29), 8), (date(2026, 10, 24), 8), (date(2026, 10, 25), 9)]
)
def test_ten_o_clock_is_ten_o_clock_when_the_clocks_change(small, day, utc):
    study = study_with(small)
    found = decided(study, subject(facts(day)), on(day, "00:00"), step("target", 0))["target+0"]
    assert found.due_at == datetime(day.year, day.month, day.day, utc, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "utc"),
    [("02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)), ("03:00", datetime(2026, 3, 29, 1, tzinfo=UTC))],
)
def test_an_hour_that_is_skipped_comes_once_all_the_same(small, clock, utc):
    study = study_with(small, quiet_from="00:00", quiet_until="00:00")
    found = decided(study, subject(facts(date(2026, 3, 29))), utc, step("target", 0, at=clock))["target+0"]
    assert (found.due_at, told(found)) == (utc, "send due")


def test_an_hour_that_comes_twice_is_the_first(small):
    study = study_with(small, quiet_from="00:00", quiet_until="00:00")
    known = subject(facts(date(2026, 10, 25)))
    found = decided(study, known, on(date(2026, 10, 24)), step("target", 0, at="02:30"))["target+0"]
    assert found.due_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_quiet_hours_end_by_the_clock_on_the_wall(small):
    study = study_with(small)
    for day, utc in ((date(2026, 3, 29), 6), (date(2026, 10, 25), 7)):
        found = decided(study, subject(facts(day - DAY)), on(day, "01:00"), step("target", 0))["target+0"]
        assert found.params["until"] == datetime(day.year, day.month, day.day, utc, tzinfo=UTC)


def test_quiet_hours_that_end_in_an_hour_that_comes_twice(small):
    study = study_with(small, quiet_from="20:00", quiet_until="02:30")
    sunday = date(2026, 10, 25)
    known = subject(facts(sunday - DAY))
    ends = {  # by UTC, two hours behind until one o'clock, then one
        datetime(2026, 10, 25, 0, 15, tzinfo=UTC): datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 15, tzinfo=UTC): datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    }
    for now, end in ends.items():
        assert decided(study, known, now, step("target", 0))["target+0"].params["until"] == end
        assert told(decided(study, known, end, step("target", 0))["target+0"]) == "send due"


def test_every_site_keeps_its_own_time(study):
    helsinki = ZoneInfo("Europe/Helsinki")
    (decision, *_) = decide(study, planned(study), subject(), now=on(OPENS), zone=helsinki)
    assert decision.due_at == at(f"{OPENS}T10:00", helsinki) == on(OPENS, "09:00")


# --- explaining -----------------------------------------------------------------------------------------------------


def explained(study, known, day, now):
    return {d.step: told(d) for d in explain(study, planned(study), known, day=day, now=now, zone=STOCKHOLM)}


def test_a_day_that_is_over_is_explained_as_of_its_end(study):
    much_later = on(CLOSES + 30 * DAY)
    assert (
        explained(study, subject(), SECOND, much_later)["target+3"] == "send due"
    )  # nothing took it, and no night did
    sent = subject(sent=(row("target+3", on(SECOND, "10:01")),))
    assert explained(study, sent, SECOND, much_later)["target+3"] == "sent sent"
    assert explained(study, sent, SECOND, much_later)["closes-7"] == "wait later"
    assert explained(study, subject(), CLOSES, much_later)["closes-7"] == "not too_late"


def test_today_is_explained_as_of_now(study):
    assert explained(study, subject(), SECOND, on(SECOND, "09:00"))["target+3"] == "wait later"
    assert explained(study, subject(), SECOND, on(SECOND, "21:00"))["target+3"] == "wait quiet_hours"
    assert moment(SECOND, now=on(SECOND), zone=STOCKHOLM) == on(SECOND)


def test_a_day_ends_just_before_its_midnight(study):
    now = on(CLOSES + DAY)
    assert moment(CLOSES, now=now, zone=STOCKHOLM).astimezone(STOCKHOLM).date() == CLOSES
    assert explained(study, subject(), CLOSES, now)["target+10"] == "send due"


def test_the_decisions_come_in_the_order_they_fall_due(study):
    known = wished(on(SECOND + DAY, "18:00"), sent=(row("opens+0", on(OPENS, "10:00")),))
    found = decide(study, planned(study, *reversed(PLAN)), known, now=on(SECOND), zone=STOCKHOLM)
    assert [d.step for d in found] == [
        "opens+0",
        "target+3",
        "later:2026-09-22T18",
        "target+10",
        "closes-8",
        "closes-7",
    ]
