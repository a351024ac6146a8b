"""Named queries, read from the `.sql` files beside this module.

A query starts at a line `-- name: find_import`, followed by comment lines that say what it is for. Its name is
unique over all files; it is reached as `sql.query("find_import")`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString, cast

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
            found[name] = cast(LiteralString, text.strip())
    return found


def query(name: str) -> LiteralString:
    """The text of one query. Raises KeyError for an unknown name."""
    return queries()[name]
