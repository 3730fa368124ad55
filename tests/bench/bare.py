"""BARE: the least a Flask app can do to save answers durably. The yardstick, not an example.

One SELECT and a 2 KB page for a GET; for a POST a signed session, a CSRF check and one transaction with an upsert on
SQLite in WAL with synchronous=FULL. Run with: gunicorn tests.bench.bare:app (BARE_DATABASE names the file).
"""

from __future__ import annotations

import os

from flask import Flask, redirect, render_template, request, session
from flask_wtf import CSRFProtect
from sqlalchemy import create_engine, event, text

app = Flask(__name__)
app.config.update(SECRET_KEY="bare-yardstick-not-a-secret", WTF_CSRF_SSL_STRICT=False)
CSRFProtect(app)
engine = create_engine(f"sqlite:///{os.environ.get('BARE_DATABASE', '/nonexistent')}")
writing = engine.execution_options(writes=True)  # made once, like the statements: BARE may waste nothing
SELECT = text("SELECT value FROM answer WHERE person = :person AND item = :item")
UPSERT = text(
    "INSERT INTO answer VALUES (:person, :item, :value) ON CONFLICT (person, item) DO UPDATE SET value = excluded.value"
)
ITEMS = 74
OPTIONS = ("Not at all", "Hardly", "Rather", "Greatly")

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Question {{ item }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main>
<p>Question {{ item }} of {{ items }}</p><form method="post"><input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
<fieldset><legend><h1>During the past week, has this been so for you, question number {{ item }}?</h1></legend>
{% for label in options %}<p><label><input type="radio" name="answer" value="{{ loop.index }}"
{% if saved == loop.index %}checked{% endif %}> {{ label }}</label></p>{% endfor %}</fieldset>
<button name="action" value="continue">Continue</button><button name="action" value="skip">Skip</button></form>
<footer>{{ filler }}</footer></main></body></html>"""
TEMPLATE = app.jinja_env.from_string(PAGE)  # compiled once, as a template file would be
FILLER = "Your answers are not read while you write them. Call the clinic if you feel worse. " * 12


@event.listens_for(engine, "connect")
def _prepare(connection, _record):
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


@event.listens_for(engine, "begin")
def _begin(connection):
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def prepare() -> None:
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE answer (person INTEGER, item INTEGER, value INTEGER, PRIMARY KEY (person, item))")
        )
        connection.execute(text("CREATE TABLE submission (person INTEGER PRIMARY KEY, at TEXT)"))


@app.get("/sign-in/<int:person>")
def sign_in(person: int):
    session["person"] = person
    return question(1)


@app.get("/<int:item>")
def question(item: int):
    with engine.connect() as connection:
        saved = connection.execute(SELECT, {"person": session["person"], "item": item}).scalar()
    return render_template(TEMPLATE, item=item, items=ITEMS, options=OPTIONS, saved=saved, filler=FILLER)


@app.post("/<int:item>")
def save(item: int):
    with writing.begin() as connection:
        connection.execute(UPSERT, {"person": session["person"], "item": item, "value": int(request.form["answer"])})
    return redirect(f"/{item + 1}" if item < ITEMS else "/submit", code=303)


@app.get("/submit")
def review():
    with engine.connect() as connection:
        given = connection.execute(
            text("SELECT item, value FROM answer WHERE person = :person"), {"person": session["person"]}
        ).all()
    return render_template(TEMPLATE, item=len(given), items=ITEMS, options=OPTIONS, saved=None, filler=FILLER)


@app.post("/submit")
def submit():
    with writing.begin() as connection:
        connection.execute(
            text("INSERT INTO submission VALUES (:person, datetime('now'))"), {"person": session["person"]}
        )
        given = connection.execute(
            text("SELECT value FROM answer WHERE person = :person"), {"person": session["person"]}
        ).scalars()
        mean = sum(given) / ITEMS
    return {"mean": mean}
