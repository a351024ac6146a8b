"""Starts LocalStack on loopback only, closed to strangers. Runs in LocalStack's own environment.

LocalStack's server listens on every interface, because it ignores the host in GATEWAY_LISTEN when it creates its
endpoint. So the host is set at the endpoint itself. Its gateway serves every Host, every page that can reach S3, and
requests without credentials. So the guard comes before the gateway's own handlers.
"""

import importlib
import os
from http import HTTPStatus
from typing import Any

LOOPBACK = "127.0.0.1"
REFUSED = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>{}</Message></Error>'


def main() -> None:
    """Binds Twisted's endpoints to loopback, puts the guard in front of the gateway, then runs LocalStack."""
    _bind_to_loopback()
    _close_gateway()
    # LocalStack warns about TMPDIR. It is no longer needed once tempfile has read it.
    importlib.import_module("tempfile").gettempdir()
    os.environ.pop("TMPDIR", None)
    importlib.import_module("localstack.runtime.main").main()


def _bind_to_loopback() -> None:
    endpoints: Any = importlib.import_module("twisted.internet.endpoints")
    original = endpoints.TCP4ServerEndpoint

    def on_loopback(reactor: object, port: int, backlog: int = 1024, interface: str = "") -> object:
        return original(reactor, port, backlog=backlog, interface=interface or LOOPBACK)

    endpoints.TCP4ServerEndpoint = on_loopback


def _close_gateway() -> None:
    # The launcher's directory is the first place where Python looks for modules.
    guard = importlib.import_module("request_guard").RequestGuard.from_environment()
    gateway: Any = importlib.import_module("rolo.gateway").Gateway
    original = gateway.process

    def process(self: object, request: Any, response: Any) -> None:
        query = request.query_string.decode("latin-1")
        refusal = guard.refusal(request.method, request.path, query, list(request.headers.items()))
        if refusal is None:
            original(self, request, response)
        else:
            response.status_code = HTTPStatus.FORBIDDEN
            response.content_type = "application/xml"
            response.data = REFUSED.format(refusal)

    gateway.process = process


if __name__ == "__main__":
    main()
