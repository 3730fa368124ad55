"""Tales of windows that closed: answered in every way, or missed for every reason."""

from __future__ import annotations

from proapp.demo.story import BY_HAND, Story
from proapp.demo.telling import Tale, Tales, closed, days, reached

TALES = Tales()

TOO_LITTLE = (1,)  # of five items of its scale: nothing can be scored


@TALES.tell("missed, no reason yet")
def _missed(story: Story) -> None:
    story.miss(closed(story, "m06", 3), explained=False)


@TALES.tell("missed, no reason for long")
def _missed_long(story: Story) -> None:
    story.miss(closed(story, "m03", 17), explained=False)


@TALES.tell("missed twice")
def _missed_twice(story: Story) -> None:
    one = closed(story, "m12", 8)
    story.miss(one, explained=False)


@TALES.tell("left yesterday")
def _left_yesterday(story: Story) -> None:
    """The window closed yesterday; the worker submits what was begun when the sitting's grace is over."""
    day = story.randomized_so_that(
        "m03",
        lambda one: 1 <= (story.today - one.late_until).days <= 2,
        lambda one: 1 <= (story.today - one.late_until).days <= 4,
    )
    one = reached(story, "m03", day)
    swept = one.late_until < story.today - days(1)
    story.begin(one.timepoint, story.at(one.late_until - days(2), 9, 21), items=52, auto=swept)


@TALES.tell("submitted by the worker")
def _auto(story: Story) -> None:
    one = closed(story, "m06", 30)
    story.begin(one.timepoint, story.at(one.closes_on - days(3), 9, 21), items=60, auto=True)


@TALES.tell("submitted by the worker, too little")
def _auto_unscorable(story: Story) -> None:
    one = closed(story, "m03", 24)
    story.begin(one.timepoint, story.at(one.closes_on - days(3), 9, 21), items=1, auto=True)


@TALES.tell("sent, not to be scored")
def _unscorable(story: Story) -> None:
    one = closed(story, "m06", 40)
    story.fill(one.timepoint, one.target_on, only=TOO_LITTLE)


@TALES.tell("declined by patient")
def _declined(story: Story) -> None:
    one = closed(story, "m06", 50)
    story.decline(one.timepoint, one.target_on + days(2), reason="upset_or_irrelevant")


@TALES.tell("declined through staff")
def _declined_by_staff(story: Story) -> None:
    one = closed(story, "m03", 60)
    story.contact(one.timepoint, one.target_on + days(5), "declined")
    story.decline(one.timepoint, one.target_on + days(6), by_staff=True)


@TALES.tell("done late")
def _done_late(story: Story) -> None:
    one = closed(story, "m12", 35)
    story.fill(one.timepoint, one.closes_on + days(6))


@TALES.tell("paper, too early")
def _paper(story: Story) -> None:
    one = closed(story, "m12", 45)
    story.fill(one.timepoint, one.opens_on - days(3), mode="paper", typed_on=one.opens_on)


@TALES.tell("paper, long after")
def _paper_late(story: Story) -> None:
    one = closed(story, "m06", 30)
    story.fill(one.timepoint, one.late_until + days(5), mode="paper")


@TALES.tell("by telephone")
def _telephone(story: Story) -> None:
    one = closed(story, "m03", 33)
    story.contact(one.timepoint, one.target_on + days(8), "answered_by_phone")
    story.fill(one.timepoint, one.target_on + days(8), mode="phone")


@TALES.tell("interview")
def _interview(story: Story) -> None:
    one = closed(story, "m03", 80)
    story.fill(one.timepoint, one.target_on + days(2), mode="interview")


@TALES.tell("on the clinic's tablet")
def _clinic(story: Story) -> None:
    one = closed(story, "m06", 70)
    story.fill(one.timepoint, one.target_on + days(3), mode="self_clinic")


@TALES.tell("somebody else answered")
def _proxy(story: Story) -> None:
    one = closed(story, "m12", 20)
    story.fill(one.timepoint, one.target_on + days(4), mode="proxy", respondent="proxy")


@TALES.tell("answered twice")
def _twice(story: Story) -> None:
    one = closed(story, "m03", 90)
    story.fill(one.timepoint, one.target_on + days(1))
    story.fill(one.timepoint, one.target_on + days(3), mode="paper")


@TALES.tell("voided")
def _voided(story: Story) -> None:
    one = closed(story, "m06", 55)
    reason = "Ifyllt av en annan patient på mottagningens surfplatta."
    story.fill(one.timepoint, one.target_on, mode="self_clinic")
    story.void(one.timepoint, one.target_on + days(9), reason)
    story.explain(one.timepoint, "staff_oversight", one.late_until + days(4))


@TALES.tell("registered too late")
def _registered_late(story: Story) -> None:
    consent_on = story.today - days(230)
    story.enrol(consent_on)
    story.activate()
    story.fill("baseline", consent_on + days(2))
    recorded = story.office(story.today - days(60))
    story.randomize(consent_on + days(8), recorded=recorded)
    story.go_on(but=["m03"])


def _reason_tale(code: str) -> Tale:
    """Somebody who missed an assessment for this reason."""

    def told(story: Story) -> None:
        timepoint = ("m03", "m06", "m12", "m18")[BY_HAND.index(code) % 4]
        story.miss(closed(story, timepoint, 40 + 11 * BY_HAND.index(code)), code=code)

    return told


TALES.update({f"missed: {code}": _reason_tale(code) for code in BY_HAND})
