"""Errors as application/problem+json (RFC 9457): the format of every response that is not a success."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from chalice.app import Response
from pydantic import BaseModel, ConfigDict, Field

from chalicelib.errors import FieldError, Rejected, TooMany, Transient
from chalicelib.limits import POINTER_CHARACTERS_MAX, PROBLEM_ERRORS_MAX, RETRY_SECONDS_MIN
from chalicelib.telemetry import ERROR, WARNING, log, request_id
from chalicelib.validation_texts import sentence

PROBLEM_TYPE = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Invalid content",
    428: "Precondition required",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


class ProblemError(BaseModel):
    """One thing that is wrong with a request."""

    pointer: Annotated[
        str,
        Field(
            description="A JSON pointer into the body, or the name of a parameter or header. One of more than "
            f"{POINTER_CHARACTERS_MAX} characters is cut and ends with …"
        ),
    ]
    message: Annotated[str, Field(description="For people: what is wrong with it, as a sentence")]


class Problem(BaseModel):
    """Why a request failed (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not found",
                    "status": 404,
                    "code": "not_found",
                    "detail": "There is no import 019a2b3c-0000-7000-8000-000000000000",
                    "errors": [],
                }
            ]
        }
    )

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: Annotated[str, Field(description="Stable, for programs. Texts may change")]
    detail: Annotated[str, Field(description="For people: what happened, and what to do")]
    errors: Annotated[
        list[ProblemError], Field(description=f"What is wrong with the request: the first {PROBLEM_ERRORS_MAX} errors")
    ]


def problem_of(error: Exception) -> Response:
    """Any exception as a problem. All are logged; the text of an unexpected one is not disclosed."""
    if isinstance(error, Rejected):
        # The code alone: the message may quote what was sent.
        log("request refused", status=error.status, code=error.code)
        refused = problem(error.status, error.code, error.message, error.errors, error.members)
        if isinstance(error, TooMany):
            refused.headers["Retry-After"] = str(error.retry_after_seconds)
        return refused
    if isinstance(error, Transient):
        log("request failed for now", level=WARNING, reason=str(error), measured={"Retries": 1})
        answer = problem(503, "unavailable", "The service is temporarily unavailable. Try again in a few seconds.")
        answer.headers["Retry-After"] = str(RETRY_SECONDS_MIN)
        return answer
    log("request failed unexpectedly", level=ERROR, error=error, measured={"Faults": 1})
    detail = (
        f"Something went wrong on our side, and was logged. If you ask for help, quote the request id {request_id()}."
    )
    return problem(500, "internal_error", detail)


def problem(
    status: int,
    code: str,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    members: Mapping[str, str] | None = None,
) -> Response:
    """A problem as a response. `errors` point at what is wrong with the request; `members` are further members."""
    content = Problem(
        title=TITLES[status],
        status=status,
        code=code,
        detail=detail[:1].upper() + detail[1:],
        errors=[ProblemError(pointer=each.pointer, message=sentence(each.message)) for each in errors],
    )
    body = json.dumps({**content.model_dump(), **(members or {})})
    return Response(body=body, status_code=status, headers={"Content-Type": PROBLEM_TYPE})
