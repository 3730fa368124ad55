"""What must hold of the reminders of every participant, whatever is recorded when, however the policy is set and
whenever the worker runs. The rules are written out again here, over what was known at each moment."""

from __future__ import annotations

import os
import time as clock
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proapp.study.follow_up import Reach, Sent, Subject, decide, explain, recheck
from proapp.study.model import WEEKDAYS
from proapp.study.status import ParticipantFacts
from proapp.study.working_days import holidays, public_holidays
from tests.study.reminded import STOCKHOLM, facts, planned, policy, step

DAY = timedelta(days=1)
ZONES = (STOCKHOLM, ZoneInfo("Pacific/Auckland"), ZoneInfo("UTC"))
TARGETS = st.one_of(  # so that windows often hold a change of the clock, Easter, midsummer or Christmas
    st.sampled_from([date(2026, 3, 29), date(2026, 4, 1), date(2026, 6, 20), date(2026, 10, 25), date(2026, 12, 24)]),
    st.integers(0, 364).map(lambda number: date(2026, 1, 1) + number * DAY),
)
ABOUT_THE_NUMBER = ("wrong_number", "undeliverable")
FACTS = ("submitted", "declined", "died", "stopped", "withdrawn", "lost", "wrong_number", "undeliverable", "unreached")
# Hours after the target's first midnight, many of them near its ends: the window is open from -14 to +28 days.
HOURS = st.integers(-16 * 24, 36 * 24) | st.integers(-15 * 24, -12 * 24) | st.integers(26 * 24, 31 * 24)


@dataclass(frozen=True)
class History:
    """What was recorded, and when: a fact, a pause, a wish, a start, the last day of the study or of the site. `ticks`
    are the moments the worker ran at; each queued message leaves so many of them later as `delays` say in turn.
    `channel` is the way the participant chose; `moves` say from when on the window lies so many days off, `longer` that
    it was extended by so many, and `busy` on which days the study has sent all that it may."""

    target: date
    zone: ZoneInfo
    known: tuple[tuple[datetime, str], ...]
    pauses: tuple[tuple[datetime, date, date | None], ...]
    wishes: tuple[tuple[datetime, datetime], ...]
    others: tuple[datetime, ...]
    begun_at: datetime | None
    ticks: tuple[datetime, ...] = field(repr=False)
    closings: tuple[tuple[datetime, str, date], ...] = ()
    delays: tuple[int, ...] = (0,)
    channel: str = "sms"
    moves: tuple[tuple[datetime, int], ...] = ()
    longer: tuple[tuple[datetime, int], ...] = ()
    busy: frozenset[date] = frozenset()

    def target_at(self, now: datetime) -> date:
        return self.target + next((days for at, days in reversed(self.moves) if at <= now), 0) * DAY

    def last_at(self, now: datetime) -> date:
        """The last day of the window."""
        more = next((days for at, days in reversed(self.longer) if at <= now), 0)
        return self.target_at(now) + (28 + more) * DAY

    def sent_by_all(self, now: datetime, study) -> int:
        return study.follow_up.cap_study if now.astimezone(self.zone).date() in self.busy else 0

    def closes_on(self, now: datetime, what: str) -> date | None:
        """The last day of the study or the site, as it is known then."""
        return next((day for at, kind, day in reversed(self.closings) if at <= now and kind == what), None)

    def said(self, now: datetime, fact: str) -> bool:
        return any(at <= now and kind == fact for at, kind in self.known)

    def on(self, now: datetime, fact: str) -> date | None:
        """The day of a fact that is known by then."""
        days = [at.astimezone(self.zone).date() for at, kind in self.known if at <= now and kind == fact]
        return min(days, default=None)

    def subject(self, now: datetime, sent: tuple[Sent, ...]) -> Subject:
        submitted = self.said(now, "submitted")
        begun = self.begun_at if self.begun_at and self.begun_at <= now else None
        window = facts(
            self.target_at(now),
            extension_until=self.last_at(now) if any(at <= now for at, _ in self.longer) else None,
            started_at=begun,
            submitted_at=now if submitted else None,
            completed_on=self.on(now, "submitted"),
            valid=True if submitted else None,
            declined=self.said(now, "declined"),
        )
        person = ParticipantFacts(
            date(2025, 1, 1),
            date(2025, 2, 1),
            "SURG",
            self.on(now, "died"),
            self.on(now, "stopped"),
            self.on(now, "withdrawn"),
        )
        reach = Reach(
            None if self.said(now, "unreached") else self.channel,
            has_mobile=True,
            has_email=True,
            undeliverable=self.said(now, "undeliverable"),
            wrong_number=self.said(now, "wrong_number"),
            pauses=tuple((first, last) for at, first, last in self.pauses if at <= now),
            lost=self.said(now, "lost"),
        )
        wishes = [wish for at, wish in self.wishes if at <= now]
        went = tuple(row.at for row in sent if row.state != "cancelled" and row.channel != "letter")
        lately = went + tuple(at for at in self.others if at <= now)
        site_closed_on = self.closes_on(now, "site")
        return Subject(window, person, reach, sent, lately, wishes[-1] if wishes else None, site_closed_on)


