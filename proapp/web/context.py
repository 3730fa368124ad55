"""What every template may use: study, demonstration band, dates in the reader's language."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from flask_babel import format_date

from proapp.runtime import Runtime
from proapp.web.guard import find_patient, find_staff
from proapp.web.i18n import LANGUAGES, language, sentences
from proapp.web.transactions import runtime, today
from proapp.web.way_back import here


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(_always(app.extensions["proapp"]))
    app.context_processor(_in_language)
    app.add_template_filter(day, "day")
    app.add_template_filter(day_with_weekday, "weekday")
    app.add_template_filter(moment, "moment")
    app.add_template_filter(iso_local, "iso_local")
    app.add_template_filter(in_language, "in_language")


def _always(runtime: Runtime) -> dict[str, Any]:
    return {
        "study": runtime.study,
        "settings_demo": runtime.settings.demo,
        "today_is": today,
        "languages": LANGUAGES,
        "find_patient": find_patient,
        "find_staff": find_staff,
        "here": here,
    }


def _in_language() -> dict[str, Any]:
    words = sentences()
    return {"_": words.say, "language": words.code}


def day(value: date | None) -> str:
    """14 March 2027."""
    return format_date(value, "d MMMM y") if value else ""


def day_with_weekday(value: date | None) -> str:
    """Sunday 14 March 2027."""
    return format_date(value, "EEEE d MMMM y") if value else ""


def _local(value: datetime) -> datetime:
    return value.astimezone(ZoneInfo(runtime().study.time_zone))


def moment(value: datetime | None) -> str:
    """14 March 2027 14:05, in the study's time zone."""
    return f"{format_date(_local(value).date(), 'd MMMM y')} {_local(value):%H:%M}" if value else ""


def iso_local(value: datetime | None) -> str:
    """2027-03-14 14:05, for dense staff tables."""
    return f"{_local(value):%Y-%m-%d %H:%M}" if value else ""


def in_language(labels: Any) -> str:
    """The label of a study-file text in the page's language, else in its first language."""
    return labels.get(language()) or next(iter(labels.values()))
