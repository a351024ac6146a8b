"""The tables of docs/performance.md that a run of the benchmark writes.

A table is between two comments, of which the first has its title:

    <!-- table: Seconds -->
    | what | median | min | max |
    …
    <!-- end of the table -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from infra.project import ROOT
from tests.benchmark import goals

PAGE = ROOT / "docs" / "performance.md"
GOALS = "Goals"
BEFORE, FIGURE, RESULT = (goals.HEADER.index(name) for name in ("before", "figure", "result"))
_TABLE = re.compile(
    r"(?<=<!-- table: )(?P<title>.+?)(?P<open> -->\n)(?P<lines>(?:\|.*\n)*)(?=<!-- end of the table -->)"
)


def tables(text: str) -> dict[str, list[str]]:
    """Returns the lines of each table, by title."""
    return {found["title"]: found["lines"].splitlines() for found in _TABLE.finditer(text)}


def rewritten(text: str, measured: Mapping[str, Sequence[str]]) -> str:
    """Returns the page with the tables that were measured. In the goals' table, what was not measured stays."""

    def replace(found: re.Match[str]) -> str:
        title, old = found["title"], found["lines"].splitlines()
        new = measured.get(title, old)
        lines = _merged(old, new) if title == GOALS else new
        return found["title"] + found["open"] + "".join(f"{line}\n" for line in lines)

    return _TABLE.sub(replace, text)


def _merged(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Returns the new lines of the goals' table, with what only the old ones have."""
    known = {(line[0], line[1]): line for line in map(_cells, old)}
    return [_line(_kept(line, known.get((line[0], line[1]), line))) for line in map(_cells, new)]


def _kept(new: list[str], old: list[str]) -> list[str]:
    line = list(new)
    if line[BEFORE] == "–":
        line[BEFORE] = old[BEFORE]
    if line[FIGURE] == "–":
        line[FIGURE], line[RESULT] = old[FIGURE], old[RESULT]
    return line


def _cells(line: str) -> list[str]:
    return line.removeprefix("| ").removesuffix(" |").split(" | ")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write(measured: Mapping[str, Sequence[str]]) -> None:
    """Writes the tables that were measured into the page."""
    PAGE.write_text(rewritten(PAGE.read_text("utf-8"), measured), "utf-8")
