"""The project's documentation, taken apart: fences, code spans, tables, headings and links of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
)
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"(?:\]\(|src=\")([^)\s\"]+)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CELL_END = re.compile(r"(?<!\\) \| ")


@dataclass(frozen=True)
class Fence:
    """A fenced block. `end` is the offset after it in the page."""

    language: str
    text: str
    end: int


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text("utf-8")


def fences(text: str) -> list[Fence]:
    """Every fenced block, in order."""
    return [Fence(found[2], found[3], found.end()) for found in _FENCE.finditer(text)]


def prose(text: str) -> str:
    """The page without its fenced blocks. Every line keeps its number."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def spans(text: str) -> list[str]:
    """The inline code of the prose; a span over two lines is joined."""
    return [" ".join(span.split()) for span in _SPAN.findall(prose(text))]


def blocks(text: str) -> Iterator[str]:
    """Paragraphs, list items and rows of tables: what is read in one go."""
    yield from re.split(r"\n\s*\n|\n(?=\s*(?:\||- |\d+\. ))", prose(text))


def rows(text: str, heading: str, level: str = "##") -> list[list[str]]:
    """The cells of the tables in a section, without the rows that name the columns."""
    section = text.partition(f"{level} {heading}\n")[2].partition(f"\n{level} ")[0]
    found: list[list[str]] = []
    lines = section.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("| ") and not following.startswith("|---"):
            found.append(_CELL_END.split(line.removeprefix("| ").removesuffix(" |")))
    return found


def links(text: str) -> list[str]:
    """The targets of links and images."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings."""
    plain = (heading.replace("`", "").lower() for heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}
