"""The execution environments of one function. Each function has its own pool, so that none can starve another.

A process that timed out or crashed is replaced by a new one.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

from infra.local.errors import FunctionCrashed, FunctionFailed, FunctionRaised
from infra.local.lambda_.execution_environment import ExecutionEnvironment
from infra.local.lambda_.triggers import Function
from infra.local.lambda_.worker import Outcome
from infra.local.lambda_.zygote_client import ZygoteClient


class Pool:
    """All environments of one function: at most `size` invocations run at the same time."""

    def __init__(self, zygote: ZygoteClient, function: Function, size: int) -> None:
        self.function = function
        self.size = size
        self._zygote = zygote
        self._free = threading.BoundedSemaphore(size)
        # A stack: the environment used last is used next. It is warm, and the others can stay idle.
        self._idle: list[ExecutionEnvironment] = []
        self._all: set[ExecutionEnvironment] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def acquire(self, seconds: float | None = None) -> bool:
        """Reserves one invocation; waits at most this long for a free place. Returns whether there was one."""
        return self._free.acquire(timeout=seconds)

    def release(self) -> None:
        """Ends a reservation."""
        self._free.release()

    def warm_up(self) -> None:
        """Prepares one environment before the first event. Raises FunctionCrashed."""
        self._put_back(self._take())

    def invoke(self, event: Any) -> Any:
        """Runs the function in an idle or a new environment; the caller has reserved it. Raises FunctionFailed."""
        request_id = str(uuid.uuid4())
        try:
            environment = self._take()
            # Lambda's line plus the process id, which helps to find a process that hangs.
            self._note(f"START RequestId: {request_id}\tProcess: {environment.pid}")
            outcome = self._invoke_in(environment, event, request_id)
        except FunctionFailed as error:
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

    def _invoke_in(self, environment: ExecutionEnvironment, event: Any, request_id: str) -> Outcome:
        try:
            return environment.invoke(event, request_id)
        except FunctionFailed:
            with self._lock:
                self._all.discard(environment)
            raise

    def _take(self) -> ExecutionEnvironment:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        environment = self._zygote.spawn(self.function)
        with self._lock:
            if self._stopped:
                environment.end()
                raise FunctionCrashed(f"{self.function.name}: the stack is stopping")
            self._all.add(environment)
        return environment

    def _put_back(self, environment: ExecutionEnvironment) -> None:
        with self._lock:
            self._idle.append(environment)

    def _note(self, line: str) -> None:
        self._zygote.logbook.note(self.function.name, line)
