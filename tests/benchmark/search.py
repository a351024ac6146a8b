"""How long people wait for a list of products: the SQL alone, as the API runs it, over a full catalogue."""

from __future__ import annotations

import statistics
import time
from typing import Any

from chalicelib import catalogue
from chalicelib.catalogue import SORTS, Filters
from chalicelib.database import Database, Transaction
from chalicelib.limits import PAGE_ITEMS_DEFAULT

LOOKS = 20
DEEP = 0.9
"""How far into the catalogue the deep page lies."""

CASES: dict[str, tuple[str, Filters, float]] = {
    "first page": ("-id", Filters(), 0.0),
    "deep page": ("-id", Filters(), DEEP),
    "first page by SKU": ("sku", Filters(), 0.0),
    "SKU contains a prefix": ("sku", Filters(sku="SKU-0000"), 0.0),
    "name contains a common word": ("-id", Filters(name="kettle"), 0.0),
    "name contains a rare number": ("-id", Filters(name="Lamp 777"), 0.0),
    "description contains a common word": ("-id", Filters(description="oak"), 0.0),
    "description contains nothing like it": ("-id", Filters(description="unobtainium"), 0.0),
    "any text, nothing like it": ("-id", Filters(q="unobtainium"), 0.0),
}
"""Sort, filters, and where in the list the page begins."""


def measure(conninfo: str) -> list[list[Any]]:
    """For each case, milliseconds of the page (median, 95th percentile) and of its total (median)."""
    database = Database(conninfo)
    try:
        return [[name, *_case(database, *case)] for name, case in CASES.items()]
    finally:
        database.close()


def _case(database: Database, sort_name: str, filters: Filters, start: float) -> tuple[float, float, float]:
    sort = SORTS[sort_name]
    after = None
    if start:
        with database.transaction() as transaction:
            transaction.cursor.execute(
                "select min(id) + ((max(id) - min(id)) * %s)::bigint as id from product", [1 - start]
            )
            row = transaction.cursor.fetchone()
            assert row is not None
            after = int(row["id"])
    pages, totals = [], []
    for _ in range(LOOKS):
        with database.transaction() as transaction:
            pages.append(_page(transaction, filters, sort, after))
            started = time.perf_counter()
            catalogue.count(transaction, filters)
            totals.append((time.perf_counter() - started) * 1000)
    return statistics.median(pages), statistics.quantiles(pages, n=20)[-1], statistics.median(totals)


def _page(transaction: Transaction, filters: Filters, sort: catalogue.Sort, after: int | None) -> float:
    started = time.perf_counter()
    catalogue.read(transaction, filters, sort, PAGE_ITEMS_DEFAULT + 1, after=after)
    return (time.perf_counter() - started) * 1000
