"""Named queries, read from the `.sql` files beside this module.

A query starts at a line `-- name: find_import`, followed by comment lines that say what it is for. Its name is unique
across all files; `sql.query("find_import")` returns its text. `{any_name}` in a query is replaced by the text of the
query of that name, which comes before it in the same file.
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
    """Every named query, by name. Raises ValueError if two share a name."""
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
    """Drops comments, which are always whole lines: part of a line would hide what follows in a composed query."""
    return "\n".join(line for line in text.strip().splitlines() if not line.startswith("--"))
