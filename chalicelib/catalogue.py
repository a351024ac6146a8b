"""The catalogue as people read it: one product, filtered and sorted pages of them, their number, and their source.

A read model: it writes nothing and knows nothing of the order in which things were written. Statements are put together
from the named fragments in catalogue.sql; values are bound, never written into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import DictRow

from chalicelib.database import Transaction
from chalicelib.errors import NotFound
from chalicelib.limits import CATALOGUE_COUNT_ROWS_MAX, MATCHES_COUNT_ROWS_MAX

LINE_BITS = 32
"""A version is an operation and, in the lower bits, a line of its file."""


@dataclass(frozen=True)
class Filters:
    """What a product must have to be listed; None asks for nothing. Texts are contained, whatever their case.

    `q` is contained in the SKU, the name or the description.
    """

    sku: str | None = None
    name: str | None = None
    description: str | None = None
    q: str | None = None
    active: bool | None = None

    def given(self) -> dict[str, str | bool]:
        """Those that ask for something."""
        return {name: value for name, value in asdict(self).items() if value is not None}


_CONDITIONS = {
    "sku": "with_sku",
    "name": "with_name",
    "description": "with_description",
    "q": "with_text",
    "active": "with_active",
}


@dataclass(frozen=True)
class Sort:
    """An order of the catalogue. `key` is the column that places a product in it; no two products share a value."""

    key: str
    descending: bool


SORTS: Mapping[str, Sort] = {
    "-id": Sort("id", descending=True),
    "id": Sort("id", descending=False),
    "sku": Sort("sku_key", descending=False),
    "-sku": Sort("sku_key", descending=True),
}
"""The first is the default: newest first."""

_SEEKS = {
    ("id", True): ("above_id", "upwards_by_id"),
    ("id", False): ("below_id", "downwards_by_id"),
    ("sku_key", True): ("above_sku", "upwards_by_sku"),
    ("sku_key", False): ("below_sku", "downwards_by_sku"),
}
"""(key column, upwards): the condition that goes on from a key, and the order to read in."""


@dataclass(frozen=True)
class Source:
    """What gave a product its content: a line of an import, or somebody by hand when there is no import."""

    line: int
    import_id: str | None = None
    filename: str | None = None


def get(transaction: Transaction, product_id: int) -> DictRow:
    """One product. Raises NotFound."""
    found = transaction.composed(("shown_products", "with_id"), id=product_id)
    if not found:
        raise NotFound(f"there is no product {product_id}")
    return found[0]


def read(
    transaction: Transaction,
    filters: Filters,
    sort: Sort,
    limit: int,
    *,
    after: int | str | None = None,
    before: int | str | None = None,
) -> list[DictRow]:
    """Up to `limit` products that follow the key `after`, or precede the key `before`, in the order of `sort`."""
    backwards = before is not None
    key = before if backwards else after
    go_on, order = _SEEKS[sort.key, sort.descending == backwards]
    names = ("shown_products", *_conditions(filters), *((go_on,) if key is not None else ()), order)
    found = transaction.composed(names, key=key, limit=limit, **filters.given())
    return found[::-1] if backwards else found


def count(transaction: Transaction, filters: Filters) -> tuple[int, bool]:
    """How many products pass the filters, and whether that is an estimate.

    More matches than are counted are reported as the number that was counted: there are at least so many. The size of a
    catalogue without filters then comes from the statistics.
    """
    given = filters.given()
    rows_max = MATCHES_COUNT_ROWS_MAX if given else CATALOGUE_COUNT_ROWS_MAX
    names = ("count_shown", *_conditions(filters), "count_shown_end")
    (counted,) = transaction.composed(names, limit=rows_max + 1, **given)
    if counted["counted"] <= rows_max:
        return counted["counted"], False
    if given:
        return rows_max, True
    estimate = transaction.one("estimate_products")
    return max(rows_max, estimate["estimated"] if estimate else 0), True


def sources(transaction: Transaction, found: Iterable[DictRow]) -> dict[int, Source]:
    """Where these products come from: content version → source. What an import wrote names its file and line."""
    versions = {int(row["content_version"]) for row in found}
    operations = sorted({version >> LINE_BITS for version in versions})
    imports = {row["operation"]: row for row in transaction.all("imports_of_operations", operations=operations)}
    return {version: _source(version, imports.get(version >> LINE_BITS)) for version in versions}


def _source(version: int, found: Mapping[str, Any] | None) -> Source:
    line = version & ((1 << LINE_BITS) - 1)
    return Source(line) if found is None else Source(line, str(found["id"]), found["filename"])


def _conditions(filters: Filters) -> tuple[str, ...]:
    return tuple(_CONDITIONS[name] for name in filters.given())
