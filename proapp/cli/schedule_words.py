"""The words of `proapp schedule`, in English and Swedish. A protocol is tried before anything is installed, so they do
not come from the catalogues of the pages."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from proapp.study.working_days import free_day


class Words(NamedTuple):
    """Everything that `proapp schedule` says in one language."""

    windows: tuple[str, ...]
    reminders: tuple[str, ...]
    forecast: tuple[str, ...]
    randomised: str
    reminded: str
    clamped: str
    hours: str
    free: str
    moved: str
    covered: str
    no_day: str
    event: str
    expected: str
    expected_rate: str
    total: str
    everywhere: str
    weekdays: tuple[str, ...]
    channels: dict[str, str]
    holidays: dict[str, str]

    def day(self, day: date) -> str:
        """Sat 2026-02-28"""
        return f"{self.weekdays[day.weekday()]} {day}"

    def holiday(self, day: date) -> str | None:
        name = free_day(day)
        return self.holidays[name] if name else None


ENGLISH = Words(
    windows=("Time point", "Target", "Opens", "Closes", "Late until", "Note"),
    reminders=("Day", "Time", "Time point", "Step", "What", "Note"),
    forecast=("Week", "From", "Site", "Calls", "Messages"),
    randomised="Randomised {day}",
    reminded="Reminders, as long as nothing is answered",
    clamped="last day of a short month",
    hours="{day} has {hours} hours",
    free="{day} is {holiday}",
    moved="moved from {day}",
    covered="not sent: a later step is due that day",
    no_day="not sent: the window has no day for it",
    event="Questionnaire to answer",
    expected="{people} participants, as though nobody answered",
    expected_rate="{people} participants, of whom {rate} % of those left answer after each message",
    total="In all",
    everywhere="(any)",
    weekdays=("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    channels={
        "message": "message by the participant's channel",
        "sms": "SMS",
        "email": "e-mail",
        "letter": "letter",
        "task": "call, on the nurse's worklist",
        "digest": "investigator's digest",
    },
    holidays={
        "new_year": "New Year's Day",
        "epiphany": "Epiphany",
        "good_friday": "Good Friday",
        "easter_sunday": "Easter Sunday",
        "easter_monday": "Easter Monday",
        "may_day": "May Day",
        "ascension": "Ascension Day",
        "whit_sunday": "Whit Sunday",
        "national_day": "the National Day",
        "midsummer_day": "Midsummer Day",
        "all_saints": "All Saints' Day",
        "christmas_day": "Christmas Day",
        "boxing_day": "Boxing Day",
        "eve": "an eve on which clinics close",
    },
)
SWEDISH = Words(
    windows=("Mättillfälle", "Måldatum", "Öppnar", "Stänger", "Sent till", "Anmärkning"),
    reminders=("Dag", "Tid", "Mättillfälle", "Steg", "Vad", "Anmärkning"),
    forecast=("Vecka", "Från", "Klinik", "Samtal", "Meddelanden"),
    randomised="Lottad {day}",
    reminded="Påminnelser, så länge inget besvaras",
    clamped="sista dagen i en kort månad",
    hours="{day} har {hours} timmar",
    free="{day} är {holiday}",
    moved="flyttad från {day}",
    covered="skickas inte: ett senare steg infaller den dagen",
    no_day="skickas inte: fönstret har ingen dag för det",
    event="Frågeformulär att besvara",
    expected="{people} deltagare, som om ingen svarade",
    expected_rate="{people} deltagare, där {rate} % av de återstående svarar efter varje meddelande",
    total="Totalt",
    everywhere="(någon)",
    weekdays=("mån", "tis", "ons", "tor", "fre", "lör", "sön"),
    channels={
        "message": "meddelande på deltagarens sätt",
        "sms": "sms",
        "email": "e-post",
        "letter": "brev",
        "task": "samtal, i sköterskans arbetslista",
        "digest": "prövarens sammanställning",
    },
    holidays={
        "new_year": "nyårsdagen",
        "epiphany": "trettondedag jul",
        "good_friday": "långfredagen",
        "easter_sunday": "påskdagen",
        "easter_monday": "annandag påsk",
        "may_day": "första maj",
        "ascension": "Kristi himmelsfärdsdag",
        "whit_sunday": "pingstdagen",
        "national_day": "nationaldagen",
        "midsummer_day": "midsommardagen",
        "all_saints": "alla helgons dag",
        "christmas_day": "juldagen",
        "boxing_day": "annandag jul",
        "eve": "en afton då kliniker har stängt",
    },
)
WORDS = {"en": ENGLISH, "sv": SWEDISH}
