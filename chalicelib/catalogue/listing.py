"""Reads the catalogue: one product, filtered and sorted pages of products, and how many there are.

This is the read model: it writes nothing and does not know the acceptance order. Statements are composed of the named
fragments in listing.sql; values are always bound.

A page is found in one of three ways. Without filters, an index gives it in order. With filters, a sample of the table
shows whether matching products are common. If they are, walking through the catalogue in order soon fills a page. If
they are rare, all of them are looked up in the search index, or in the whole catalogue while the index is behind. Texts
are folded before they are compared, so where they are read makes no difference; the index has them folded already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from chalicelib.backends.database import Transaction
from chalicelib.catalogue import change_record
from chalicelib.catalogue.products import Product
from chalicelib.errors import NotFound
from chalicelib.limits import (
    SAMPLE_FACTOR,
    SAMPLE_FEW_PAGES,
    SAMPLE_MATCHES_MIN,
    SAMPLE_MATCHES_SURE,
    SAMPLE_PAGES,
    SAMPLE_SEED,
    SEARCH_CHANGES_MAX,
    WALK_ROWS_MAX,
)


@dataclass(frozen=True)
class Filters:
    """Which products to list; None and a blank text do not filter. Texts match as substrings, without wildcards.

    A text is trimmed and compared as SKUs are: upper and lower case are the same, and so are composed and decomposed
    letters. `q` matches in the SKU, the name or the description.
    """

    sku: str | None = None
    name: str | None = None
    description: str | None = None
    q: str | None = None
    active: bool | None = None

    def given(self) -> dict[str, str | bool]:
        """Returns the filters that are set, as they were given: the database trims the others, too."""
        filters = asdict(self).items()
        return {name: value for name, value in filters if value is not None and not _is_blank(value)}


def _is_blank(value: str | bool) -> bool:
    """Whether the database would trim it to nothing: it trims what Python does."""
    return isinstance(value, str) and not value.strip()


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
"""The same filters on the search index."""
_LOOKED_UP = {**_INDEXED, "sku": "looked_up_sku"}
"""The same when the trigrams in the index are used."""


@dataclass(frozen=True)
class Sort:
    """An order of the catalogue. `key` is the column that it sorts by; no two products share a value of it."""

    key: Literal["id", "sku_key"]
    descending: bool

    def key_of(self, product: Product) -> int | str:
        """Returns the value that places a product in this order."""
        return product.id if self.key == "id" else product.sku_key


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
"""(key column, upwards): the condition that continues after a key, and the order to read in."""


@dataclass(frozen=True)
class _SearchState:
    """What decides how a page is found; see the query `search_state`."""

    ready: bool
    """Whether the search index, with the changes that it lacks, covers every product."""
    indexable: bool
    """Whether the index can narrow down this search."""
    pages: int
    """The size of the table."""


@dataclass(frozen=True)
class _Sample:
    """How many products of a sample pass the filters, and how many it has in all."""

    matches: int
    rows: int


@dataclass(frozen=True)
class _Match(Product):
    """A product, and how many match in all. An empty page is one row without a product: its other columns are null."""

    total: int
    has_product: bool


def get(transaction: Transaction, product_id: int) -> Product:
    """Returns one product. Raises NotFound."""
    products = transaction.composed(("shown_products", "with_id"), Product, id=product_id)
    if not products:
        raise NotFound(f"there is no product {product_id}")
    return products[0]


@dataclass(frozen=True)
class Place:
    """Which part of a sorted list to read: `limit` products after the key `after`, or before the key `before`."""

    sort: Sort
    limit: int
    after: int | str | None = None
    before: int | str | None = None

    @property
    def backwards(self) -> bool:
        """Whether the part is read from its end."""
        return self.before is not None

    @property
    def key(self) -> int | str | None:
        """The key that reading starts from, exclusive; None at either end of the list."""
        return self.before if self.backwards else self.after

    def fragments(self) -> tuple[tuple[str, ...], str]:
        """Returns the condition that starts at the key, and the order to read in."""
        seek, order = _SEEKS[self.sort.key, self.sort.descending == self.backwards]
        return ((seek,) if self.key is not None else ()), order

    def values(self) -> dict[str, Any]:
        """Returns the parameters of these fragments."""
        return {"key": self.key, "limit": self.limit}


@dataclass(frozen=True)
class Results:
    """The products of one page, in the order of the list, and how many products the whole list has.

    `index_is_current` is False while the search index lacks much: results are the same, but rare words are slow.
    """

    products: list[Product]
    total: int
    total_is_estimate: bool = False
    index_is_current: bool = True


def find(transaction: Transaction, filters: Filters, place: Place) -> Results:
    """Returns one page of the products that pass the filters."""
    given = filters.given()
    state = _search_state(transaction, given)
    results = _filtered(transaction, given, place, state) if given else _whole(transaction, place)
    return replace(results, index_is_current=state.ready)


def _whole(transaction: Transaction, place: Place) -> Results:
    return Results(_walk(transaction, {}, place), change_record.total(transaction))


def _filtered(transaction: Transaction, given: Mapping[str, Any], place: Place, state: _SearchState) -> Results:
    by_index = state.ready and state.indexable
    estimate = _estimate_if_common(transaction, given, state)
    if estimate is not None:
        products = _walk(transaction, given, place, WALK_ROWS_MAX if by_index else None)
        if len(products) == place.limit or not by_index:
            return Results(products, max(estimate, len(products)), total_is_estimate=True)
    return _find_all(transaction, given, place, state)


def conditions(given: Iterable[str]) -> tuple[str, ...]:
    """Returns the fragments that apply the given filters to a product `p`."""
    return tuple(_CONDITIONS[name] for name in given)


def _indexed(given: Iterable[str], fragments: Mapping[str, str] = _INDEXED) -> tuple[str, ...]:
    """Returns the fragments that apply the given filters to an entry `s` of the search index."""
    return tuple(fragments[name] for name in given)


def _walk(
    transaction: Transaction, given: Mapping[str, Any], place: Place, looked_at_max: int | None = None
) -> list[Product]:
    """Returns the next products in the order of the list, out of at most `looked_at_max` visible ones."""
    seek, order = place.fragments()
    names = ("shown_products", *seek, *conditions(given), order, "limit_page")
    if looked_at_max is not None:
        names = ("walk", "shown_products", *seek, order, "walk_filter", *conditions(given), order, "limit_page")
    products = transaction.composed(names, Product, looked_at_max=looked_at_max, **place.values(), **given)
    return products[::-1] if place.backwards else products


def _find_all(transaction: Transaction, given: Mapping[str, Any], place: Place, state: _SearchState) -> Results:
    """Finds every product that passes the filters, counts them, and returns one page of them."""
    seek, order = place.fragments()
    source: Sequence[str] = ("found_in_catalogue", *conditions(given))
    if state.ready:
        indexed = ("found_in_index", "indexed_products", *_indexed(given, _LOOKED_UP if state.indexable else _INDEXED))
        changed = ("found_in_changes", "unindexed_keys", "found_in_both", *conditions(given), "found_in_both_end")
        source = (*indexed, *changed)
    transaction.run("with_indexes" if state.ready and state.indexable else "in_parallel")
    names = (
        *source,
        "matching_page",
        *seek,
        order,
        "limit_page",
        "matching_page_end",
        order,
    )
    few = {"few_percent": _percent(state, SAMPLE_FEW_PAGES), "seed": SAMPLE_SEED}
    matches = transaction.composed(names, _Match, **few, **place.values(), **given)
    products: list[Product] = [match for match in matches if match.has_product]
    return Results(products[::-1] if place.backwards else products, matches[0].total)


def _search_state(transaction: Transaction, given: Mapping[str, Any]) -> _SearchState:
    texts = [value for value in given.values() if isinstance(value, str)]
    return transaction.row("search_state", _SearchState, texts=texts, changes_max=SEARCH_CHANGES_MAX)


def _estimate_if_common(transaction: Transaction, given: Mapping[str, Any], state: _SearchState) -> int | None:
    """Estimates from a sample how many products pass, to two digits. None when the sample has too few of them.

    If it has enough to tell that they are common, but not how common, a larger sample decides.
    """
    if state.pages <= SAMPLE_PAGES:
        return None
    sample = _sample(transaction, given, state, SAMPLE_PAGES)
    if sample.matches < SAMPLE_MATCHES_MIN:
        return None
    if sample.matches < SAMPLE_MATCHES_SURE:
        sample = _sample(transaction, given, state, SAMPLE_FACTOR * SAMPLE_PAGES)
    return int(float(f"{change_record.total(transaction) * sample.matches / sample.rows:.1e}"))


def _sample(transaction: Transaction, given: Mapping[str, Any], state: _SearchState, pages: int) -> _Sample:
    by_index = ("sample_index", *_indexed(given), "sample_index_end")
    names = by_index if state.ready else ("sample", *conditions(given), "sample_end")
    percent = _percent(state, pages)
    (sample,) = transaction.composed(names, _Sample, percent=percent, seed=SAMPLE_SEED, **given)
    return sample


def _percent(state: _SearchState, pages: int) -> float:
    """Returns which share of the table this many pages are, in percent."""
    return min(100.0, 100 * pages / max(1, state.pages))
