"""Where what stands on any page, the language switch and the like, leads back to."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import current_app, request, url_for


def safe_next(address: str) -> str:
    """`address` when it is a path on this very site, else the front door."""
    plain = address.isascii() and address.isprintable() and "\\" not in address and " " not in address
    if not plain or not address.startswith("/") or address.startswith("//") or len(address) > 500:
        return url_for("public.start")
    parts = urlsplit(address)
    return address if not parts.scheme and not parts.netloc else url_for("public.start")


def here() -> str:
    """The address of this page. Of one that answers a form: the same without the form, or, where that is no page
    (…/account/password), the nearest page above it."""
    path = request.path
    if request.method not in {"GET", "HEAD"}:
        adapter = current_app.url_map.bind_to_environ(request.environ)
        while path.strip("/") and not adapter.test(path, method="GET"):
            path = path.rpartition("/")[0]
    if path == request.path and request.query_string:
        return request.full_path
    return path or url_for("public.start")