@st.composite
def policies(draw):
    quiet = draw(st.sampled_from([("20:00", "08:00"), ("21:30", "06:00"), ("00:00", "07:00"), ("12:00", "13:00")]))
    hour = draw(st.sampled_from(["10:00", "08:00", "17:30"]))
    return policy(
        quiet_from=quiet[0],
        quiet_until=quiet[1],
        send_at=hour,
        weekdays=draw(st.lists(st.sampled_from(WEEKDAYS), min_size=3, unique=True).map(tuple)),
        public_holidays=draw(st.booleans()),
        useful_days=draw(st.integers(0, 9)),
        cap_participant=draw(st.integers(1, 2)),
    )


@st.composite
def plans(draw):
    found = {}
    for _ in range(draw(st.integers(2, 8))):
        base, low, high = draw(st.sampled_from([("opens", 0, 42), ("target", -14, 28), ("closes", -42, 0)]))
        channel = draw(st.sampled_from(["message", "message", "sms", "task"]))
        at = draw(st.sampled_from([None, None, "11:00", "18:45"]))
        one = step(base, draw(st.integers(low, high)), channel, at)
        found[one.key] = one
    return tuple(found.values())


@st.composite
def histories(draw):
    target, zone = draw(TARGETS), draw(st.sampled_from(ZONES))
    start = datetime.combine(target, time(), tzinfo=zone).astimezone(UTC)
    moment = HOURS.map(lambda number: start + timedelta(hours=number, minutes=number % 60))
    pauses = []
    for at in draw(st.lists(moment, max_size=4)):
        first = at.astimezone(zone).date() + draw(st.integers(0, 3)) * DAY
        pauses.append(
            (at, first, draw(st.none() | st.integers(0, 9).map(lambda days, first=first: first + days * DAY)))
        )
    wishes = sorted((at, at + timedelta(hours=draw(st.integers(1, 30)))) for at in draw(st.lists(moment, max_size=3)))
    first, last = (start + timedelta(hours=number) for number in (-16 * 24, 36 * 24))
    offset = timedelta(minutes=draw(st.integers(0, 359)))
    ticks = [first + offset + timedelta(hours=6 * number) for number in range(int((last - first) / timedelta(hours=6)))]
    for gap in draw(st.lists(moment, max_size=2)):
        length = timedelta(hours=draw(st.integers(3, 300)))
        ticks = [tick for tick in ticks if not gap <= tick < gap + length]
    return History(
        target,
        zone,
        tuple(sorted((draw(moment), draw(st.sampled_from(FACTS))) for _ in range(draw(st.integers(0, 2))))),
        tuple(pauses),
        tuple(wishes),
        tuple(draw(st.lists(moment, max_size=9))),
        draw(st.none() | moment),
        tuple(ticks),
        draw(closings(moment, target)),
        tuple(draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))),
        draw(st.sampled_from(["sms", "sms", "email", "letter"])),
        draw(changes(moment, st.integers(-7, 7))),
        draw(changes(moment, st.integers(1, 7))),
        draw(st.frozensets(st.integers(-14, 28).map(lambda number: target + number * DAY), max_size=4)),
    )


def changes(moment, days):
    return st.just(()) | st.lists(st.tuples(moment, days), max_size=2).map(lambda found: tuple(sorted(found)))


def closings(moment, target):
    day = st.integers(-20, 30).map(lambda number: target + number * DAY)
    one = st.tuples(moment, st.sampled_from(["study", "site"]), day)
    return st.just(()) | st.lists(one, max_size=2).map(lambda found: tuple(sorted(found)))


