"""An execution environment: one process that runs one function.

A function that exceeds its time-out is killed. When the process crashes, its invocation fails at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from infra.local.errors import FunctionCrashed, FunctionTimedOut
from infra.local.lambda_.triggers import Function
from infra.local.lambda_.worker import Invocation, Outcome
from infra.local.processes.deadline import Deadline

INIT_SECONDS_MAX = 10.0
"""How long a new process may take to come up, as on Lambda."""


class ExecutionEnvironment:
    """One process for one function, one invocation at a time. Unusable after FunctionTimedOut or FunctionCrashed."""

    def __init__(
        self,
        function: Function,
        connection: Connection,
        kill: Callable[[int], None],
        variables: Mapping[str, str],
    ) -> None:
        self._kill = kill
        self._function = function
        self._connection = connection
        self.pid = self._wait_ready(variables)

    def invoke(self, event: Any, request_id: str) -> Outcome:
        """Runs the function. Raises FunctionTimedOut, FunctionCrashed; the process is then gone."""
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
            raise FunctionCrashed(f"{request_id} {name}: the process ended before it returned") from error

    def kill(self) -> None:
        """Ends the process at once. A current invocation fails."""
        self._kill(self.pid)

    def end(self) -> None:
        """Ends the process and closes the connection: for the thread that uses this environment."""
        self.kill()
        self._connection.close()

    def _wait_ready(self, variables: Mapping[str, str]) -> int:
        try:
            self._connection.send_bytes(json.dumps(dict(variables)).encode())
            if self._connection.poll(INIT_SECONDS_MAX):
                return int(self._connection.recv_bytes())
        except (EOFError, OSError):
            pass
        self._connection.close()
        raise FunctionCrashed(f"{self._function.name}: its process did not come up within {INIT_SECONDS_MAX:g} s")
