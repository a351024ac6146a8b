"""What a run of the benchmark has found: tables in Markdown, figures of goals, and both in a file."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmark import files

WORKERS = "2"
"""How many invocations of one function the stacks run at a time."""
RATIO_HEADER = ["ratio", "median", "min", "max"]


@dataclass
class Bench:
    """What is measured, where, and the results so far."""

    directory: Path
    rows: int
    runs: int
    large_rows: int
    many_rows: int
    base: str | None = None
    """The revision that is measured beside this one."""
    results: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    """The lines of each table in Markdown, by title."""
    figures: dict[str, list[float]] = field(default_factory=dict)
    """What was measured for each goal, by its key; one value per pair."""
    base_figures: dict[str, list[float]] = field(default_factory=dict)
    """The same for the base."""

    def file(self, kind: str, rows: int | None = None) -> Path:
        """Returns a file of this kind."""
        return files.make(self.directory, kind, rows or self.rows)

    def show(self, title: str, header: list[str], lines: list[list[Any]]) -> None:
        """Prints a table and adds it to the results."""
        self.results[title] = [dict(zip(header, line, strict=True)) for line in lines]
        self.tables[title] = markdown(header, lines)
        sys.stdout.write(f"\n### {title}\n\n" + "\n".join(self.tables[title]) + "\n")
        sys.stdout.flush()

    def save(self) -> None:
        """Saves the results so far."""
        self.results["figures"] = self.figures
        (self.directory / "results.json").write_text(json.dumps(self.results, indent=1))


def markdown(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> list[str]:
    """Returns the lines of a table in Markdown."""
    cells = [header, ["---"] * len(header), *([_text(cell) for cell in line] for line in lines)]
    return [f"| {' | '.join(line)} |" for line in cells]


def _text(cell: Any) -> str:
    return f"{cell:,.2f}" if isinstance(cell, float) else str(cell)


def quotients(values: Mapping[str, Sequence[float]], one: str, other: str) -> list[float]:
    """Returns one ÷ other, pair by pair."""
    return [a / b for a, b in zip(values[one], values[other], strict=True)]


def ratios(values: Mapping[str, Sequence[float]], pairs: Iterable[tuple[str, str]]) -> list[list[Any]]:
    """Returns the median, lowest and highest ratio of each pair, over values from the same run.

    A pair is left out if one of the two was not measured.
    """
    measured = [(one, other) for one, other in pairs if one in values and other in values]
    return [[f"{one} ÷ {other}", *spread(quotients(values, one, other))] for one, other in measured]


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Returns median, lowest and highest."""
    return statistics.median(values), min(values), max(values)


def emptied(directory: Path) -> Path:
    """Returns the directory, which is created and has nothing in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
