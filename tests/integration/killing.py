"""A kill in the same process: an exception that nothing catches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.fault_points import switched_on


class Killed(BaseException):
    """Nothing after it runs."""


@contextmanager
def killed_at(point: str) -> Iterator[None]:
    """What is done inside is killed when it reaches the fault point, and has to reach it."""

    def die(reached: str) -> None:
        if reached == point:
            raise Killed

    try:
        with switched_on(die):
            yield
    except Killed:
        return
    raise AssertionError(f"{point} was not reached")
