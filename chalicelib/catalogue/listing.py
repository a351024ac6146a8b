"""The catalogue as people read it: one product, filtered and sorted pages of them, their number, and their source.

A read model: it writes nothing and knows nothing of the order in which things were written. Statements are put together
from the named fragments in catalogue.sql; values are bound, never written into them.

A page is found in one of three ways. Without filters an index gives it, in order. With filters, a sample of the table
tells whether products that pass are common: then going through the catalogue in order soon has a page of them. Rare
ones are all looked up in the copy that `indexing` keeps, or, as long as that lags behind, in the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg.rows import DictRow

from chalicelib.acceptance import line_of, operation_of
from chalicelib.backends.database import Transaction
from chalicelib.errors import NotFound
from chalicelib.limits import (
    CATALOGUE_COUNT_ROWS_MAX,
    SAMPLE_MATCHES_MIN,
    SAMPLE_PAGES,
    SEARCH_EDITS_MAX,
    WALK_ROWS_MAX,
)


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
_INDEXED = {
    "sku": "indexed_sku",
    "name": "indexed_name",
    "description": "indexed_description",
    "q": "indexed_text",
    "active": "indexed_active",
}
"""The same, asked of the copy."""


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


@dataclass(frozen=True)
class Place:
    """The part of a sorted list that is wanted: `limit` products after the key `after`, or before the key `before`."""

    sort: Sort
    limit: int
    after: int | str | None = None
    before: int | str | None = None

    @property
    def backwards(self) -> bool:
        """Whether it is read from its end."""
        return self.before is not None

    @property
    def key(self) -> int | str | None:
        """Where reading begins, not included; None for an end of the list."""
        return self.before if self.backwards else self.after

    def fragments(self) -> tuple[tuple[str, ...], str]:
        """The condition that begins at the key, and the order to read in."""
        go_on, order = _SEEKS[self.sort.key, self.sort.descending == self.backwards]
        return ((go_on,) if self.key is not None else ()), order

    def values(self) -> dict[str, Any]:
        """The values of these fragments."""
        return {"key": self.key, "limit": self.limit}


@dataclass(frozen=True)
class Found:
    """Products of one page, in the order of the list, and how many the whole list has.

    `index_is_current` is False while the copy lacks an import: what is found is the same, but rare words take longer.
    """

    products: list[DictRow]
    total: int
    total_is_estimate: bool = False
    index_is_current: bool = True


def find(transaction: Transaction, filters: Filters, place: Place) -> Found:
    """One page of the products that pass the filters."""
    given = filters.given()
    state = _search_state(transaction, given)
    found = _filtered(transaction, given, place, state) if given else _whole(transaction, place, state)
    return replace(found, index_is_current=state["ready"])


def _whole(transaction: Transaction, place: Place, state: DictRow) -> Found:
    return Found(_walk(transaction, {}, place), *_size(transaction, state))


def _filtered(transaction: Transaction, given: Mapping[str, Any], place: Place, state: DictRow) -> Found:
    by_index = state["ready"] and state["indexable"]
    common = _estimate_if_common(transaction, given, state["pages"])
    if common is not None:
        products = _walk(transaction, given, place, WALK_ROWS_MAX if by_index else None)
        if len(products) == place.limit or not by_index:
            return Found(products, max(common, len(products)), total_is_estimate=True)
    return _find_all(transaction, given, place, by_index=by_index)


def conditions(given: Iterable[str]) -> tuple[str, ...]:
    """The fragments that ask of a product `p` what the given filters ask."""
    return tuple(_CONDITIONS[name] for name in given)


def _walk(
    transaction: Transaction, given: Mapping[str, Any], place: Place, looked_at_max: int | None = None
) -> list[DictRow]:
    """Products in the order of the list, as many as are wanted; those among the next so many that people see."""
    go_on, order = place.fragments()
    names = ("shown_products", *go_on, *conditions(given), order, "limit_page")
    if looked_at_max is not None:
        names = ("walk", "shown_products", *go_on, order, "walk_filter", *conditions(given), order, "limit_page")
    found = transaction.composed(names, looked_at_max=looked_at_max, **place.values(), **given)
    return found[::-1] if place.backwards else found


def _find_all(transaction: Transaction, given: Mapping[str, Any], place: Place, *, by_index: bool) -> Found:
    """Finds every product that passes, counts them, and takes the page of them."""
    go_on, order = place.fragments()
    source: Sequence[str] = ("found_in_catalogue",)
    if by_index:
        source = ("found_in_copy", *(_INDEXED[name] for name in given), "found_beside_copy")
    transaction.run("with_indexes" if by_index else "in_parallel")
    names = (
        *source,
        *conditions(given),
        "matching_page",
        *go_on,
        order,
        "limit_page",
        "matching_page_end",
        order,
    )
    rows = transaction.composed(names, **place.values(), **given)
    products = [row for row in rows if row["id"] is not None]
    return Found(products[::-1] if place.backwards else products, rows[0]["total"])


def _search_state(transaction: Transaction, given: Mapping[str, Any]) -> DictRow:
    texts = [value for value in given.values() if isinstance(value, str)]
    state = transaction.one("search_state", texts=texts, edits_max=SEARCH_EDITS_MAX)
    assert state is not None
    return state


def _estimate_if_common(transaction: Transaction, given: Mapping[str, Any], pages: int) -> int | None:
    """How many products pass, to two digits, from a sample that has enough of them; None when it has too few."""
    if pages <= SAMPLE_PAGES:
        return None
    (sampled,) = transaction.composed(("sample", *conditions(given)), percent=100 * SAMPLE_PAGES / pages, **given)
    if sampled["matches"] < SAMPLE_MATCHES_MIN:
        return None
    return int(float(f"{sampled['matches'] * pages / SAMPLE_PAGES:.1e}"))


def _size(transaction: Transaction, state: DictRow) -> tuple[int, bool]:
    """How many products there are, and whether that is an estimate."""
    if state["ready"]:
        return state["shown"], False
    counted = transaction.one("count_shown", limit=CATALOGUE_COUNT_ROWS_MAX + 1)
    assert counted is not None
    if counted["counted"] <= CATALOGUE_COUNT_ROWS_MAX:
        return counted["counted"], False
    estimate = transaction.one("estimate_products")
    return max(CATALOGUE_COUNT_ROWS_MAX, estimate["estimated"] if estimate else 0), True


def sources(transaction: Transaction, found: Iterable[DictRow]) -> dict[int, Source]:
    """Where these products come from: content version → source. What an import wrote names its file and line."""
    versions = {int(row["content_version"]) for row in found}
    operations = sorted({operation_of(version) for version in versions})
    imports = {row["operation"]: row for row in transaction.all("imports_of_operations", operations=operations)}
    return {version: _source(version, imports.get(operation_of(version))) for version in versions}


def _source(version: int, found: Mapping[str, Any] | None) -> Source:
    line = line_of(version)
    return Source(line) if found is None else Source(line, str(found["id"]), found["filename"])
