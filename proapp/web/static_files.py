"""Style sheets, scripts and icons: read once, compressed once, addressed by content.

The address carries a hash of the content, so a browser keeps a file for a year and never shows a stale one.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, request

from proapp.web.guard import audience

# One style sheet per face: one request, and only one thing that a first paint waits for.
BUNDLES = {
    "patient.css": ("css/base.css", "css/patient.css", "css/look.css"),
    "staff.css": ("css/base.css", "css/staff.css"),
    # In this order: each builds on those before it.
    "patient.js": tuple(
        f"js/patient/{name}.js" for name in ("forms", "store", "line", "questionnaire", "timeout", "offline")
    ),
}
# What stays as it is (texts, patterns), else a comment, or the air around signs; not around + and -, where it matters.
_SCRIPT = re.compile(
    rb"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`"""
    rb"""|(?:(?<=[(,=:!])|(?<=[(,=:!][ ]))/(?![/*])(?:[^/\\\n\[]|\\.|\[[^\]]*\])+/)"""
    rb"""|//[^\n]*|\s*([;{,(\[])\s*|\s*([}\])])|[ ]*([:?=<>*&|!]+)[ ]*"""
)
PACKAGE = Path(__file__).resolve().parents[1]


class MissingFolder(Exception):
    """static/ or translations/ is neither inside the installed package nor beside it."""


def beside(name: str) -> Path:
    """The folder `name`, inside the package when installed, next to it in a checkout."""
    for folder in (PACKAGE / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise MissingFolder(f"the folder {name}/ is missing: reinstall proapp")


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    compressed: bytes
    media_type: str
    version: str


def _read(folder: Path) -> dict[str, File]:
    contents = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    for bundle, parts in BUNDLES.items():
        contents[bundle] = b"\n".join(
            contents.pop(part) if part != "css/base.css" else contents[part] for part in parts
        )
    return {name: _file(name, content) for name, content in contents.items()}


def _lean(name: str, content: bytes) -> bytes:
    """Without the comments and the air, which are for those who read the source: a quarter less to travel."""
    if name.endswith(".css"):
        content = re.sub(rb"/\*.*?\*/", b"", content, flags=re.DOTALL)
        content = re.sub(rb"\s*([{};,>])\s*", rb"\1", content)
        content = re.sub(rb":[ ]+", b":", content).replace(b";}", b"}")
    elif name.endswith(".js"):
        content = _SCRIPT.sub(lambda found: b"".join(filter(None, found.groups())), content)
    else:
        return content
    return re.sub(rb"\n\s*", b"\n", content).strip() + b"\n"


def _file(name: str, content: bytes) -> File:
    content = _lean(name, content)
    media_type = {".js": "text/javascript", ".css": "text/css"}.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
    version = hashlib.sha256(content).hexdigest()[:10]
    return File(
        content, gzip.compress(content, compresslevel=9, mtime=0), media_type or "application/octet-stream", version
    )


def init_app(app: Flask) -> None:
    files = _read(beside("static"))

    @audience("anyone")
    def static(version: str, filename: str) -> Response:
        file = files.get(filename)
        if file is None:
            abort(404)
        response = Response(mimetype=file.media_type)
        if "gzip" in request.accept_encodings and len(file.compressed) < len(file.content):
            response.set_data(file.compressed)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response.set_data(file.content)
        response.headers["Vary"] = "Accept-Encoding"
        # An old address (a page from before an upgrade) still answers, but is not kept.
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if version == file.version else "no-cache"
        )
        return response

    def static_url(filename: str) -> str:
        """Put together here: every page has several, and all are known from the start."""
        return f"{request.script_root}/static/{files[filename].version}/{filename}"

    app.extensions["proapp.static"] = files
    app.add_url_rule("/static/<version>/<path:filename>", "static", static)
    app.jinja_env.globals["static_url"] = static_url
