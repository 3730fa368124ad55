# Everything a person or a machine does with this checkout. Only make, git and Python 3.11 or newer must be there.
#   PYTHON=/path/to/python3.12   the Python that .venv is made with
#   PORT=8765                    where the demonstration listens (8000)
#   TODAY=2027-03-29             the day the demonstration shows
#   TESTS="-k worklist"          more words for pytest
.DEFAULT_GOAL := help
.PHONY: help setup demo test check run e2e looks lock bench

PYTHON ?= python3
PORT ?= 8000
V := .venv/bin/python
PIP := $(V) -m pip --disable-pip-version-check --no-input
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard translations/*/LC_MESSAGES/messages.po))
LOCK := $(V) -m piptools compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-strip-extras --allow-unsafe --no-header $(if $(UPGRADE),--upgrade)

help: ## list these
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed $(CATALOGUES) ## .venv, hash-locked requirements, catalogues

demo: setup ## an invented BreCLIM-2 at http://127.0.0.1:8000 (PORT=8765, TODAY=2027-03-29)
	@exec $(V) -m proapp demo --port $(PORT) $(if $(TODAY),--today $(TODAY))

test: setup .venv/.installed-dev ## every test, on SQLite and PostgreSQL and in a browser
	@.ci/test $(TESTS)

check: setup .venv/.installed-dev ## style, types, import rules, catalogues
	$(V) -m ruff check
	$(V) -m ruff format --check
	$(V) -m mypy
	.venv/bin/lint-imports
	$(V) -m pytest -q tests/i18n

run: setup ## the web face, with the settings of the environment (docs/settings.md)
	@exec $(V) -m proapp run

e2e: setup .venv/.installed-dev ## the browser tests alone
	@.ci/browser
	PICTURES=test-artefacts/pictures $(V) -m pytest tests/e2e $(TESTS)

looks: setup .venv/.installed-dev ## accept the pages as they look now (tests/looks/)
	@.ci/browser
	$(V) -m tests.gallery

lock: .venv/.installed-dev ## pin the dependencies anew, with hashes (UPGRADE=1 takes newer versions)
	$(LOCK) --extra build --output-file requirements.txt pyproject.toml
	$(LOCK) --extra build --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml

bench: setup .venv/.installed-dev ## speed, side by side with the bare reference (asserts nothing)
	$(V) -m tests.bench

# A stamp is written when its step is done, so an interrupted step is done again and a finished one costs nothing.
.venv/.made: .ci/venv
	@.ci/venv "$(PYTHON)"
	@touch $@

.venv/.installed: requirements.txt pyproject.toml .venv/.made
	@echo "Installing the requirements (a minute, once)"
	@$(PIP) install --quiet --require-hashes -r requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "Installing what the tests need (a minute, once)"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

translations/%.mo: translations/%.po .venv/.installed
	@$(V) -m babel.messages.frontend --quiet compile --input-file $< --output-file $@
	@touch $@
