"""The web server of the local stack: the page at /, the API at /api, on loopback, for the browser on this machine.

Waitress speaks HTTP in this process. API requests run in the execution environments of the API's own pool: a slow
import does not delay the API, and the API does not delay imports.
"""

from __future__ import annotations

import base64
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from waitress import wasyncore
from waitress.server import create_server

from infra.local.errors import FunctionFailed, FunctionTimedOut
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.triggers import API_FUNCTION, API_PREFIX
from infra.local.processes.ports import LOOPBACK
from infra.local.site import connections
from infra.local.site.authorizer import Authorizer
from infra.local.site.problems import Answer, problem
from infra.local.site.sign_ins import FailedSignIns
from infra.local.site.static_files import StaticFiles
from infra.site_files import security_headers

HTTP_PORT = 80
BODY_BYTES_MAX = 1024 * 1024
REFUSED_BODY_BYTES_MAX = 16 * 1024 * 1024
"""A larger body is refused without being read to its end."""
THREADS = 12
QUEUE_SECONDS_MAX = 10.0
"""How long a request waits for a free execution environment."""
STOP_SECONDS_MAX = 2.0

_logger = logging.getLogger(__name__)

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Site:
    """A WSGI application: the page and the API."""

    def __init__(
        self, port: int, files: StaticFiles, api: Pool | None, uploads_to: str, authorizer: Authorizer | None = None
    ) -> None:
        names = (LOOPBACK, "localhost", "[::1]")
        self._hosts = {f"{name}:{port}" for name in names}
        if port == HTTP_PORT:
            # Browsers leave the default port out.
            self._hosts |= set(names)
        self._files = files
        self._api = api
        self._authorizer = authorizer
        self._failed_sign_ins = FailedSignIns()
        self._security_headers = security_headers(uploads_to)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        answer = self._answer(environ)
        status = HTTPStatus(answer.status)
        headers = answer.headers + self._security_headers
        if status not in (HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT):
            headers = [*headers, ("Content-Length", str(len(answer.body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        # Any other name in the Host header may be DNS rebinding: a foreign page that reaches for servers on loopback.
        if {environ.get("HTTP_HOST"), *_named_in_target(environ)} - self._hosts:
            detail = f"The request is for another host. This server answers as {min(self._hosts)} only."
            return problem(HTTPStatus.MISDIRECTED_REQUEST, "misdirected_request", detail)
        path = _request_path(environ)
        if path == API_PREFIX or path.startswith((f"{API_PREFIX}/", f"{API_PREFIX}?")):
            return self._signed_in(environ, path.removeprefix(API_PREFIX) or "/")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            detail = f"{environ['REQUEST_METHOD']} is not allowed here. Allowed: GET, HEAD."
            refused = problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            return refused.with_header("Allow", "GET, HEAD")
        wanted = [environ.get(f"HTTP_{name}", "") for name in ("IF_NONE_MATCH", "ACCEPT_ENCODING", "ACCEPT")]
        return self._files.answer(path.partition("?")[0], *wanted)

    def _signed_in(self, environ: dict[str, Any], path: str) -> Answer:
        """Calls the API, unless the address has tried too many tokens. Without a token, nothing can be tried."""
        address, authorization = environ["REMOTE_ADDR"], environ.get("HTTP_AUTHORIZATION", "")
        if not authorization:
            return self._call_api(environ, path)
        if seconds := self._failed_sign_ins.wait_seconds(address, authorization):
            detail = f"Too many different tokens were refused. Try again in {seconds} s."
            refused = problem(HTTPStatus.TOO_MANY_REQUESTS, "too_many_failed_sign_ins", detail)
            return refused.with_header("Retry-After", str(seconds))
        answer = self._call_api(environ, path)
        if answer.signed_in:
            self._failed_sign_ins.succeeded(authorization)
        elif answer.signed_in is False and self._failed_sign_ins.failed(address, authorization):
            _logger.warning("%s has tried too many different tokens and has to wait for up to a minute", address)
        return answer

    def _call_api(self, environ: dict[str, Any], path: str) -> Answer:
        if self._api is None:
            return problem(HTTPStatus.NOT_FOUND, "not_found", "The application has no API.")
        body = environ["wsgi.input"].read(BODY_BYTES_MAX + 1)
        if len(body) > BODY_BYTES_MAX:
            detail = f"The body is larger than {BODY_BYTES_MAX} bytes."
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", detail)
        event: dict[str, Any] = {
            "method": environ["REQUEST_METHOD"],
            "path": path if path.startswith("/") else f"/{path}",
            "headers": _headers(environ),
            "address": environ["REMOTE_ADDR"],
            "body": base64.b64encode(body).decode(),
        }
        if self._authorizer is not None:
            event["authorizer"] = self._authorizer.decide(
                event["method"], event["path"], event["headers"], QUEUE_SECONDS_MAX
            )
            if event["authorizer"] is None:
                return _busy()
        return self._answer_of(self._api, event)

    def _answer_of(self, api: Pool, event: dict[str, Any]) -> Answer:
        if not api.acquire(QUEUE_SECONDS_MAX):
            return _busy()
        try:
            return Answer.from_json(api.invoke(event))
        except FunctionTimedOut:
            detail = f"The function did not answer within {api.function.timeout_seconds} s. Try again."
            return problem(HTTPStatus.GATEWAY_TIMEOUT, "timed_out", detail)
        except FunctionFailed:
            return problem(
                HTTPStatus.BAD_GATEWAY,
                "function_failed",
                f"The function failed: see {API_FUNCTION}.log in the stack's logs.",
            )
        finally:
            api.release()


class WebServer:
    """The site on a socket that already listens; accepts connections once started."""

    def __init__(self, site: Site, listener: socket.socket) -> None:
        self._server = create_server(
            site,
            sockets=[listener],
            threads=THREADS,
            ident="product-importer",
            connection_limit=connections.CONNECTIONS_MAX,
            channel_timeout=connections.IDLE_SECONDS_MAX,
            cleanup_interval=connections.CLOSING_SECONDS,
            # select() fails for file descriptors above 1,023.
            asyncore_use_poll=True,
            max_request_body_size=REFUSED_BODY_BYTES_MAX,
            clear_untrusted_proxy_headers=True,
        )
        self._server.channel_class = connections.Connection
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    def start(self) -> None:
        """Serves in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stops at once. Current answers may be cut off."""
        # The server's own loop must close the sockets: it fails when another thread does. The loop runs thunks under
        # this lock; without it, a loop that is already awake could close the trigger before it is pulled.
        trigger = self._server.trigger
        with trigger.lock:
            trigger.thunks.append(self._close_all)
            trigger.pull_trigger()
        self._thread.join(STOP_SECONDS_MAX)
        self._server.task_dispatcher.shutdown(timeout=STOP_SECONDS_MAX)

    def _close_all(self) -> None:
        wasyncore.close_all(self._server._map)


def _busy() -> Answer:
    busy = problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Too many requests at once. Try again soon.")
    return busy.with_header("Retry-After", "1")


def _named_in_target(environ: dict[str, Any]) -> list[str]:
    """The host of a target in absolute form, which takes precedence over the Host header."""
    scheme, found, rest = str(environ.get("REQUEST_URI") or "/").partition("://")
    return [rest.partition("/")[0].partition("?")[0]] if found and scheme in {"http", "https"} else []


def _request_path(environ: dict[str, Any]) -> str:
    """The path and query of the request line, as sent: API Gateway does not decode paths either."""
    target = str(environ.get("REQUEST_URI") or "/")
    if target.startswith(("http://", "https://")):
        # The absolute form, as sent to proxies; servers must accept it.
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers
