"""Tales that are still going on: before randomisation, and in a window that is open."""

from __future__ import annotations

from proapp.demo.story import Story
from proapp.demo.telling import Tales, days, due, reached

TALES = Tales()


@TALES.tell("a questionnaire to answer")
def _open_questionnaire(story: Story) -> None:
    story.language = "sv"
    due(story, "m06", 1, channel="sms")


@TALES.tell("sheet just printed")
def _sheet_just_printed(story: Story) -> None:
    story.language = "sv"
    story.enrol(story.today - days(1), channel="sms")


# --- before randomisation ---------------------------------------------------------------------------------------------


@TALES.tell("not activated")
def _not_activated(story: Story) -> None:
    story.enrol(story.today - days(5))


@TALES.tell("code run out")
def _code_run_out(story: Story) -> None:
    story.enrol(story.today - days(20))


@TALES.tell("new code")
def _new_code(story: Story) -> None:
    story.enrol(story.today - days(18))
    story.replace_code(story.today - days(6))


@TALES.tell("baseline open")
def _baseline_open(story: Story) -> None:
    story.enrol(story.today - days(2))
    story.activate()


@TALES.tell("baseline begun")
def _baseline_begun(story: Story) -> None:
    story.enrol(story.today - days(3))
    story.activate()
    story.begin("baseline", story.at(story.today - days(1), 19, 21), items=31)


@TALES.tell("baseline idle")
def _baseline_idle(story: Story) -> None:
    story.enrol(story.today - days(7))
    story.activate()
    story.begin("baseline", story.at(story.today - days(4), 19, 21), items=12)


@TALES.tell("baseline sent")
def _baseline_sent(story: Story) -> None:
    story.enrol(story.today - days(6))
    story.activate()
    story.fill("baseline", story.today - days(4))


@TALES.tell("stopped before randomisation")
def _stopped_early(story: Story) -> None:
    story.enrol(story.today - days(60))
    story.activate()
    story.happen("trial_withdrawal", story.today - days(50), data_use="delete_if_lawful")


@TALES.tell("baseline overridden")
def _overridden(story: Story) -> None:
    consent_on = story.today - days(150)
    story.enrol(consent_on)
    story.randomize(consent_on + days(4), reason="Svarade på papper som kom bort; operationstid redan bokad.")
    story.activate(consent_on + days(6))
    story.go_on()


@TALES.tell("on paper, never activated")
def _never_activated(story: Story) -> None:
    consent_on = story.today - days(30)
    story.enrol(consent_on)
    story.fill("baseline", consent_on + days(3), mode="paper")
    story.randomize(consent_on + days(9))


# --- a window that is open --------------------------------------------------------------------------------------------


@TALES.tell("open")
def _open(story: Story) -> None:
    due(story, "m03", -8)
    reason = "Lottningsbekräftelsen visar två dagar senare."
    story.propose(story.randomized_on + days(2), story.today - days(1), reason)


@TALES.tell("overdue")
def _overdue(story: Story) -> None:
    due(story, "m06", 9)


@TALES.tell("overdue for longer")
def _overdue_longer(story: Story) -> None:
    due(story, "m03", 12)


@TALES.tell("call again today")
def _call_again(story: Story) -> None:
    one = due(story, "m06", 16)
    story.contact(one.timepoint, story.today - days(7), "left_message", next_on=story.today)


@TALES.tell("call again later")
def _call_later(story: Story) -> None:
    one = due(story, "m12", 14)
    note = "Ber oss ringa efter läkarbesöket."
    story.contact(one.timepoint, story.today - days(6), "reached_will_answer", next_on=story.today + days(3), note=note)


@TALES.tell("postponed")
def _postponed(story: Story) -> None:
    one = due(story, "m03", 11)
    story.contact(
        one.timepoint,
        story.today - days(6),
        "postponed",
        method="none",
        next_on=story.today + days(2),
        note="På resa hela veckan.",
    )


@TALES.tell("closing")
def _closing(story: Story) -> None:
    day = story.randomized_so_that(
        "m03",
        lambda one: 0 <= (one.closes_on - story.today).days <= 1,
        lambda one: 0 <= (one.closes_on - story.today).days <= 3,
    )
    one = reached(story, "m03", day)
    story.contact(one.timepoint, one.target_on + days(6), "no_answer")


@TALES.tell("late")
def _late(story: Story) -> None:
    day = story.randomized_so_that("m06", lambda one: 5 <= (one.late_until - story.today).days <= 8)
    one = reached(story, "m06", day)
    story.contact(one.timepoint, one.closes_on - days(9), "hospitalised")


@TALES.tell("extended")
def _extended(story: Story) -> None:
    day = story.randomized_so_that("m06", lambda one: 3 <= (story.today - one.late_until).days <= 6)
    one = reached(story, "m06", day)
    story.extend(one.timepoint, one.closes_on - days(4), one.late_until + days(25))


@TALES.tell("begun yesterday")
def _begun(story: Story) -> None:
    one = due(story, "m03", 4)
    story.begin(one.timepoint, story.at(story.today - days(1), 19, 21), items=44)


@TALES.tell("idle")
def _idle(story: Story) -> None:
    one = due(story, "m12", 1)
    story.begin(one.timepoint, story.at(story.today - days(3), 18, 21), items=17)


@TALES.tell("declined now")
def _declined_now(story: Story) -> None:
    one = due(story, "m06", 12)
    story.decline(one.timepoint, story.today - days(3), reason="refused_burden")


@TALES.tell("decline taken back")
def _decline_undone(story: Story) -> None:
    one = due(story, "m03", 10)
    story.decline(one.timepoint, story.today - days(6), reason="no_time")
    story.undo_decline(one.timepoint, story.today - days(4))


@TALES.tell("sent yesterday")
def _sent(story: Story) -> None:
    one = due(story, "m03", 3)
    story.fill(one.timepoint, story.today - days(1))
