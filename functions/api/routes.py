"""What every HTTP resource shares: scopes, strict requests, and the one place where errors become problem+json.

Chalice runs middleware only for requests that reach a view without raising, so errors are translated around each view.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from chalice.app import Blueprint, Chalice, Request, Response
from pydantic import BaseModel

from chalicelib.errors import Forbidden
from chalicelib.telemetry import Stopwatch, about, request_id, tell
from functions.api import idempotency
from functions.api.endpoints import REQUEST_ID_HEADER, Endpoint, NoParameters, Rebuild, View, attach
from functions.api.etags import etag_of, not_modified
from functions.api.problems import PROBLEM_TYPE, problem, problem_of
from functions.api.request_parsing import JSON_TYPE, raw_body, read_body, read_parameters

__all__ = ["JSON_TYPE", "PREFIX", "PROBLEM_TYPE", "Headers", "Resource", "problem", "problem_of", "resource_response"]

PREFIX = "/api"
"""Where the API Gateway stage, and the local server, mount the routes."""
AUTHORIZER = "authorize"
"""The name of the authorizer in app.py."""

Headers = dict[str, str | list[str]]
Model = TypeVar("Model", bound=BaseModel)


class Resource(Blueprint):
    """A blueprint whose routes need a scope, take requests strictly and answer every error as a problem."""

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
        """Registers a view, and says of it what guards and documents it.

        `scope` is what the token must hold; None leaves the route open to everyone. `query` is the model of its
        parameters: others are refused. `body` and `answer` are the models of request and answer; `status` is that of
        success, `errors` are statuses beside those that follow from the rest, `sends` names headers likewise.
        `idempotent` lets a POST take an Idempotency-Key: True keeps the answer; a function keeps only the id of what
        was made, and builds the answer again from it, for answers that contain a secret.
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
        """Called by app.register_blueprint: routes that need a scope get the authorizer of the app."""
        for endpoint, answered in self._routes:
            authorizer = app.handler_map[AUTHORIZER] if endpoint.scope is not None else None
            # Media types are checked by `body`: Chalice would let a request without a Content-Type pass.
            self.route(endpoint.path, methods=[endpoint.method], authorizer=authorizer, content_types=[])(answered)
        super().register(app, options)

    @property
    def request(self) -> Request:
        """The request being answered."""
        return self.current_request

    def query(self, name: str) -> str | None:
        """One query parameter as it was sent, of those that the route declares."""
        given = self.request.query_params
        return str(given[name]) if given is not None and name in given else None

    def parameters(self, model: type[Model]) -> Model:
        """The query parameters as the model that the route declares. Raises Invalid."""
        return read_parameters(self.request, model)

    def body(self, model: type[Model]) -> Model:
        """The JSON body, validated. Raises Invalid with a pointer to each field, Rejected for another media type."""
        return read_body(self.request, model)

    def _answer(self, endpoint: Endpoint, view: Callable[[], Response]) -> Response:
        clock = Stopwatch()
        caller = self.request.context.get("authorizer", {}).get("token_id")
        with about(method=endpoint.method, route=endpoint.path, caller=caller, **self.request.uri_params or {}):
            with clock.stage("RequestMilliseconds"):
                answer = self._answer_untold(endpoint, view)
            answer.headers[REQUEST_ID_HEADER] = request_id()
            tell("request answered", status=answer.status_code, measured=clock.milliseconds)
        return answer

    def _answer_untold(self, endpoint: Endpoint, view: Callable[[], Response]) -> Response:
        try:
            self._require(endpoint.scope)
            raw_body(self.request)
            read_parameters(self.request, endpoint.query)
            if endpoint.body is not None:
                # Here for every route, so that a malformed request is refused before anything is looked up.
                read_body(self.request, endpoint.body)
            answer = idempotency.once(self.request, endpoint, view)
            return not_modified(answer, self.request.method, self.request.headers.get("if-none-match"))
        except Exception as error:  # noqa: BLE001  # this is the place where errors end
            return problem_of(error)

    def _require(self, scope: str | None) -> None:
        scopes = self.request.context.get("authorizer", {}).get("scopes", "").split()
        if scope is not None and scope not in scopes:
            raise Forbidden(f"this needs a token with the scope {scope}")


def resource_response(
    content: BaseModel | Mapping[str, Any],
    request: Request,  # noqa: ARG001  # 304 is decided for every route alike, once the view has answered
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One resource as JSON with an ETag, taken from the content unless `headers` has one."""
    text = json_text(content)
    all_headers: Headers = {
        "Content-Type": JSON_TYPE,
        "ETag": etag_of(text),
        "Cache-Control": "private, no-cache",
        **(headers or {}),
    }
    return Response(body=text, status_code=status, headers=all_headers)


def json_text(content: BaseModel | Mapping[str, Any]) -> str:
    """As compact JSON; a model shows every field, defaults too."""
    shown = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
