"""Log lines: one JSON object a line, with a request id, and never a person in it.

What must not be written (answers, contacts, codes, tokens, passwords, PINs, cookies) is taken out by the name of the
field and by the look of the value, also from the lines of libraries, so that a careless call cannot leak. Exceptions
are reduced to type and place: their messages may quote what somebody typed. JSON escapes line breaks, so nothing typed
can forge a line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from proapp.clock import system_clock

REMOVED = "[removed]"
REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
_DENIED = """
    address answer answers authorization birth body code codes contact contacts cookie cookies credential data email
    form given headers invitation ip item items key mail mobile name note password path personnummer phone pin query
    raw reason secret text to token totp typed url agent value values wording
"""
DENIED = frozenset(_DENIED.split())
# A denied word is only a number of something here, or a name of ours, in these fields.
ALLOWED = frozenset({"error_code", "reason_code"})
_LOOKS_PRIVATE = re.compile(
    r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+"  # an e-mail address
    r"|\+[0-9][0-9 ()-]{6,}[0-9]"  # a telephone number
    r"|\b[0-9]{6,8}[-+ ]?[0-9]{4}\b"  # a Swedish personal identity number
    r"|\b[A-HJKMNP-Z2-9]{4}[- ]?[A-HJKMNP-Z2-9]{4}[- ]?[A-HJKMNP-Z2-9]{4}\b"  # a personal code
    r"|\b[A-HJKMNP-Z2-9]{26}\b"  # the token of a personal link
    r"|\b[A-Za-z0-9_-]{43}\b"  # a token
    r"|(?<=[?#])\S+"  # whatever follows an address
)


@contextmanager
def only_warnings() -> Iterator[None]:
    """A command that tells in its own words what it does needs no lines about the same."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(**before)


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send our log lines and those of libraries to `stream` (standard error). Safe to call again."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        _Lines(
            foreign_pre_chain=[*_common()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                remove_private,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if getattr(one, "ours", False)]:
        root.removeHandler(old)
    handler.ours = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(level)
    # One line per request is written by us, without the path.
    logging.getLogger("werkzeug").setLevel("WARNING")
    logging.getLogger("sqlalchemy.engine").setLevel("WARNING")
    logging.getLogger("apscheduler").setLevel("WARNING")
    logging.getLogger("urllib3").setLevel("WARNING")  # it writes addresses, which at some gateways hold a key
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Lines(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        line: str | None = getattr(record, "line", None)
        return super().format(record) if line is None else line


def say_finished(logger: logging.Logger, event: str, **fields: str | int | float) -> None:
    """A line about every request, at a tenth of the cost: neither searched for private things nor joined by context.

    Only for fields whose every possible value is our own word or number.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    time = system_clock().isoformat(timespec="milliseconds")
    line = _encode({"event": event, **fields, "logger": logger.name, "level": "info", "time": time})
    record = logging.LogRecord(logger.name, logging.INFO, __file__, 0, event, (), None)
    record.line = line
    logger.handle(record)


_encode = json.JSONEncoder().encode  # made once


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        _request,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _time,
        _place_of_exception,
    ]


def _request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


def _time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["time"] = system_clock().isoformat(timespec="milliseconds")
    return event


def _place_of_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Type and place of an exception instead of its message and the values in its frames."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = places(error.__traceback__)
    return event


def places(step: TracebackType | None) -> list[str]:
    """file:line of the last frames, innermost last."""
    found = []
    while step is not None:
        found.append(f"{step.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{step.tb_lineno}")
        step = step.tb_next
    return found[-6:]


def remove_private(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take out fields by name, and private-looking pieces out of the rest."""
    return {name: REMOVED if _is_denied(name) else _clean(value) for name, value in event.items()}


@lru_cache(maxsize=1024)  # the same few names on every line
def _is_denied(name: object) -> bool:
    words = str(name).lower()
    return words not in ALLOWED and not DENIED.isdisjoint(re.split(r"[^a-z]+", words))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _LOOKS_PRIVATE.sub(REMOVED, value)
    if isinstance(value, int | float | bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): REMOVED if _is_denied(name) else _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    return _LOOKS_PRIVATE.sub(REMOVED, str(value))
