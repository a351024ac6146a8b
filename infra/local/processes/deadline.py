"""Waiting with a limit. The error of a poll that takes too long names what it waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL_SECONDS = 0.02


class TookTooLong(Exception):
    """Something did not happen in time."""


class Deadline:
    """A moment in the future, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Whether the moment has passed."""
        return self.remaining() == 0.0


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Polls until `condition` holds. Raises TookTooLong, naming `what`, after `seconds`."""
    deadline = Deadline(seconds)
    while not condition():
        if deadline.passed():
            raise TookTooLong(f"not within {seconds:g} s: {what}")
        time.sleep(POLL_SECONDS)
