"""An execution environment: one process that runs one function, as long as the function may and no longer.

A function that runs too long is killed; one that crashes fails its invocation at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from infra.local.lambda_.triggers import Function
from infra.local.lambda_.worker import Invocation, Outcome
from infra.local.processes.deadline import Deadline

INIT_SECONDS_MAX = 10.0
"""As on Lambda."""


class InvocationFailed(Exception):
    """A function did not return a result. The message is for the log."""


class FunctionRaised(InvocationFailed):
    """The function raised an exception."""


class FunctionTimedOut(InvocationFailed):
    """The function ran longer than it may, and was killed."""


class FunctionCrashed(InvocationFailed):
    """The function's process ended in the middle."""


class Environment:
    """One process for one function. One invocation at a time; not usable after one that failed to return."""

    def __init__(self, function: Function, connection: Connection, kill: Callable[[int], None]) -> None:
        self._kill = kill
        self._function = function
        self._connection = connection
        self.pid = self._wait_born()

    def invoke(self, event: Any, request_id: str) -> Outcome:
        """Runs the function. Raises FunctionTimedOut or FunctionCrashed: then the process is gone."""
        name, seconds = self._function.name, self._function.timeout_seconds
        deadline = Deadline(seconds)
        try:
            self._connection.send_bytes(Invocation(request_id, event, float(seconds)).to_bytes())
            if not self._connection.poll(deadline.remaining()):
                self.end()
                raise FunctionTimedOut(f"{request_id} {name}: Task timed out after {seconds:.2f} seconds")
            return Outcome(**json.loads(self._connection.recv_bytes()))
        except (EOFError, OSError) as error:
            self.end()
            raise FunctionCrashed(f"{request_id} {name}: the process ended before it answered") from error

    def kill(self) -> None:
        """Ends the process, at once. An invocation that is under way fails."""
        self._kill(self.pid)

    def end(self) -> None:
        """The same, by whoever is using it: it is not needed any more."""
        self.kill()
        self._connection.close()

    def _wait_born(self) -> int:
        try:
            if self._connection.poll(INIT_SECONDS_MAX):
                return int(self._connection.recv_bytes())
        except (EOFError, OSError):
            pass
        self._connection.close()
        raise FunctionCrashed(f"{self._function.name}: its process did not come up in {INIT_SECONDS_MAX:g} s")
