"""What every face of the program stands on, built once: settings, study, instruments, database, clock and keys.

The web face, the worker and the command line all get the same value; nothing of it is global.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from proapp.clock import Clock, shifted_clock, system_clock
from proapp.config import Settings, SettingsError
from proapp.db.migrate import require_head
from proapp.db.session import make_engine, reading_sessions, require_durable, writing, writing_sessions
from proapp.instruments.load import BUILT_IN, load_packs
from proapp.instruments.model import Instrument
from proapp.instruments.problems import DefinitionError, Problem
from proapp.services import versions
from proapp.services.installation import require_kind, require_study
from proapp.services.vault import Vault
from proapp.study import load
from proapp.study.follow_up_checks import telling
from proapp.study.model import Study

SHIPPED_STUDY = Path(__file__).with_name("study") / "breclim2.toml"


@dataclass(frozen=True)
class Runtime:
    settings: Settings
    study: Study
    instruments: Mapping[str, Instrument]
    engine: Engine
    clock: Clock
    vault: Vault

    @cached_property
    def writing_engine(self) -> Engine:
        return writing(self.engine)

    @cached_property
    def reading(self) -> sessionmaker[Session]:
        return reading_sessions(self.engine)

    @cached_property
    def writing(self) -> sessionmaker[Session]:
        return writing_sessions(self.engine)

    def close(self) -> None:
        self.engine.dispose()


def refreshed(runtime: Runtime) -> Runtime:
    """The same runtime with every version of the study that is in force by now; itself if nothing is new.

    A value is replaced, not changed: who works on with the old one finishes what was begun by it.
    """
    with runtime.reading() as session:
        study = versions.current(session, runtime.study)
    if study is runtime.study:
        return runtime
    instruments = runtime.instruments
    if not set(study.instruments) <= set(instruments):  # packs that were put there for the new version
        instruments = _packs(runtime.settings)
    return replace(runtime, study=study, instruments=instruments)


def _packs(settings: Settings) -> Mapping[str, Instrument]:
    return load_packs(BUILT_IN, *([settings.packs_dir] if settings.packs_dir else []))


def load_definitions(settings: Settings) -> tuple[Study, Mapping[str, Instrument]]:
    """The study and its packs. Raises DefinitionError with every problem of both."""
    return load.load_definitions(settings.study_file or SHIPPED_STUDY, settings.packs_dir)


def _require_served(study: Study, settings: Settings) -> None:
    """A demonstration's study file is not served to real participants: else the licence rule, which a demonstration is
    spared, could be walked around without anybody noticing."""
    if study.demo and not settings.demo:
        sentence = (
            "this study file is marked as a demonstration and is not served to real participants; name the "
            "protocol's own with PROAPP_STUDY (docs/study-file.md), or set PROAPP_DEMO=1 for a database without any"
        )
        raise DefinitionError([Problem((settings.study_file or SHIPPED_STUDY).name, "demo", sentence)])


def _require_discreet(settings: Settings, study: Study, instruments: Mapping[str, Instrument]) -> None:
    """Who a message is from, and the address in it, stand on a locked telephone like its words: the same is asked of
    them. Only the study says what must not be named, so this waits until it is read."""
    shown = {
        "PROAPP_EMAIL_FROM": settings.gateways.email_from,
        "PROAPP_SMS_FROM": settings.gateways.sms_from,
        "PROAPP_BASE_URL": settings.base_url.partition("://")[2],
    }
    problems = [
        f"{name} {sentence}." for name, value in shown.items() for sentence in telling(value, study, instruments)
    ]
    if problems:
        raise SettingsError(problems)


def build_runtime(
    settings: Settings,
    *,
    clock: Clock | None = None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    check_database: bool = True,
    serving: bool = False,
) -> Runtime:
    """Everything ready, or an error that says what to mend. `serving`: patients and staff will meet it.

    Raises DefinitionError (study or packs faulty), SettingsError (a sender or an address gives the trial away),
    UnsafeDatabase (not durable, not at the head of the migrations, or
    demonstration and real data about to mix).
    """
    study, instruments = load_definitions(settings)
    _require_discreet(settings, study, instruments)
    if serving:
        _require_served(study, settings)
    engine = make_engine(settings.database_url)
    if check_database:
        _check(engine, settings, study if serving and not settings.demo else None)
    runtime = Runtime(
        settings=settings,
        study=study,
        instruments=instruments,
        engine=engine,
        clock=clock or _clock(settings, ZoneInfo(study.time_zone)),
        vault=Vault(settings.secret_key, settings.contact_keys, random_bytes),
    )
    return refreshed(runtime) if check_database else runtime


def _check(engine: Engine, settings: Settings, served: Study | None) -> None:
    try:
        require_durable(engine)
        require_head(engine)
        with reading_sessions(engine)() as session:
            require_kind(session, demo=settings.demo)
            if served is not None:
                require_study(session, served)
    except BaseException:
        engine.dispose()
        raise


def _clock(settings: Settings, zone: ZoneInfo) -> Clock:
    return shifted_clock(settings.today, zone) if settings.today else system_clock
