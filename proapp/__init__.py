"""proapp: electronic patient-reported outcomes for clinical trials, self-hosted."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from proapp.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from proapp.config import Settings
    from proapp.runtime import Runtime

__all__ = ["__version__", "create_app"]


def create_app(settings: Settings | None = None, *, runtime: Runtime | None = None) -> Flask:
    """The web face. Settings come from the environment unless given; a ready runtime may be handed in.

    Raises SettingsError, DefinitionError or UnsafeDatabase: it does not start on a faulty file or an unsafe database.
    """
    # Imported here so that `proapp score` and `proapp schedule` work on files without loading Flask or SQLAlchemy.
    from proapp.config import read_settings
    from proapp.logs import configure
    from proapp.runtime import build_runtime
    from proapp.web.app import make_app

    if runtime is not None:
        return make_app(runtime)
    settings = settings or read_settings(os.environ)
    configure(settings.log_level)
    runtime = build_runtime(settings, serving=True)
    app = make_app(runtime)
    runtime.close()  # what was opened to look at the database must not be carried over a fork
    _settle()
    return app


def _settle() -> None:
    """What has been built stays as long as the process. Searching it for garbage again and again takes a tenth of a
    second each time, in the middle of somebody's answer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)  # a request makes and drops some thousand objects, hardly any in a circle
