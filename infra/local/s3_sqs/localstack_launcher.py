"""Starts LocalStack on loopback only. Runs in LocalStack's own environment, without access to this project's code.

LocalStack's server listens on every interface, because it ignores the host in GATEWAY_LISTEN when it creates its
endpoint. So the host is set at the endpoint itself.
"""

import importlib
import os
from typing import Any

LOOPBACK = "127.0.0.1"


def main() -> None:
    """Binds Twisted's endpoints to loopback, then runs LocalStack."""
    endpoints: Any = importlib.import_module("twisted.internet.endpoints")
    original = endpoints.TCP4ServerEndpoint

    def on_loopback(reactor: object, port: int, backlog: int = 1024, interface: str = "") -> object:
        return original(reactor, port, backlog=backlog, interface=interface or LOOPBACK)

    endpoints.TCP4ServerEndpoint = on_loopback
    # LocalStack warns about TMPDIR. It is no longer needed once tempfile has read it.
    importlib.import_module("tempfile").gettempdir()
    os.environ.pop("TMPDIR", None)
    importlib.import_module("localstack.runtime.main").main()


if __name__ == "__main__":
    main()
