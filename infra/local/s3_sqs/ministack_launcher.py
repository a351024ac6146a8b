"""Starts ministack closed to strangers. Runs in ministack's own environment.

ministack serves every Host, every page, and requests without credentials. So the guard comes before its application.
"""

import importlib
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


def main() -> None:
    """Puts the guard in front of the application, then runs ministack."""
    # The launcher's directory is the first place where Python looks for modules.
    guard = importlib.import_module("request_guard").RequestGuard.from_environment()
    ministack: Any = importlib.import_module("ministack.app")
    original = ministack.app

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(guard, scope)
        if refusal is None:
            await original(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            start = {"type": "http.response.start", "status": HTTPStatus.FORBIDDEN.value}
            await send({**start, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
            await send({"type": "http.response.body", "body": refusal.encode()})

    ministack.app = app
    ministack.main()


def _refusal(guard: Any, scope: Scope) -> str | None:
    if scope["type"] == "lifespan":
        return None
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    query = scope["query_string"].decode("latin-1")
    refusal: str | None = guard.refusal(scope.get("method", ""), scope["path"], query, headers)
    return refusal


if __name__ == "__main__":
    main()
