"""Every answer that a test of this folder gets is held against the description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Response, request

import proapp
from proapp.web.problems import MEDIA_TYPE
from tests.openapi import faults

_read: list[Any] = []  # the same for all apps


@pytest.fixture
def document(runtime: Any) -> Any:
    """Read from an app of its own: the test's may still be added to, as long as nobody has asked it anything."""
    if not _read:
        client = proapp.create_app(runtime=runtime).test_client()
        _read.append(client.get("/api/v1/openapi.json", base_url="https://localhost").get_json())
    return _read[0]


@pytest.fixture(autouse=True)
def as_described(app: Any, document: Any) -> Iterator[None]:
    wrong: list[Any] = []

    @app.after_request
    def hold(response: Response) -> Response:
        if request.endpoint and request.endpoint.startswith("api."):
            address = request.url_rule.rule.replace("<", "{").replace(">", "}")
            wrong.extend(_wrong(document, document["paths"][address][request.method.lower()], response))
        return response

    yield
    assert wrong == []


def _wrong(document: Any, operation: Any, response: Response) -> Iterator[Any]:
    described = operation["responses"].get(str(response.status_code))
    if described is None or response.mimetype not in described["content"]:
        yield operation["operationId"], response.status_code, response.mimetype
        return
    assert (response.mimetype == MEDIA_TYPE) is (response.status_code >= 400)
    for fault in faults(response.get_json(), described["content"][response.mimetype]["schema"], document):
        yield operation["operationId"], response.status_code, fault
