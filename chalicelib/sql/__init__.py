"""Named queries, read from the `.sql` files beside this module.

A query starts at a line `-- name: find_import`, followed by comment lines that say what it is for. Its name is
unique over all files; it is reached as `sql.query("find_import")`. `{any_name}` in a query stands for the text of the
one of that name, which stands before it in the same file.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString

_PART = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries() -> dict[str, LiteralString]:
    """Every named query. Raises ValueError when two share a name."""
    found: dict[str, LiteralString] = {}
    for entry in resources.files(__package__).iterdir():
        if not entry.name.endswith(".sql"):
            continue
        _, *parts = _NAME.split(entry.read_text("utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"two queries are named {name}; the second is in {entry.name}")
            found[name] = _PART.sub(lambda match: found[match[1]], _without_comments(text))
    return found


def query(name: str) -> LiteralString:
    """The text of one query. Raises KeyError for an unknown name."""
    return queries()[name]


def _without_comments(text: str) -> str:
    """Only whole lines are comments: they would swallow what follows where one query becomes part of another."""
    return "\n".join(line for line in text.strip().splitlines() if not line.startswith("--"))
