"""Removes rows of several kinds, one bounded step of each kind in turn, until nothing is left or the time is used.

The size of a step follows the database: it doubles while steps are quick, and halves when they are not. So a fast
database spends its time on rows and not on transactions, and a slow one still commits what it has removed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from chalicelib.limits import SWEEP_STEP_ROWS_MAX, SWEEP_STEP_ROWS_MIN, SWEEP_STEP_SECONDS

RemoveStep = Callable[[int], bool]
"""Removes at most about this many rows, and returns whether there may be more."""
Clock = Callable[[], float]


def take_turns(kinds: Iterable[RemoveStep], seconds: float, clock: Clock = time.monotonic) -> None:
    """Gives each kind at least one step. Begins no further step once the seconds have passed."""
    end = clock() + seconds
    waiting = [_Turn(kind, clock) for kind in kinds]
    unfinished = [turn for turn in waiting if turn.step()]
    while unfinished:
        waiting, unfinished = unfinished, []
        for turn in waiting:
            if clock() >= end:
                return
            if turn.step():
                unfinished.append(turn)


class _Turn:
    """One kind of rows, and how many of them the next step removes."""

    def __init__(self, remove: RemoveStep, clock: Clock) -> None:
        self._remove = remove
        self._clock = clock
        self._rows = SWEEP_STEP_ROWS_MIN

    def step(self) -> bool:
        """Returns whether there may be more."""
        began = self._clock()
        more = self._remove(self._rows)
        is_quick = self._clock() - began < SWEEP_STEP_SECONDS / 2
        rows = self._rows * 2 if is_quick else self._rows // 2
        self._rows = min(max(rows, SWEEP_STEP_ROWS_MIN), SWEEP_STEP_ROWS_MAX)
        return more
