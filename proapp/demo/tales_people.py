"""Tales of what happens to people: deaths, stops, withdrawals, corrections, and ways to be reached."""

from __future__ import annotations

from proapp.demo.story import Story
from proapp.demo.telling import Tales, days, due

TALES = Tales()


@TALES.tell("died before the window")
def _died(story: Story) -> None:
    randomized_on = story.today - days(400)
    story.start(randomized_on)
    died = story.window("m12").opens_on - days(20)
    story.happen("death", died, recorded=died + days(9))
    story.go_on()


@TALES.tell("died in the window")
def _died_in_window(story: Story) -> None:
    story.start(story.today - days(300))
    died = story.window("m06").target_on + days(9)
    story.happen("death", died, recorded=died + days(4))
    story.go_on(but=["m06"])


@TALES.tell("stopped the questionnaires")
def _pro_stop(story: Story) -> None:
    story.start(story.today - days(420))
    story.happen("pro_stop", story.window("m12").opens_on - days(12))
    story.go_on()


@TALES.tell("stopped in the window")
def _pro_stop_in_window(story: Story) -> None:
    story.start(story.today - days(150))
    story.happen("pro_stop", story.window("m03").target_on + days(3))
    story.go_on(but=["m03"])


@TALES.tell("left the trial, keep the data")
def _withdrew(story: Story) -> None:
    story.start(story.today - days(500))
    story.happen("trial_withdrawal", story.window("m12").opens_on - days(40), data_use="keep")
    story.go_on()


@TALES.tell("left the trial, keep until a day")
def _withdrew_until(story: Story) -> None:
    story.start(story.today - days(330))
    day = story.window("m06").closes_on + days(30)
    until = (day - days(45)).isoformat()
    story.happen("trial_withdrawal", day, data_use="keep_until", until=until)
    story.go_on()


@TALES.tell("lost to follow-up")
def _lost(story: Story) -> None:
    story.start(story.today - days(280))
    story.happen("lost_to_follow_up", story.window("m06").target_on - days(15))
    story.go_on(but=["m06"])
    story.miss(story.window("m06"), code="unreachable")


@TALES.tell("corrected randomisation")
def _corrected(story: Story) -> None:
    consent_on = story.today - days(190)
    story.enrol(consent_on)
    story.activate()
    story.fill("baseline", consent_on + days(2))
    wrong, right = consent_on + days(20), consent_on + days(13)
    story.randomize(wrong)
    story.correct(right, wrong + days(3), "Fel datum avläst; lottningsbekräftelsen visar en vecka tidigare.")
    story.go_on()


@TALES.tell("a letter only")
def _letter(story: Story) -> None:
    due(story, "m06", 20, channel="letter")


@TALES.tell("a number that is shared")
def _shared(story: Story) -> None:
    due(story, "m03", 25, channel="sms", shared="Makar som delar telefon.")


@TALES.tell("progression")
def _progression(story: Story) -> None:
    story.start(story.today - days(520))
    story.happen("progression", story.today - days(200))
    story.happen("off_treatment", story.today - days(170))
    story.go_on()
