"""Old rows are removed in turns: all of them if there is time, and a slow kind keeps no other from its turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.limits import SWEEP_REMOVAL_SECONDS, SWEEP_STEP_ROWS_MAX, SWEEP_STEP_ROWS_MIN, SWEEP_STEP_SECONDS
from chalicelib.repair.turns import RemoveStep, take_turns

LAMBDA_SECONDS = 60


class Removal:
    """A fake database and its clock. Records which kind of rows each step removed, and how many."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.steps: list[tuple[str, int]] = []

    def clock(self) -> float:
        return self.seconds

    def kind(self, name: str, rows: int, seconds: Callable[[int], float]) -> RemoveStep:
        """Returns the step of a kind with this many rows; `seconds` says how long a number of them takes."""
        left = [rows]

        def remove(limit: int) -> bool:
            removed = min(limit, left[0])
            left[0] -= removed
            self.seconds += seconds(removed)
            self.steps.append((name, removed))
            return removed == limit

        return remove

    def removed(self, name: str) -> int:
        return sum(rows for kind, rows in self.steps if kind == name)


def quick(rows: int) -> float:
    return rows / 1_000_000


@pytest.fixture
def removal() -> Removal:
    return Removal()


def test_nothing_is_left_over(removal: Removal) -> None:
    take_turns([removal.kind("a", 1_000_000, quick), removal.kind("b", 150, quick)], 25, removal.clock)

    assert (removal.removed("a"), removal.removed("b")) == (1_000_000, 150)
    assert len(removal.steps) < 120, "steps grow"
    assert max(rows for _, rows in removal.steps) == SWEEP_STEP_ROWS_MAX


@pytest.mark.parametrize("row_seconds", [0.001, 0.005, 0.02])
def test_a_slow_database_ends_soon_after_the_time_is_used(removal: Removal, row_seconds: float) -> None:
    def slow(rows: int) -> float:
        return rows * row_seconds

    take_turns([removal.kind(name, 1_000_000, slow) for name in "abcdef"], SWEEP_REMOVAL_SECONDS, removal.clock)

    overrun = removal.seconds - SWEEP_REMOVAL_SECONDS
    assert 0 <= overrun <= max(SWEEP_STEP_SECONDS, SWEEP_STEP_ROWS_MIN * row_seconds)
    assert removal.seconds < LAMBDA_SECONDS
    rows = [removal.removed(name) for name in "abcdef"]
    assert min(rows) > 0
    assert max(rows) <= 2 * min(rows), "the turns are fair"


def test_a_kind_that_is_slow_alone_keeps_no_other_from_its_end(removal: Removal) -> None:
    take_turns(
        [removal.kind("slow", 1_000_000, lambda rows: rows * 0.01), removal.kind("quick", 60_000, quick)],
        SWEEP_REMOVAL_SECONDS,
        removal.clock,
    )

    assert removal.removed("quick") == 60_000
    assert removal.removed("slow") > 0


def test_each_kind_has_a_step_even_without_time(removal: Removal) -> None:
    take_turns([removal.kind(name, 1_000, lambda _: 30) for name in "abc"], 0, removal.clock)

    assert removal.steps == [(name, SWEEP_STEP_ROWS_MIN) for name in "abc"]


def test_steps_shrink_when_the_database_becomes_slow(removal: Removal) -> None:
    def slows_down(rows: int) -> float:
        return rows * (0.00001 if removal.seconds < 1 else 0.01)

    take_turns([removal.kind("a", 1_000_000, slows_down)], 300, removal.clock)

    assert removal.steps[-1][1] == SWEEP_STEP_ROWS_MIN
