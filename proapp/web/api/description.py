"""The API described by itself (OpenAPI 3.1), from what the views declare: it cannot say anything else than they do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, current_app
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from werkzeug.routing import Rule

from proapp.gateways.webhook import HEADER as SIGNATURE
from proapp.web.api import blueprint
from proapp.web.api.operations import OPERATIONS, Operation
from proapp.web.api.shapes import Closed, Problem, Shape
from proapp.web.guard import audience
from proapp.web.problems import MEDIA_TYPE, TITLES

REF = "#/components/schemas/{model}"
SIGNED = (
    "t=<seconds since 1970>,v1=<HMAC-SHA256 with the shared secret over t, a full stop and the body, in hexadecimal>"
)
MADE = "proapp.openapi"
OF_ALL = (401, 403, 429, 500, 503)
PATHS = {"study_id": "The participant's number in the study."}
ABOUT = (
    "States, dates and counts of a trial: never an answer, a contact or a note. A token is made by an administrator; "
    "its scopes say what it opens. Within v1 fields are added, and none is taken away or changes its meaning."
)


@blueprint.get("/openapi.json")
@audience("anyone")
def description() -> Response:
    if MADE not in current_app.extensions:
        current_app.extensions[MADE] = json.dumps(_document())
    return Response(current_app.extensions[MADE], mimetype="application/json")


def _document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: rule.rule):
        operation = OPERATIONS.get(rule.endpoint)
        if operation is not None:
            address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            paths.setdefault(address, {})[_method(rule)] = _described(rule, operation)
    paths[f"{blueprint.url_prefix}/openapi.json"] = {"get": _itself()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "proapp", "version": "1", "description": ABOUT},
        "paths": paths,
        "webhooks": {"assessment.closed": {"post": _webhook()}},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "docs/api.md"}},
        },
    }


def _method(rule: Rule) -> str:
    return "post" if "POST" in (rule.methods or ()) else "get"


def _described(rule: Rule, operation: Operation) -> dict[str, Any]:
    view: Any = current_app.view_functions[rule.endpoint]
    about: dict[str, Any] = {
        "operationId": rule.endpoint.removeprefix("api."),
        "summary": operation.summary,
        "security": [{"token": sorted(view.audience)}],
        "parameters": [*_in_path(rule), *_in_query(operation.query), *_in_header(operation)],
        "responses": {
            str(operation.status): _response(operation.summary, "application/json", operation.answer),
            **{
                str(status): _response(TITLES[status], MEDIA_TYPE, Problem)
                for status in sorted({*OF_ALL, *operation.refusals})
            },
        },
    }
    if operation.body is not None:
        about["requestBody"] = {"required": True, "content": _content("application/json", operation.body)}
    return about


def _itself() -> dict[str, Any]:
    said = {"description": "This description.", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {"operationId": "description", "summary": "This description", "security": [], "responses": {"200": said}}


def _webhook() -> dict[str, Any]:
    return {
        "operationId": "assessment_closed",
        "summary": "An assessment is closed: it was sent, or its window is over",
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": said, "schema": {"type": "string"}}
            for name, said in ((SIGNATURE, SIGNED), ("Idempotency-Key", "The id of the event."))
        ],
        "requestBody": {"required": True, "content": _content("application/json", Closed)},
        "responses": {"2XX": {"description": "It is taken. Anything else, and no answer in time, is tried again."}},
    }


def _response(said: str, media_type: str, shape: type[Shape]) -> dict[str, Any]:
    return {"description": said, "content": _content(media_type, shape)}


def _content(media_type: str, shape: type[Shape]) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": REF.format(model=shape.__name__)}}}


def _in_path(rule: Rule) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        yield {"name": name, "in": "path", "required": True, "description": PATHS[name], "schema": {"type": "string"}}


def _in_query(query: type[Shape]) -> Iterator[dict[str, Any]]:
    for name, schema in query.model_json_schema().get("properties", {}).items():
        said = {key: value for key, value in schema.items() if key not in {"description", "anyOf", "default"}}
        for kind in schema.get("anyOf", ()):
            said |= {} if kind == {"type": "null"} else {**kind}
        said.pop("description", None)
        if schema.get("default") is not None:
            said["default"] = schema["default"]
        yield {"name": name, "in": "query", "description": schema["description"], "schema": said}


def _in_header(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, said in operation.headers:
        yield {"name": name, "in": "header", "description": said, "schema": {"type": "string"}}


def _schemas() -> Mapping[str, Any]:
    shapes: dict[type[Shape], JsonSchemaMode] = {Problem: "serialization", Closed: "serialization"}
    for operation in OPERATIONS.values():
        shapes[operation.answer] = "serialization"
        if operation.body is not None:
            shapes[operation.body] = "validation"
    _, made = models_json_schema(list(shapes.items()), ref_template=REF)
    found: Mapping[str, Any] = made["$defs"]
    return found
