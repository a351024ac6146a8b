"""A customer's server: accepts webhooks at any path, keeps them, and sends the given responses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STOP_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Received:
    """One request. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """Unix seconds."""

    @property
    def id(self) -> str:
        """The event's id."""
        return self.headers["webhook-id"]


@dataclass(frozen=True)
class Reply:
    """A response, which is sent after `wait` has returned."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: Callable[[], object] | None = None


class HookServer:
    """Calls `reply` for each request; None closes the connection without a response."""

    def __init__(self, reply: Callable[[Received], Reply | None]) -> None:
        self.received: list[Received] = []
        self._changed = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            """Passes each request to the server around it."""

            protocol_version = "HTTP/1.1"
            timeout = STOP_SECONDS_MAX

            def do_POST(self) -> None:
                at = time.time()
                length = int(self.headers.get("Content-Length", "0"))
                body = self.rfile.read(length)
                if len(body) < length:  # The sender was killed after the headers: this is no request.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.path, headers, body, at)
                answer = reply(request)
                with server._changed:
                    server.received.append(request)
                    server._changed.notify_all()
                if answer is None:
                    self.close_connection = True
                    return
                if answer.wait is not None:
                    answer.wait()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *arguments: object) -> None:
                """Logs nothing."""

        class Server(ThreadingHTTPServer):
            """Ignores clients that disconnect during a request, as killed senders do."""

            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Logs nothing."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        """The URL of a path of this server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def wait_for(self, reached: Callable[[list[Received]], bool], seconds: float) -> bool:
        """Waits until the received requests satisfy `reached`. Returns False after that many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: reached(self.received), seconds)

    def stop(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._thread.join(STOP_SECONDS_MAX)
        self._server.server_close()


@contextmanager
def hook_server(reply: Callable[[Received], Reply | None] | Reply | None = None) -> Iterator[HookServer]:
    """A server that runs until the end of the block. Without `reply` it responds with 200."""
    answer = reply if callable(reply) else lambda _: reply or Reply()
    running = HookServer(answer)
    try:
        yield running
    finally:
        running.stop()
