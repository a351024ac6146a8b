"""What every HTTP resource shares: scopes, strict bodies, and the one place where errors become problem+json.

Chalice runs middleware only for requests that reach a view without raising, so errors are translated around each view.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from chalice.app import Blueprint, Chalice, Request, Response
from pydantic import BaseModel, ValidationError

from chalicelib.errors import FieldError, Forbidden, Invalid, Rejected, Transient
from chalicelib.limits import BODY_BYTES_MAX, RETRY_SECONDS_MIN, VALUE_CHARACTERS_SHOWN_MAX
from functions.api.etags import is_known

PREFIX = "/api"
"""Where the API Gateway stage, and the local server, mount the routes."""
JSON_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"
AUTHORIZER = "authorize"
"""The name of the authorizer in app.py."""

logger = logging.getLogger(__name__)
View = Callable[..., Response]
Headers = dict[str, str | list[str]]
Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class _Endpoint:
    method: str
    path: str
    scope: str | None
    view: View


class Resource(Blueprint):
    """A blueprint whose routes need a scope and answer every error as a problem."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self._endpoints: list[_Endpoint] = []

    def endpoint(self, method: str, path: str, *, scope: str | None) -> Callable[[View], View]:
        """Registers a view. `scope` is what the token must hold; None leaves the route open to everyone."""

        def register(view: View) -> View:
            @wraps(view)
            def answered(*args: Any, **kwargs: Any) -> Response:
                try:
                    if scope is not None:
                        self._require(scope)
                    return view(*args, **kwargs)
                except Exception as error:  # noqa: BLE001  # this is the place where errors end
                    return problem_of(error)

            self._endpoints.append(_Endpoint(method, path, scope, answered))
            return view

        return register

    def register(self, app: Chalice, options: dict[str, Any]) -> None:
        """Called by app.register_blueprint: routes that need a scope get the authorizer of the app."""
        for each in self._endpoints:
            authorizer = app.handler_map[AUTHORIZER] if each.scope is not None else None
            # Media types are checked by `body`: Chalice would let a request without a Content-Type pass.
            self.route(each.path, methods=[each.method], authorizer=authorizer, content_types=[])(each.view)
        super().register(app, options)

    @property
    def request(self) -> Request:
        """The request being answered."""
        return self.current_request

    def query(self, name: str) -> str | None:
        """One query parameter. Raises Invalid when it stands there twice."""
        given = self.request.query_params
        values = given.getlist(name) if given is not None and name in given else []
        if len(values) > 1:
            raise Invalid(
                f"the parameter {name} is given {len(values)} times", errors=(FieldError(name, "give it once"),)
            )
        return str(values[0]) if values else None

    def refuse_other_parameters(self, known: Collection[str]) -> None:
        """Raises Invalid for a query parameter that is not known: a misspelt filter must not pass for no filter."""
        unknown = sorted(set(self.request.query_params or ()) - set(known))
        if unknown:
            message = f"there is no such parameter; there are {', '.join(known)}"
            raise Invalid(
                f"the parameter {unknown[0][:VALUE_CHARACTERS_SHOWN_MAX]} is not known",
                errors=tuple(FieldError(name[:VALUE_CHARACTERS_SHOWN_MAX], message) for name in unknown),
            )

    def body(self, model: type[Body]) -> Body:
        """The JSON body, validated. Raises Invalid with a pointer to each field, Rejected for another media type."""
        media_type = self.request.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type != JSON_TYPE:
            raise _UnsupportedMediaType(f"send the body as {JSON_TYPE}, not {media_type or 'without a Content-Type'}")
        raw = self.request.raw_body
        if len(raw) > BODY_BYTES_MAX:
            raise _TooLarge(f"the body has more than {BODY_BYTES_MAX} bytes")
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            raise Invalid("the body is not valid", errors=_field_errors(error)) from None

    def _require(self, scope: str) -> None:
        scopes = self.request.context.get("authorizer", {}).get("scopes", "").split()
        if scope not in scopes:
            raise Forbidden(f"this needs a token with the scope {scope}")


class _UnsupportedMediaType(Rejected):
    """The body is not JSON."""

    status = 415
    code = "unsupported_media_type"


class _TooLarge(Rejected):
    """The body is too large."""

    status = 413
    code = "body_too_large"


def resource_response(
    content: dict[str, Any],
    request: Request,
    *,
    status: int = 200,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One resource as JSON with an ETag, by default of all that it says; 304 when a reader has it already."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    if etag is None:
        etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    all_headers: Headers = {"ETag": etag, "Cache-Control": "private, no-cache", **(headers or {})}
    if request.method == "GET" and is_known(etag, request.headers.get("if-none-match")):
        return Response(body="", status_code=304, headers=all_headers)
    return Response(body=text, status_code=status, headers={"Content-Type": JSON_TYPE, **all_headers})


def problem_of(error: Exception) -> Response:
    """Any exception as application/problem+json (RFC 9457). What we did not foresee is logged, and tells nothing."""
    if isinstance(error, Rejected):
        return problem(error.status, error.code, error.message, error.errors, error.members)
    if isinstance(error, Transient):
        logger.warning("answered 503: %s", error)
        answer = problem(503, "unavailable", "The service is unavailable for a moment. Try again in a few seconds.")
        answer.headers["Retry-After"] = str(RETRY_SECONDS_MIN)
        return answer
    logger.error("answered 500", exc_info=error)
    return problem(500, "internal_error", "Something went wrong on our side. It has been logged.")


_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    409: "Conflict",
    412: "Precondition failed",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Invalid content",
    500: "Internal error",
    503: "Unavailable",
}


def problem(
    status: int,
    code: str,
    detail: str,
    errors: tuple[FieldError, ...] = (),
    members: Mapping[str, str] | None = None,
) -> Response:
    """A problem answer. `errors` point at what is wrong with the request; `members` stand beside them."""
    content = {
        "type": "about:blank",
        "title": _TITLES[status],
        "status": status,
        "code": code,
        "detail": detail[:1].upper() + detail[1:],
        "errors": [{"pointer": each.pointer, "message": each.message} for each in errors],
        **(members or {}),
    }
    return Response(body=json.dumps(content), status_code=status, headers={"Content-Type": PROBLEM_TYPE})


def _field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    return tuple(
        FieldError("/" + "/".join(str(part) for part in each["loc"]), each["msg"])
        for each in error.errors(include_url=False, include_input=False, include_context=False)
    )
