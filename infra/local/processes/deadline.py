"""Waiting, always with a limit: every wait of the local stack goes through here and can say what it waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.02


class TookTooLong(Exception):
    """Something did not happen in the time it was given."""


class Deadline:
    """A moment in the future, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether the moment is over."""
        return self.remaining() == 0.0


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Polls until `condition` holds. Raises TookTooLong, naming `what`, after `seconds`."""
    deadline = Deadline(seconds)
    while not condition():
        if deadline.passed():
            raise TookTooLong(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_SECONDS)
