"""The authorizer of the API, which is a function of its own, with its own database role, as it is on Lambda."""

from __future__ import annotations

from typing import Any

from chalice.local import LocalARNBuilder

from infra.local.errors import FunctionFailed
from infra.local.lambda_.pool import Pool

UNAUTHORIZED = "Unauthorized"
"""API Gateway answers 401 when an authorizer fails with exactly this message."""
Decision = dict[str, Any]
"""For the gateway: the `answer` of the authorizer, or its `error`."""


class Authorizer:
    """Asks the function before each request. API Gateway would remember its answers for a while."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def decide(self, method: str, path: str, headers: dict[str, str], queue_seconds: float) -> Decision | None:
        """Returns the decision, which counts only for routes that need one. None: no process became free."""
        token = headers.get("authorization")
        if token is None:
            return {"error": UNAUTHORIZED}
        if not self._pool.acquire(queue_seconds):
            return None
        event = {
            "type": "TOKEN",
            "authorizationToken": token,
            "methodArn": LocalARNBuilder().build_arn(method, path),
        }
        try:
            return {"answer": self._pool.invoke(event)}
        except FunctionFailed as error:
            unknown = str(error).endswith(f": {UNAUTHORIZED}")
            return {"error": UNAUTHORIZED if unknown else f"see {self._pool.function.name}.log in the stack's logs"}
        finally:
            self._pool.release()
