"""What all HTTP resources share: scopes, strict requests, and the one place where errors become problem+json.

Errors are translated around each view, because Chalice runs middleware only if the view has not raised.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from chalice.app import Blueprint, Chalice, Request, Response
from pydantic import BaseModel

from chalicelib.access import requests
from chalicelib.errors import Forbidden
from chalicelib.telemetry import Stopwatch, log, log_context, request_id
from functions.api import idempotency
from functions.api.endpoints import NEVER_STORED, REQUEST_ID_HEADER, Endpoint, NoParameters, Rebuild, View, attach
from functions.api.etags import etag_of, not_modified
from functions.api.problems import PROBLEM_TYPE, problem, problem_of
from functions.api.request_parsing import JSON_TYPE, raw_body, read_body, read_parameters
from functions.composition import backends

__all__ = ["JSON_TYPE", "PREFIX", "PROBLEM_TYPE", "Headers", "Resource", "problem", "problem_of", "resource_response"]

PREFIX = "/api"
"""The path under which the API Gateway stage and the local server mount the routes."""
AUTHORIZER = "authorize"
"""The name of the authorizer in app.py."""

Headers = dict[str, str | list[str]]
Model = TypeVar("Model", bound=BaseModel)


class Resource(Blueprint):
    """A blueprint whose routes require a scope, parse requests strictly and return every error as a problem."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self._routes: list[tuple[Endpoint, View]] = []

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        scope: str | None,
        body: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        status: int = 200,
        query: type[BaseModel] = NoParameters,
        errors: tuple[int, ...] = (),
        sends: tuple[str, ...] = (),
        idempotent: bool | Rebuild = False,
    ) -> Callable[[View], View]:
        """Registers a view, with the declarations that guard and document it.

        `scope` is the scope that the token needs; None makes the route public. `query` is the model of its parameters:
        all others are refused. `body` and `answer` are the models of request and response; `status` is the status of
        success. `errors` are statuses, and `sends` names headers, in addition to those that follow from the rest.
        `idempotent` lets a POST accept an Idempotency-Key: True stores the response. A function stores only the id of
        the created resource and builds the response from it again, for responses that contain a secret.
        """

        def register(view: View) -> View:
            endpoint = Endpoint(method, path, scope, view, body, answer, status, query, errors, sends, idempotent)

            @wraps(view)
            def answered(*args: Any, **kwargs: Any) -> Response:
                return self._answer(endpoint, lambda: view(*args, **kwargs))

            attach(answered, endpoint)
            self._routes.append((endpoint, answered))
            return view

        return register

    def register(self, app: Chalice, options: dict[str, Any]) -> None:
        """Called by app.register_blueprint: routes that need a scope get the app's authorizer."""
        for endpoint, answered in self._routes:
            authorizer = app.handler_map[AUTHORIZER] if endpoint.scope is not None else None
            # `body` checks media types: Chalice would accept a request without a Content-Type.
            self.route(endpoint.path, methods=[endpoint.method], authorizer=authorizer, content_types=[])(answered)
        super().register(app, options)

    @property
    def request(self) -> Request:
        """The current request."""
        return self.current_request

    @property
    def token_id(self) -> uuid.UUID:
        """The id of the token that the request was sent with. Only for routes that need a scope."""
        return uuid.UUID(self.request.context["authorizer"]["token_id"])

    def query(self, name: str) -> str | None:
        """One of the query parameters that the route declares, as it was sent."""
        given = self.request.query_params
        return str(given[name]) if given is not None and name in given else None

    def parameters(self, model: type[Model]) -> Model:
        """The query parameters as the route's model. Raises Invalid."""
        return read_parameters(self.request, model)

    def body(self, model: type[Model]) -> Model:
        """The JSON body, validated. Raises Invalid with a pointer to each field, Rejected for another media type."""
        return read_body(self.request, model)

    def _answer(self, endpoint: Endpoint, view: Callable[[], Response]) -> Response:
        clock = Stopwatch()
        caller = self.request.context.get("authorizer", {}).get("token_id")
        with log_context(method=endpoint.method, route=endpoint.path, caller=caller, **self.request.uri_params or {}):
            with clock.stage("RequestMilliseconds"):
                answer = self._answer_unlogged(endpoint, view)
            answer.headers.update({REQUEST_ID_HEADER: request_id(), **NEVER_STORED})
            log("request answered", status=answer.status_code, measured=clock.milliseconds)
        return answer

    def _answer_unlogged(self, endpoint: Endpoint, view: Callable[[], Response]) -> Response:
        try:
            if endpoint.scope is not None:
                # Before anything else, so that a refused request costs as little as possible.
                requests.take(backends().database, self.token_id)
                self._require(endpoint.scope)
            raw_body(self.request)
            read_parameters(self.request, endpoint.query)
            if endpoint.body is not None:
                # Before the view, so that every route refuses a malformed request before it looks anything up.
                read_body(self.request, endpoint.body)
            answer = idempotency.once(self.request, endpoint, view)
            return not_modified(answer, self.request.method, self.request.headers.get("if-none-match"))
        except Exception as error:  # noqa: BLE001  # errors end here
            return problem_of(error)

    def _require(self, scope: str) -> None:
        if scope not in self.request.context["authorizer"]["scopes"].split():
            raise Forbidden(f"this request needs a token with the scope {scope}")


def resource_response(
    content: BaseModel | Mapping[str, Any],
    request: Request,  # noqa: ARG001  # `not_modified` decides about 304 for every route alike
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One resource as JSON, with an ETag derived from the content unless `headers` has one."""
    text = json_text(content)
    all_headers: Headers = {
        "Content-Type": JSON_TYPE,
        "ETag": etag_of(text),
        **(headers or {}),
    }
    return Response(body=text, status_code=status, headers=all_headers)


def json_text(content: BaseModel | Mapping[str, Any]) -> str:
    """The content as compact JSON, including fields with default values."""
    shown = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
