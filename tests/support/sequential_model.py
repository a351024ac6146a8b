"""What the catalogue must be: the operations applied to a dictionary one at a time, in acceptance order.

It uses none of the versions, tombstones and floors of the real implementation. This is the meaning of the promise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

Product = tuple[str, str, str, bool]
"""(sku, name, description, active)"""
Catalogue = dict[str, Product]


def key_of(sku: str) -> str:
    """An independent definition of “the same SKU”, sufficient for the letters that tests use."""
    visible = re.sub("[\u00ad\u200b-\u200d\u2060\ufeff]", "", sku).strip()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", visible).lower()).replace("ς", "σ")


@dataclass(frozen=True)
class FileRow:
    """A row of a file: None for a column that the file lacks, and for an empty active cell."""

    sku: str
    name: str
    description: str | None
    active: bool | None


@dataclass(frozen=True)
class BadRow:
    """A row of a file that is rejected, with this code and these bytes."""

    code: str
    raw: bytes


AnyRow = FileRow | BadRow
Rejection = tuple[int, str, bytes]
"""(line, code, bytes of the row)"""


@dataclass(frozen=True)
class Imported:
    """An import: the rows that count, in the order of the file, each with its line."""

    rows: tuple[tuple[int, AnyRow], ...]

    def apply(self, catalogue: Catalogue) -> None:
        for _, row in self.rows:
            if isinstance(row, BadRow):
                continue
            _, _, description, active = catalogue.get(key_of(row.sku), ("", "", "", True))
            catalogue[key_of(row.sku)] = (
                row.sku,
                row.name,
                description if row.description is None else row.description,
                active if row.active is None else row.active,
            )

    @property
    def rejections(self) -> list[Rejection]:
        """The rows that are rejected, whatever else happens."""
        return [(line, row.code, row.raw) for line, row in self.rows if isinstance(row, BadRow)]


@dataclass(frozen=True)
class Put:
    """A whole product: created, or moved here by a rename."""

    product: Product

    def apply(self, catalogue: Catalogue) -> None:
        catalogue[key_of(self.product[0])] = self.product


@dataclass(frozen=True)
class Renamed:
    """A product, as it was returned, moves from one SKU to another."""

    old_key: str
    product: Product

    def apply(self, catalogue: Catalogue) -> None:
        catalogue.pop(self.old_key, None)
        Put(self.product).apply(catalogue)


@dataclass(frozen=True)
class Patched:
    """Some fields of the product at a SKU; None leaves a field unchanged."""

    key: str
    sku: str | None
    name: str | None
    description: str | None
    active: bool | None

    def apply(self, catalogue: Catalogue) -> None:
        if self.key in catalogue:
            sku, name, description, active = catalogue[self.key]
            catalogue[self.key] = (
                sku if self.sku is None else self.sku,
                name if self.name is None else self.name,
                description if self.description is None else self.description,
                active if self.active is None else self.active,
            )


@dataclass(frozen=True)
class Deleted:
    """The product at a SKU is deleted."""

    key: str

    def apply(self, catalogue: Catalogue) -> None:
        catalogue.pop(self.key, None)


@dataclass(frozen=True)
class Cleared:
    """Everything is deleted."""

    def apply(self, catalogue: Catalogue) -> None:
        catalogue.clear()


Operation = Imported | Put | Renamed | Patched | Deleted | Cleared


def replay(history: Iterable[tuple[int, Operation]]) -> Catalogue:
    """Returns the catalogue after all operations, in the order of their numbers."""
    catalogue: Catalogue = {}
    for _, operation in sorted(history, key=lambda each: each[0]):
        operation.apply(catalogue)
    return catalogue
