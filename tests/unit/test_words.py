"""The worst words are refused in everything that users read; CONTRIBUTING.md has the voice they belong to.

Rules are patterns, so that a word is refused only where it is wrong: "any more." but not "any more rows".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import app
from functions.api.endpoints import endpoints_of
from functions.api.openapi import document
from functions.api.routes import PREFIX
from tests.support.markdown import PAGES, ROOT, read

END = r"(?=[.,;:!?)”\"]|$)"
WORDS = {
    r"tell|tells|telling|told|untold": "log, report, notify, say or describe",
    r"mend|mends|mended|mending": "fix",
    r"anew": "again",
    r"whoever|whomever": "the caller, the peer, or anyone who",
    r"nobody|somebody": "no process, no user; another user",
    r"of yours": "your",
    r"what (?:became|becomes|has become) of": "the result of",
    r"so (?:many|much)(?! (?:as|that|faster|longer|more))": "at most this many, or this many",
    r"stand(?:s|ing)? (?:still|in|on|under|before|beside|behind)": "is in, is paused, has stalled",
    r"in any case": "case-insensitive, or in upper or lower case",
    r"meanwhile": "in the meantime, or leave it out",
    rf"any more{END}": "no longer",
    r"at the most(?! (?:recent|common))": "at most",
    r"by hand": "manually",
    rf"for good(?: and)?{END}": "permanently",
    r"once more(?! than)": "again",
    r"if you like": "optionally",
}
REFUSED = {
    re.compile(rf"\b(?:{words})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE): instead for words, instead in WORDS.items()
}


class Passage(NamedTuple):
    """A text that users read, and the line of its file on which it begins."""

    file: str
    line: int
    text: str


# --- documentation and terminal ------------------------------------------------------------------------------------


def documentation() -> Iterator[Passage]:
    """The pages. Inline code is left out, and <del>: the examples of what not to write."""
    for page in PAGES:
        text = re.sub(r"(?<!`)`[^`]+`(?!`)|<del>.*?</del>", lambda found: re.sub(r".", " ", found[0]), read(page))
        yield Passage(page.relative_to(ROOT).as_posix(), 1, text)


def makefile() -> Iterator[Passage]:
    """The help of `make`, its messages and its comments."""
    yield Passage("Makefile", 1, read(ROOT / "Makefile"))


def literals(folder: str) -> Iterator[Passage]:
    """Errors, log lines and output: every string with a space in it that is no docstring."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(read(file))
        documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in documents:
                continue
            if " " in node.value:
                yield Passage(file.relative_to(ROOT).as_posix(), node.lineno, node.value)


def templates() -> Iterator[Passage]:
    """What people read in the console of AWS: descriptions in the templates."""
    for file in sorted((ROOT / "infra").rglob("*.yml")):
        for number, line in enumerate(read(file).splitlines(), 1):
            # Changing a GroupDescription would replace the security group of a stage that is deployed.
            if "Description:" in line and "GroupDescription:" not in line:
                yield Passage(file.relative_to(ROOT).as_posix(), number, line)


# --- the API and the page ------------------------------------------------------------------------------------------


def api() -> Iterator[Passage]:
    """Every text in the OpenAPI document; its place is a JSON pointer."""
    yield from _texts(document(endpoints_of(app.app), PREFIX), "openapi.json#")


def _texts(value: Any, pointer: str) -> Iterator[Passage]:
    if isinstance(value, str):
        yield Passage(pointer, 1, value)
    for name, each in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from _texts(each, f"{pointer}/{name}")


SCRIPT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""",
    re.DOTALL,
)
"""A comment or a string of JavaScript."""


def scripts() -> Iterator[Passage]:
    """The strings in the scripts of the page, without the code inside them."""
    for file in sorted((ROOT / "web").rglob("*.js")):
        source = read(file)
        for found in SCRIPT.finditer(source):
            if not found[0].startswith("/"):
                line = source.count("\n", 0, found.start()) + 1
                yield Passage(file.relative_to(ROOT).as_posix(), line, re.sub(r"\$\{[^{}]*\}", "…", found[0]))


class _Markup(HTMLParser):
    """Collects text, and the attributes that are shown or read aloud."""

    SHOWN = ("alt", "aria-label", "content", "placeholder", "title")

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file.relative_to(ROOT).as_posix()
        self.passages: list[Passage] = []

    def handle_data(self, data: str) -> None:
        self.passages.append(Passage(self._file, self.getpos()[0], data))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.passages += [
            Passage(self._file, self.getpos()[0], value) for name, value in attrs if name in self.SHOWN and value
        ]


def markup() -> Iterator[Passage]:
    """The texts of the HTML files."""
    for file in sorted((ROOT / "web").glob("*.html")):
        parser = _Markup(file)
        parser.feed(read(file))
        yield from parser.passages


SCOPES: dict[str, Callable[[], Iterator[Passage]]] = {
    "documentation": documentation,
    "make": makefile,
    "terminal": lambda: literals("infra"),
    "domain": lambda: literals("chalicelib"),
    "edge": lambda: literals("functions"),
    "templates": templates,
    "api": api,
    "scripts": scripts,
    "markup": markup,
}


def complaints(passages: Iterator[Passage]) -> Iterator[str]:
    """Where a refused word is, and what to say instead."""
    for file, line, text in passages:
        for pattern, instead in REFUSED.items():
            for found in pattern.finditer(text):
                yield f"{file}:{line + text.count(chr(10), 0, found.start())}: “{found[0]}” → {instead}"


@pytest.mark.parametrize("scope", SCOPES)
def test_the_worst_words_are_not_used(scope: str) -> None:
    found = list(complaints(SCOPES[scope]()))
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_is_read(scope: str) -> None:
    assert len("".join(passage.text for passage in SCOPES[scope]())) > 200


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("The relay is told\nof it.", ["told"]),
        ("It is not valid any\n more.", ["any\n more"]),
        ("There are not any more rows.", []),
        ("Deleted for good.", ["for good"]),
        ("Used for good rows, so much that it stalls, and at the most recent page.", []),
        ("So many exports wait at the most; Mend it BY HAND.", ["mend", "so many", "at the most", "by hand"]),
        ("It intolerably tells, and stands for a stage.", ["tells"]),
    ],
)
def test_words_are_refused_only_where_they_are_wrong(text: str, refused: list[str]) -> None:
    found = [complaint.split("“")[1].split("”")[0] for complaint in complaints(iter([Passage("a.md", 7, text)]))]
    assert [word.lower() for word in found] == refused
    assert all(complaint.startswith("a.md:7: ") for complaint in complaints(iter([Passage("a.md", 7, text)])))
