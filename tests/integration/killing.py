"""Simulates a kill in the same process, by an exception that nothing catches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.fault_points import switched_on


class Killed(BaseException):
    """The simulated kill: no code after it runs."""


@contextmanager
def killed_at(point: str) -> Iterator[None]:
    """Kills the block when it reaches the fault point. Raises AssertionError when the block does not reach it."""

    def die(reached: str) -> None:
        if reached == point:
            raise Killed

    try:
        with switched_on(die):
            yield
    except Killed:
        return
    raise AssertionError(f"{point} was not reached")
