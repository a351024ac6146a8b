"""As many execution environments of one function as it may have. Every function has a pool of its own: none can starve
another. What failed to answer is replaced by a fresh process.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

from infra.local.lambda_.execution_environment import Environment, FunctionCrashed, FunctionRaised, InvocationFailed
from infra.local.lambda_.triggers import Function
from infra.local.lambda_.worker import Outcome
from infra.local.lambda_.zygote_client import Nursery


class Pool:
    """All environments of one function: at most `size` invocations run at a time."""

    def __init__(self, nursery: Nursery, function: Function, size: int) -> None:
        self.function = function
        self.size = size
        self._nursery = nursery
        self._free = threading.BoundedSemaphore(size)
        # The last one used is used first: it is warm, and the others may stay asleep.
        self._idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def acquire(self, seconds: float | None = None) -> bool:
        """Reserves the right to one invocation; waits for it at most so long."""
        return self._free.acquire(timeout=seconds)

    def release(self) -> None:
        """Gives it back."""
        self._free.release()

    def warm_up(self) -> None:
        """Has one environment ready before the first event."""
        self._put_back(self._take())

    def invoke(self, event: Any) -> Any:
        """Runs the function in an idle or a new environment, under a reserved right. Raises InvocationFailed."""
        request_id = str(uuid.uuid4())
        try:
            environment = self._take()
            # Lambda's line, and which process it is, for whoever looks for the one that hangs.
            self._note(f"START RequestId: {request_id}\tProcess: {environment.pid}")
            outcome = self._invoke_in(environment, event, request_id)
        except InvocationFailed as error:
            self._note(f"[ERROR] {error}")
            raise
        self._put_back(environment)
        self._note(
            f"REPORT RequestId: {request_id}\tDuration: {outcome.milliseconds:.2f} ms\t"
            f"Memory Size: {self.function.memory_mb} MB\tMax Memory Used: {outcome.memory_mb_peak} MB"
        )
        if outcome.error is not None:
            raise FunctionRaised(f"{request_id} {self.function.name}: {outcome.error}")
        return outcome.result

    def stop(self) -> None:
        """Ends every environment, busy or not."""
        with self._lock:
            self._stopped = True
            environments, self._all = self._all, set()
        for environment in environments:
            environment.kill()

    def _invoke_in(self, environment: Environment, event: Any, request_id: str) -> Outcome:
        try:
            return environment.invoke(event, request_id)
        except InvocationFailed:
            with self._lock:
                self._all.discard(environment)
            raise

    def _take(self) -> Environment:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        environment = self._nursery.bear(self.function)
        with self._lock:
            if self._stopped:
                environment.end()
                raise FunctionCrashed(f"{self.function.name}: the stack is stopping")
            self._all.add(environment)
        return environment

    def _put_back(self, environment: Environment) -> None:
        with self._lock:
            self._idle.append(environment)

    def _note(self, line: str) -> None:
        self._nursery.logbook.note(self.function.name, line)
