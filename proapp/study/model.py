"""What a study file says, as frozen values: sites, arms, time points, instruments and windows. The file is the only
place where a protocol is written down, so the values here refuse unknown keys and cannot change after loading."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, time
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Kind = Literal["baseline", "scheduled", "event", "unscheduled"]
Anchor = Literal["consent", "randomization", "surgery", "progression", "manual"]
ReminderBase = Literal["opens", "target", "closes"]
Channel = Literal["message", "sms", "email", "letter", "task", "digest"]
TextKind = Literal["reminder", "last", "test"]
Link = Literal["none", "domain", "personal"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DeathBefore = Literal["opens", "target", "closes"]


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as problem:
        raise ValueError(f'"{name}" is not a time zone; write one such as Europe/Stockholm') from problem
    return name


def _reachable(phone: str) -> str:
    if not re.fullmatch(r"[0-9+() \u2010-\u2013-]{5,30}", phone) or sum(map(str.isdigit, phone)) < 5:
        raise ValueError(f'"{phone}" is not a telephone number a patient could ring')
    return phone


def _wall_clock(said: object) -> time:
    if not isinstance(said, str) or not re.fullmatch("(?:[01][0-9]|2[0-3]):[0-5][0-9]", said):
        raise ValueError("must be a time of day such as 20:00, between quotation marks")
    return time.fromisoformat(said)


def _regular(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as problem:
        raise ValueError(f"is not a regular expression: {problem}") from problem
    return pattern


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
Texts = Mapping[Language, Text]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,19}$")]
Column = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,15}$")]
Zone = Annotated[str, AfterValidator(_known_zone)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_reachable)]
Pattern = Annotated[str, StringConstraints(min_length=1), AfterValidator(_regular)]
Days = Annotated[int, Field(ge=0, le=3650)]
WallClock = Annotated[time, BeforeValidator(_wall_clock)]


class Frozen(BaseModel):
    """A value of the study file: no unknown key, no change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(Frozen):
    """A clinic. `hours` tells patients when `phone` is answered; `time_zone` defaults to the study's.

    `closed_on` is the last day on which it takes part. `link` says how far its messages lead: nowhere, to the start
    page, or (with a PIN) to the patient's own.
    """

    code: Code
    name: Text
    phone: Phone
    hours: Texts
    time_zone: Zone
    opened_on: date | None = None
    closed_on: date | None = None
    link: Link = "none"


class Arm(Frozen):
    """A treatment the participants are randomised to."""

    code: Code
    label: Texts


class Reminder(Frozen):
    """One step of a time point's reminder plan: `days` after (negative: before) that date of the window.

    `message` goes by the participant's own channel, `letter` to the list of letters, `task` to the nurse's worklist,
    `digest` to the investigator. `at` is local wall-clock time; where it is left out, see `FollowUp.send_at`.
    """

    relative_to: ReminderBase
    days: Annotated[int, Field(ge=-3650, le=3650)]
    channel: Channel
    at: WallClock | None = None

    @property
    def key(self) -> str:
        """What the step is called in the outbox: opens+0, target+3, closes-7."""
        return f"{self.relative_to}{self.days:+d}"


class MessageTexts(Frozen):
    """The wording of one kind of message; {phone} and {link} are filled in when it is sent. proapp has its own wording
    for each that is left out."""

    sms: Texts | None = None
    subject: Texts | None = None
    email: Texts | None = None


class FollowUpTexts(Frozen):
    """The study's own wording, by kind: the ordinary reminder, the one shortly before the close, the test message."""

    reminder: MessageTexts = MessageTexts()
    last: MessageTexts = MessageTexts()
    test: MessageTexts = MessageTexts()

    def of(self, kind: TextKind) -> MessageTexts:
        """The study's own wording of that kind."""
        return {"reminder": self.reminder, "last": self.last, "test": self.test}[kind]


class FollowUp(Frozen):
    """When messages may go out, how many, and in what words.

    Times are local wall-clock times of the site. Nothing goes out from `quiet_from` until `quiet_until`, nor on days
    other than `weekdays`, nor (unless `public_holidays`) on Swedish public holidays. A message that was missed may
    still go `useful_days` later, unless the next is due.
    """

    quiet_from: WallClock = time(20)
    quiet_until: WallClock = time(8)
    send_at: WallClock = time(10)
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS
    public_holidays: bool = False
    useful_days: Annotated[int, Field(ge=0, le=60)] = 5
    cap_participant: Annotated[int, Field(ge=1, le=20)] = 1
    cap_study: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    texts: FollowUpTexts = FollowUpTexts()

    def is_quiet(self, wall_clock: time) -> bool:
        """True within the quiet hours, which may reach over midnight; there are none if they begin when they end."""
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= wall_clock < self.quiet_until
        return wall_clock >= self.quiet_from or wall_clock < self.quiet_until


