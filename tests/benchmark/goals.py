"""The goals of the project's speed, and whether a run has met them. docs/performance.md has the same goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmark.report import spread

HEADER = ["what", "goal", "before", "figure", "result"]
MET, MISSED, NOT_MEASURED = "met", "**missed**", "not measured"


@dataclass(frozen=True)
class Goal:
    """A figure that must not exceed a limit. The median of all pairs counts."""

    key: str
    name: str
    at_most: float
    unit: str
    scenario: str
    """The part of the benchmark that measures it."""

    @property
    def limit(self) -> str:
        """The limit with its unit."""
        return f"≤ {self.shown(self.at_most)}"

    def shown(self, value: float) -> str:
        """Returns a value with the goal's unit."""
        return f"{value:,.0f} {self.unit}" if self.unit == "ms" else f"{value:,.2f} {self.unit}".rstrip()

    def figure(self, values: Sequence[float]) -> str:
        """Returns the median, and the range if there is more than one value."""
        median, least, most = spread(values)
        return self.shown(median) + (f" ({least:,.2f}–{most:,.2f})" if len(values) > 1 else "")

    def result(self, values: Sequence[float]) -> str:
        """Returns whether the median is within the limit."""
        return MET if spread(values)[0] <= self.at_most else MISSED


RATIO = ""
GOALS = (
    Goal("first", "first import ÷ psql, plain; same server", 0.9, RATIO, "paired"),
    Goal("first_arrow", "first import ÷ pyarrow and pgpq; same server", 1.0, RATIO, "paired"),
    Goal("again", "the same file again ÷ psql, plain; same server", 0.7, RATIO, "paired"),
    Goal("shipped_first", "first import ÷ psql, plain, on an idle server; as shipped", 0.9, RATIO, "shipped"),
    Goal(
        "shipped_first_arrow", "first import ÷ pyarrow and pgpq, on an idle server; as shipped", 1.0, RATIO, "shipped"
    ),
    Goal("shipped_again", "the same file again ÷ psql, plain, on an idle server; as shipped", 0.7, RATIO, "shipped"),
    Goal("partial", "10 % of 2,000,000 products, shuffled and changed ÷ psql, plain", 1.0, RATIO, "partial"),
    Goal("wide", "50 columns of which two matter ÷ psql, plain, with the same file", 1.0, RATIO, "wide"),
    Goal("base_first", "first import ÷ base", 1.02, RATIO, "shipped"),
    Goal("base_again", "the same file again ÷ base", 1.02, RATIO, "shipped"),
    Goal("fair_seconds", "1,000 rows, whatever else runs, p95", 3.0, "s", "fairness"),
    Goal("fair_ratio", "1,000 rows, whatever else runs, p95 ÷ alone", 3.0, RATIO, "fairness"),
    Goal("behind_ms", "lists by `q` of 500,000 products, index behind, p95", 250.0, "ms", "searches"),
    Goal("prefix_ms", "SKU prefix among 5,000,000 products, p95", 50.0, "ms", "large_searches"),
    Goal(
        "current_seconds", "search copy current after 1,000 of 5,000,000 products changed", 5.0, "s", "large_searches"
    ),
)
BY_KEY = {goal.key: goal for goal in GOALS}


def table(figures: Mapping[str, Sequence[float]], base: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """Returns a line of each goal: name, limit, figure of the base, figure, result."""
    return [_line(goal, figures.get(goal.key, ()), base.get(goal.key, ())) for goal in GOALS]


def _line(goal: Goal, values: Sequence[float], before: Sequence[float]) -> list[str]:
    return [
        goal.name,
        goal.limit,
        goal.figure(before) if before else "–",
        goal.figure(values) if values else "–",
        goal.result(values) if values else NOT_MEASURED,
    ]
