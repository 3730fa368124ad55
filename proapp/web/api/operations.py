"""How a view of the API is declared: what it asks for, what it answers, and which refusals it knows.

From the same declaration the query and the body are read, the use of the token is counted, and the description is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response, request
from pydantic import ValidationError

from proapp.services import api_tokens
from proapp.services.api_writes import Told
from proapp.services.errors import NotFound
from proapp.web.api.shapes import Nothing, Shape
from proapp.web.guard import machine
from proapp.web.problems import Problem
from proapp.web.transactions import runtime, today

View = Callable[..., Any]
Asked = TypeVar("Asked", bound=Shape)


@dataclass(frozen=True, slots=True)
class Operation:
    """`query`, `body` and `headers` (name, what it is for) are what a request may carry; `refusals` are the statuses
    it may end with, beside those that every request may."""

    summary: str
    answer: type[Shape]
    status: int
    refusals: tuple[int, ...]
    query: type[Shape] = Nothing
    body: type[Shape] | None = None
    headers: tuple[tuple[str, str], ...] = ()


KEY = (
    "Idempotency-Key",
    "Of your own making, another one for each request: sent again, the request is done once and answered alike. "
    "Without it the same is known by what the request says.",
)
OPERATIONS: dict[str, Operation] = {}  # by endpoint


@dataclass(frozen=True, slots=True)
class Read:
    """What a view that reads found; `participants` is of how many persons something is told."""

    answer: Shape
    participants: int = 0


def reading(
    summary: str, answer: type[Shape], *, query: type[Shape] = Nothing, refusals: tuple[int, ...] = ()
) -> Callable[[View], View]:
    """Declare a view that reads. It gets the query and returns Read; what is told is counted before it is sent."""

    def declare(view: View) -> View:
        @wraps(view)
        def run(**values: Any) -> Response:
            if any("\0" in value for value in values.values()):
                raise NotFound  # no database takes that sign
            found: Read = view(asked(query), **values)
            _count(run, found.participants)
            return said(found.answer)

        OPERATIONS[f"api.{view.__name__}"] = Operation(summary, answer, 200, (400, *refusals), query)
        return run

    return declare


def writing(
    summary: str, answer: type[Shape], *, body: type[Shape], refusals: tuple[int, ...] = ()
) -> Callable[[View], View]:
    """Declare a view that writes. It gets the body and returns Told; what was done before is answered as then."""

    def declare(view: View) -> View:
        @wraps(view)
        def run() -> Response:
            asked(Nothing)
            told: Told = view(checked(body, _json(), 422, "body"))
            response = said(answer.model_validate(told.answer), 201)
            if told.again:
                response.headers["Idempotent-Replayed"] = "true"
            return response

        OPERATIONS[f"api.{view.__name__}"] = Operation(
            summary, answer, 201, (400, 413, 415, 422, *refusals), body=body, headers=(KEY,)
        )
        return run

    return declare


def _json() -> dict[str, Any]:
    if not request.is_json:
        raise Problem(415, "not_json", "Send the body as application/json.")
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise Problem(400, "body", "The body must be one JSON object.")
    return given


def asked(query: type[Asked]) -> Asked:
    """The query as it was declared. Raises Problem."""
    if any(len(values) > 1 for _, values in request.args.lists()):
        raise Problem(400, "query", "Send each parameter once.")
    return checked(query, request.args.to_dict(), 400, "query")


def checked(shape: type[Asked], given: Any, status: int, code: str) -> Asked:
    """`given` as this shape. Raises Problem, which names fields of ours and nothing of what was sent."""
    try:
        return shape.model_validate(given)
    except ValidationError as error:
        faults = [_fault(shape, one) for one in error.errors(include_url=False, include_input=False)]
        detail = "What was sent is not as described in /api/v1/openapi.json; faults names what to mend."
        raise Problem(status, code, detail, faults) from None


def _fault(shape: type[Shape], error: Any) -> dict[str, str]:
    name = str(error["loc"][0]) if error["loc"] else ""
    if name in shape.model_fields:
        return {"where": name, "what": error["msg"]}
    known = ", ".join(shape.model_fields) or "none"
    return {"where": "", "what": f"There is a name that is not known here; known are: {known}."}


def said(answer: Shape, status: int = 200) -> Response:
    return Response(answer.model_dump_json(exclude_unset=True), status, mimetype="application/json")


def _count(view: Any, participants: int) -> None:
    """In a transaction of its own: what cannot be counted is not told either."""
    [scope] = cast("frozenset[str]", view.audience)
    with runtime().writing.begin() as own:
        api_tokens.note_use(own, machine(), scope=scope, participants=participants, day=today())
