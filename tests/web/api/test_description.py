"""The description says everything that is there: each route, parameter, field and refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.openapi import faults
from tests.web.routes import ROUTES, SCOPES

pytestmark = [
    pytest.mark.usefixtures("database_url"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def test_every_route_is_described_with_the_scope_it_asks_for(app, document):
    served = {
        (rule.rule.replace("<", "{").replace(">", "}"), method, rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    told = {(path, method, f"api.{one['operationId']}") for path, method, one in operations(document)}
    assert told == served
    for _, _, operation in operations(document):
        audience = ROUTES[f"api.{operation['operationId']}"].audience
        scopes = {scope for one in operation["security"] for scope in one["token"]}
        assert scopes == set(audience & SCOPES), operation["operationId"]


def test_every_parameter_field_and_answer_has_words(document):
    assert document["openapi"] == "3.1.0"
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert all(one["description"] for one in operation["responses"].values())
        assert all(one["description"] and one["schema"] for one in operation.get("parameters", ()))
        if operation["security"]:
            assert {"200", "201", "400", "401", "403", "429"} - set(operation["responses"]) in ({"200"}, {"201"})
    for name, schema in document["components"]["schemas"].items():
        assert schema["additionalProperties"] is False, name
        assert schema["description"], name
        for field, about in schema["properties"].items():
            assert about.get("description"), (name, field)


def test_every_reference_leads_somewhere(document):
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                yield from references(one)

    found = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert found == set(document["components"]["schemas"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"study_id": 1}, "/study_id: is no string"),
        ({"mobile": "x"}, "/mobile: is not described"),
        ({"consent_on": "soon"}, "/consent_on: is none of what it may be"),
        ({"status": "lost"}, "/status: is none of"),
        ({}, "/site: is missing"),
    ],
)
def test_the_checker_of_the_tests_finds_what_is_wrong(document, value, said):
    found = list(faults(value, {"$ref": "#/components/schemas/Participant"}, document))
    assert any(one.startswith(said) for one in found), found
