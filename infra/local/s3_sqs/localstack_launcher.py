"""Starts LocalStack on loopback only. Runs inside LocalStack's own environment: nothing of this project is there.

LocalStack's server listens on every interface whatever GATEWAY_LISTEN says, because it drops the host when it makes its
endpoint. So the endpoint itself is told here.
"""

import importlib
import os
from typing import Any

LOOPBACK = "127.0.0.1"


def main() -> None:
    """Binds Twisted's endpoints to loopback and hands over to LocalStack."""
    endpoints: Any = importlib.import_module("twisted.internet.endpoints")
    original = endpoints.TCP4ServerEndpoint

    def on_loopback(reactor: object, port: int, backlog: int = 1024, interface: str = "") -> object:
        return original(reactor, port, backlog=backlog, interface=interface or LOOPBACK)

    endpoints.TCP4ServerEndpoint = on_loopback
    # LocalStack warns about TMPDIR; Python's tempfile has read it by now.
    importlib.import_module("tempfile").gettempdir()
    os.environ.pop("TMPDIR", None)
    importlib.import_module("localstack.runtime.main").main()


if __name__ == "__main__":
    main()
