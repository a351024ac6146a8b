"""Keeps PostgreSQL running: starts it again when it ends by itself, and gives up when that does not help.

A crash loses nothing: the server replays its log, functions fail as transient meanwhile, and their queues try again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from infra.local.postgres.leftovers import PostgresFailed

RESTARTS_MAX = 5
RESTARTS_WINDOW_SECONDS = 600.0
"""More restarts than RESTARTS_MAX within this time: something is wrong that starting again does not mend."""
SECONDS_IN_MINUTE = 60

Say = Callable[[str], None]


class Server(Protocol):
    """What is kept running: `Postgres`, as far as it matters here."""

    def exit_status(self) -> int | None:
        """The status it ended with; None while it runs."""

    def start_again(self) -> None:
        """Starts it after it ended; it does not answer yet."""

    def answers(self) -> bool:
        """Whether it takes connections."""


class PostgresKeeper:
    """Looks after one server. Never waits for it: the stack must notice Ctrl-C while a long log is replayed."""

    def __init__(
        self,
        server: Server,
        say: Say,
        on_restart: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._say = say
        self._on_restart = on_restart
        self._clock = clock
        self._restarts: deque[float] = deque()
        self._down_since: float | None = None

    def check(self) -> None:
        """One look. Raises PostgresFailed when it ended once more than it may."""
        status = self._server.exit_status()
        if status is not None:
            self._restart(status)
        elif self._down_since is not None and self._server.answers():
            self._say(f"PostgreSQL answers again after {self._clock() - self._down_since:.1f} s")
            self._down_since = None

    def _restart(self, status: int) -> None:
        now = self._clock()
        while self._restarts and now - self._restarts[0] > RESTARTS_WINDOW_SECONDS:
            self._restarts.popleft()
        minutes = RESTARTS_WINDOW_SECONDS / SECONDS_IN_MINUTE
        if len(self._restarts) == RESTARTS_MAX:
            raise PostgresFailed(
                f"PostgreSQL ended by itself (status {status}) after {RESTARTS_MAX} restarts within {minutes:g} "
                "minutes, so the stack stops; postgres.log among its logs says why"
            )
        self._restarts.append(now)
        self._say(
            f"PostgreSQL ended by itself (status {status}): starting it again "
            f"(restart {len(self._restarts)} of at most {RESTARTS_MAX} within {minutes:g} minutes)"
        )
        if self._down_since is None:
            self._down_since = now
        self._server.start_again()
        self._on_restart()