class TimePoint(Frozen):
    """An assessment every participant of `arms` (empty: of all arms) is asked for, and the window it belongs in.

    The target is the anchor's date + `months` (clamped to the month's end) + `days`; it opens `before_days` earlier,
    closes `after_days` later, and is still taken as late for `grace_days` more.
    """

    code: Column
    label: Texts
    kind: Kind
    anchor: Anchor
    months: Annotated[int, Field(ge=0, le=600)] = 0
    days: Annotated[int, Field(ge=-3650, le=3650)] = 0
    before_days: Days = 0
    after_days: Days = 0
    grace_days: Days = 0
    arms: tuple[str, ...] = ()
    instruments: Annotated[tuple[str, ...], Field(min_length=1)]
    reminders: tuple[Reminder, ...] = ()

    def is_for(self, arm: str | None) -> bool:
        """True unless `arm` is known and the time point belongs to other arms only."""
        return not self.arms or arm is None or arm in self.arms


class Study(Frozen):
    """One version of one protocol, as its study file states it. Nothing is sent after `closes_on`.

    `proxy_allowed`: somebody else may answer for a patient who cannot. `read_aloud`: question pages offer to be read by
    a voice of the device itself.
    """

    code: Code
    title: Texts
    registry: Text | None = None
    number: Annotated[Text, StringConstraints(max_length=40)]
    approved_on: date
    effective_from: date
    time_zone: Zone
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    demo: bool = False
    example: bool = False
    note: Texts | None = None
    id_pattern: Pattern
    id_example: Text | None = None
    overdue_after_days: Annotated[int, Field(ge=0, le=365)] = 3
    sitting_grace_hours: Annotated[int, Field(ge=0, le=72)] = 12
    extension_max_days: Days = 30
    baseline_required: bool = True
    proxy_allowed: bool = False
    read_aloud: bool = False
    death_before: DeathBefore = "target"
    closes_on: date | None = None
    follow_up: FollowUp = FollowUp()
    safety: Texts
    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)]
    timepoints: Annotated[tuple[TimePoint, ...], Field(min_length=1)]

    def site(self, code: str) -> Site:
        """The site of that code; KeyError if the study has none."""
        return self._sites[code]

    def arm(self, code: str) -> Arm:
        """The arm of that code; KeyError if the study has none."""
        return self._arms[code]

    def timepoint(self, code: str) -> TimePoint:
        """The time point of that code; KeyError if the study has none."""
        return self.timepoints_by_code[code]

    def zone(self, site: str | None = None) -> ZoneInfo:
        """The time zone of a site, or of the study where no site is given or the site is unknown."""
        known = self._sites.get(site) if site is not None else None
        return ZoneInfo(known.time_zone if known else self.time_zone)

    @property
    def baseline(self) -> TimePoint:
        """The time point answered before randomisation; the loader made sure that there is exactly one."""
        return next(timepoint for timepoint in self.timepoints if timepoint.kind == "baseline")

    @property
    def instruments(self) -> tuple[str, ...]:
        """Codes of every pack the study names, each once, in the order of first use."""
        return tuple(dict.fromkeys(code for timepoint in self.timepoints for code in timepoint.instruments))

    @cached_property
    def timepoints_by_code(self) -> Mapping[str, TimePoint]:
        return {timepoint.code: timepoint for timepoint in self.timepoints}

    @cached_property
    def _sites(self) -> Mapping[str, Site]:
        return {site.code: site for site in self.sites}

    @cached_property
    def _arms(self) -> Mapping[str, Arm]:
        return {arm.code: arm for arm in self.arms}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what the file says. Comments, key order and defaults added by later software don't count."""
        said = self.model_dump(mode="json", exclude_unset=True)
        return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """What was worked out from the old values is not taken along."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    def accepts_id(self, study_id: str) -> bool:
        """True if `study_id` is written the way this study writes participants' numbers."""
        return re.fullmatch(self.id_pattern, study_id) is not None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """The study that parsed TOML states; pydantic.ValidationError lists what is wrong with its shape.

        Read by the strict rules for JSON: lists may become tuples, but "3" is never taken for 3 nor 2020 for a date.
        """
        return cls.model_validate_json(json.dumps(_with_zones(said), default=str), strict=True)


def _with_zones(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """A site that names no time zone lives in the study's; a faulty one of the study is reported once, not by site."""
    sites, zone = said.get("sites"), said.get("time_zone")
    if not isinstance(sites, list):
        return said
    try:
        _known_zone(str(zone))
    except ValueError:
        zone = "UTC"
    return {**said, "sites": [{"time_zone": zone, **site} if isinstance(site, dict) else site for site in sites]}
