"""What the table of products must be while the rule for keys changes: rows by key, each field with its own version.

Unlike the sequential model, it applies writes in the order in which they really happen, because a change of the rule
comes between them. It shares no code with the importer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Version = tuple[int, int]
"""Operation and line."""
FIELDS = ("sku", "name", "description", "active")
DEFAULTS = {"name": "", "description": "", "active": True}
Shown = tuple[str, str, str, bool]


def old_key(sku: str) -> str:
    """The key before the change."""
    composed = unicodedata.normalize("NFC", sku.strip())
    # Letter by letter: for a whole word, Python makes a final sigma of the last letter.
    return unicodedata.normalize("NFC", "".join(letter.lower() for letter in composed))


def new_key(sku: str) -> str:
    """The key after the change."""
    return old_key(re.sub("[\u00ad\u200b-\u200d\u2060\ufeff]", "", sku)).replace("ς", "σ")


@dataclass
class Row:
    """A product or a tombstone. The version of `sku` is that of its existence."""

    values: dict[str, Any]
    versions: dict[str, Version]
    deleted: bool = False

    @property
    def shown(self) -> Shown:
        return tuple(self.values[each] for each in FIELDS)


@dataclass
class VersionedModel:
    """The catalogue. `merged` are the products that the change of the rule has removed."""

    key: Callable[[str], str] = old_key
    rows: dict[str, Row] = field(default_factory=dict)
    merged: list[Shown] = field(default_factory=list)
    floor: Version = (0, 0)

    def catalogue(self) -> list[Shown]:
        return sorted(row.shown for row in self.rows.values() if self._is_visible(row))

    def write_line(self, version: Version, given: dict[str, Any]) -> None:
        """Writes a line of a file. A field that is None is not written."""
        values = {each: DEFAULTS[each] if given[each] is None else given[each] for each in FIELDS}
        versions = {each: self.floor if given[each] is None else version for each in FIELDS}
        row = self.rows.setdefault(self.key(given["sku"]), Row(values, dict.fromkeys(FIELDS, (-1, 0))))
        row.deleted = row.deleted and version <= row.versions["sku"]
        for each in FIELDS:
            if versions[each] > row.versions[each]:
                row.values[each], row.versions[each] = values[each], versions[each]

    def put(self, operation: int, given: dict[str, Any]) -> None:
        """Creates a product, or writes the target of a rename."""
        self.rows[self.key(given["sku"])] = Row(given, dict.fromkeys(FIELDS, (operation, 0)))

    def patch(self, operation: int, sku: str, given: dict[str, Any]) -> None:
        row = self.rows[self.key(sku)]
        row.values.update(given)
        row.versions.update(dict.fromkeys(given, (operation, 0)))

    def delete(self, operation: int, sku: str) -> None:
        row = self.rows[self.key(sku)]
        self.rows[self.key(sku)] = Row(
            {**DEFAULTS, "sku": row.values["sku"]}, dict.fromkeys(FIELDS, (operation, 0)), deleted=True
        )

    def clear(self, operation: int) -> None:
        self.floor = (operation, 0)

    def change_rule(self) -> None:
        """Of products that become the same, the one written last stays. Each of its fields becomes as new as in any."""
        self.key = new_key
        groups: dict[str, list[Row]] = {}
        for row in self.rows.values():
            if row.versions["sku"] >= self.floor:
                groups.setdefault(new_key(row.values["sku"]), []).append(row)
        self.rows = {}
        for key, rows in groups.items():
            rows.sort(key=lambda row: (not row.deleted, max(row.versions.values())))
            kept = rows.pop() if key else None
            self.merged += [row.shown for row in rows if not row.deleted]
            if kept is not None:
                versions = {each: max(row.versions[each] for row in (*rows, kept)) for each in FIELDS}
                self.rows[key] = Row(kept.values, versions, kept.deleted)

    def _is_visible(self, row: Row) -> bool:
        return not row.deleted and row.versions["sku"] >= self.floor