def run(study, reminders, history):
    """Everything sent, as (moment, decision, what was known), by a worker that does what it is told: it queues what is
    due, and some ticks later, when more may be known, looks at each message again before it leaves."""
    timepoint = planned(study, *reminders)
    rows: list[Sent] = []
    leaves: list[int] = []  # after so many further ticks
    log = []
    now_known = study
    for now in history.ticks:
        if now_known.closes_on != (last := history.closes_on(now, "study")):
            now_known = study.model_copy(update={"closes_on": last})
        for _ in timepoint.reminders + (None,):
            known = history.subject(now, tuple(rows))
            everybody = {"study_sent_today": history.sent_by_all(now, study)}
            said = decide(now_known, timepoint, known, now=now, zone=history.zone, **everybody)
            due = [d for d in said if d.verdict == "send" and d.via in ("sms", "email", "letter")]
            if not due:
                break
            rows.append(Sent(due[0].step, due[0].via, "queued", now))
            leaves.append(history.delays[len(leaves) % len(history.delays)])
        for number, row in enumerate(rows):
            if row.state != "queued":
                continue
            leaves[number] -= 1
            if leaves[number] >= 0:
                continue
            known = history.subject(now, tuple(rows))
            gone = tuple(one.at for one in rows if one.state == "sent" and one.channel != "letter")
            gone += tuple(at for at in history.others if at <= now)
            decision = recheck(
                now_known,
                timepoint,
                replace(known, sent_to_participant=gone),
                row,
                now=now,
                zone=history.zone,
                study_sent_today=history.sent_by_all(now, study),
            )
            if decision.verdict == "send":
                rows[number] = row._replace(state="sent", at=now)
                log.append((now, decision, known))
            elif decision.verdict == "not":
                rows[number] = row._replace(state="cancelled")
            else:
                assert decision.verdict == "wait"
    return log


SLOW = settings(max_examples=80)


@SLOW
@given(said=policies(), reminders=plans(), history=histories())
def test_no_message_breaks_a_rule(small, said, reminders, history):
    study = small.model_copy(update={"follow_up": said})
    by_letter = history.channel == "letter"
    to_participant = [one for one in reminders if one.channel == "message" or (one.channel == "sms" and not by_letter)]
    electronic: list[datetime] = []  # when they went
    for number, (now, decision, _) in enumerate(log := run(study, reminders, history)):
        local, target, last = now.astimezone(history.zone), history.target_at(now), history.last_at(now)
        days = {
            one.key: (_nominal(one, target, last), _day(one, target, last, said, by_letter)) for one in to_participant
        }
        wished = decision.step.startswith("later:")
        assert decision.via in ({"letter"} if by_letter else {history.channel, "sms"})
        # nothing after what was known; a letter does not go to the number
        assert not any(at <= now for at, what in history.known if not by_letter or what not in ABOUT_THE_NUMBER)
        for at, first, until in history.pauses:
            assert not (at <= now and first <= local.date() and (until is None or local.date() <= until))
        for what in ("study", "site"):
            assert local.date() <= (history.closes_on(now, what) or date.max)
        # in the window, and neither at night nor on a free day, nor too many
        assert target - 14 * DAY <= local.date() <= last
        if not by_letter:
            assert not _is_night(local.time(), said)
            assert wished or _goes_out_on(local.date(), said)
            assert local.date() not in history.busy
            that_day = [at for at in (*electronic, *history.others) if at <= now and _same_day(at, now, history.zone)]
            assert wished or len(that_day) < said.cap_participant
            electronic.append(now)
        # once
        assert decision.step not in [before.step for _, before, _ in log[:number]]
        # not before its time, and while it is of use
        assert decision.due_at <= now
        assert (local.date() - decision.due_at.astimezone(history.zone).date()).days <= said.useful_days
        # the latest that is of use: the day of no later step has come (its own day, or the one it had to be moved to)
        nominal, day = days.get(decision.step, (None, None))
        assert wished or day == decision.due_at.astimezone(history.zone).date()
        assert wished or not [
            key for key, (n, d) in days.items() if n > nominal and d is not None and d <= local.date()
        ]
        wishes = [wish for at, wish in history.wishes if at <= now]
        assert not (wishes and not wished and decision.due_at <= wishes[-1] and now < wishes[-1])


def _same_day(one: datetime, other: datetime, zone: ZoneInfo) -> bool:
    return one.astimezone(zone).date() == other.astimezone(zone).date()


@SLOW
@given(said=policies(), reminders=plans(), target=TARGETS, zone=st.sampled_from(ZONES))
def test_who_answers_nothing_is_reminded_of_every_step_at_its_very_minute(small, said, reminders, target, zone):
    """Without an interruption, and with room under the cap, each step that no later one of its day covers goes."""
    study = small.model_copy(update={"follow_up": said.model_copy(update={"cap_participant": 9, "useful_days": 0})})
    timepoint = planned(study, *reminders)
    last = target + 28 * DAY
    days = [
        (_nominal(one, target, last), _day(one, target, last, said, by_letter=False), one)
        for one in reminders
        if one.channel != "task"
    ]
    expected = {
        datetime.combine(day, one.at or said.send_at, tzinfo=zone).astimezone(UTC)
        for nominal, day, one in days
        if day is not None and not [n for n, d, _ in days if n > nominal and d == day]
    }
    sent: list[Sent] = []
    for now in sorted(expected):
        known = History(target, zone, (), (), (), (), None, ()).subject(now, tuple(sent))
        due = [d for d in decide(study, timepoint, known, now=now, zone=zone) if d.verdict == "send" and d.via == "sms"]
        assert {d.due_at for d in due} == {now}
        sent.extend(Sent(d.step, "sms", "sent", now) for d in due)
    assert {row.at for row in sent} == expected


@settings(SLOW, max_examples=40)
@given(said=policies(), reminders=plans(), history=histories(), data=st.data())
def test_the_clock_alone_takes_nothing_back_and_keeps_its_promises(small, said, reminders, history, data):
    study = small.model_copy(update={"follow_up": said})
    timepoint = planned(study, *reminders)
    known = history.subject(data.draw(st.sampled_from(history.ticks)), ())
    known = replace(known, sent_to_participant=())
    over: set[tuple[str, str]] = set()
    for now in history.ticks[::3]:
        for decision in decide(study, timepoint, known, now=now, zone=history.zone):
            which = (decision.step, decision.channel)
            assert which not in over or decision.verdict == "not"
            if decision.verdict == "not":
                over.add(which)
            until = decision.params.get("until")
            if decision.verdict == "wait" and decision.reason != "asked_later":
                again = {(d.step, d.channel): d for d in decide(study, timepoint, known, now=until, zone=history.zone)}
                assert again[which].verdict == "send"
                just_before = until - timedelta(microseconds=1)
                again = {
                    (d.step, d.channel): d for d in decide(study, timepoint, known, now=just_before, zone=history.zone)
                }
                assert again[which].verdict == "wait"


@SLOW
@given(said=policies(), reminders=plans(), history=histories(), data=st.data())
def test_a_row_stays_a_row(small, said, reminders, history, data):
    """Whatever else becomes known, and however late it is, a step that has a row is not taken again."""
    study = small.model_copy(update={"follow_up": said})
    timepoint = planned(study, *reminders)
    now = data.draw(st.sampled_from(history.ticks))
    state = data.draw(
        st.sampled_from(["queued", "sending", "sent", "delivered", "possibly_sent", "failed", "cancelled"])
    )
    rows = tuple(Sent(one.key, "sms", state, history.ticks[0]) for one in timepoint.reminders if one.channel != "task")
    known = history.subject(now, rows)
    for decisions in (
        decide(study, timepoint, known, now=now, zone=history.zone),
        explain(study, timepoint, known, day=history.target, now=now, zone=history.zone),
    ):
        taken = [d for d in decisions if d.step in {row.step for row in rows} and d.channel != "task"]
        assert len(taken) == len(rows)
        assert {d.verdict for d in taken} <= {"sent", "not"}


@pytest.mark.skipif(not hasattr(clock, "tzset"), reason="the server's time zone can only be changed where tzset exists")
@settings(max_examples=15)
@given(said=policies(), reminders=plans(), history=histories())
def test_the_servers_time_zone_does_not_matter(small, said, reminders, history):
    study = small.model_copy(update={"follow_up": said})
    before = os.environ.get("TZ")
    found = []
    try:
        for name in ("UTC", "Europe/Stockholm", "Pacific/Auckland"):
            os.environ["TZ"] = name
            clock.tzset()
            found.append([(now, decision) for now, decision, _ in run(study, reminders, history)])
    finally:
        os.environ.pop("TZ")
        os.environ.update({"TZ": before} if before else {})
        clock.tzset()
    assert found[0] == found[1] == found[2]


# --- the rules once more --------------------------------------------------------------------------------------------


def _is_night(now: time, said) -> bool:
    minutes = (now.hour * 60 + now.minute - said.quiet_from.hour * 60 - said.quiet_from.minute) % 1440
    length = (
        said.quiet_until.hour * 60 + said.quiet_until.minute - said.quiet_from.hour * 60 - said.quiet_from.minute
    ) % 1440
    return minutes < length


def _goes_out_on(day: date, said) -> bool:
    return WEEKDAYS[day.weekday()] in said.weekdays and (said.public_holidays or day not in public_holidays(day.year))


def _nominal(reminder, target: date, last: date) -> date:
    base = {"opens": target - 14 * DAY, "target": target, "closes": last}[reminder.relative_to]
    return base + reminder.days * DAY


def _day(reminder, target: date, last: date, said, by_letter: bool) -> date | None:
    own = _nominal(reminder, target, last)
    window = [target + number * DAY for number in range(-14, (last - target).days + 1)]
    fits = [day for day in window if (_is_worked_on(day) if by_letter else _goes_out_on(day, said))]
    after = [day for day in fits if day >= own]
    before = [day for day in fits if day < own]
    return after[0] if after else before[-1] if before else None


def _is_worked_on(day: date) -> bool:
    return day.weekday() < 5 and day not in holidays(day.year)
