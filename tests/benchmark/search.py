"""How long a list of products takes over a full catalogue: the SQL of the API alone, and over HTTP."""

from __future__ import annotations

import base64
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import requests
from psycopg.rows import scalar_row

from chalicelib.backends.database import Database
from chalicelib.catalogue import listing
from chalicelib.catalogue.listing import SORTS, Filters, Place
from chalicelib.limits import PAGE_ITEMS_DEFAULT
from infra.local.stack_file import StackFile

REPEATS = 20
HTTP_SECONDS_MAX = 60
DEEP = 0.9
"""How far into the catalogue the deep page is."""

CASES: dict[str, tuple[str, Filters, float]] = {
    "first page": ("-id", Filters(), 0.0),
    "deep page": ("-id", Filters(), DEEP),
    "first page by SKU": ("sku", Filters(), 0.0),
    "SKU begins with": ("sku", Filters(sku="SKU-0001"), 0.0),
    "name contains a common word": ("-id", Filters(name="kettle"), 0.0),
    "name contains a common word beyond ASCII": ("-id", Filters(name="GRO\u0308ßERE"), 0.0),
    "name contains two letters that no name has": ("-id", Filters(name="zq"), 0.0),
    "name contains a rare number": ("-id", Filters(name="Lamp 777"), 0.0),
    "description contains a common word": ("-id", Filters(description="oak"), 0.0),
    "description contains nothing like it": ("-id", Filters(description="unobtainium"), 0.0),
    "any text contains a part of a SKU": ("-id", Filters(q="00012"), 0.0),
    "any text, nothing like it": ("-id", Filters(q="unobtainium"), 0.0),
    "inactive, with a common word": ("sku", Filters(name="kettle", active=False), 0.0),
    "inactive": ("-id", Filters(active=False), 0.0),
}
"""Sort, filters, and where in the list the page begins."""


def measure(stack: StackFile) -> list[list[Any]]:
    """Returns for each case the milliseconds of a page (median, 95th percentile), by SQL and by HTTP, and the total."""
    database = Database(stack.conninfos["api"])
    try:
        return [[name, *_case(stack, database, *case)] for name, case in CASES.items()]
    finally:
        database.close()


def _case(stack: StackFile, database: Database, sort_name: str, filters: Filters, start: float) -> list[Any]:
    sort = SORTS[sort_name]
    place = Place(sort, PAGE_ITEMS_DEFAULT + 1, after=_key_at(database, start) if start else None)
    query: dict[str, Any] = {"sort": sort_name, **filters.given()}
    if filters.active is not None:
        query["active"] = str(filters.active).lower()
    if place.after is not None:
        position = json.dumps({"after": place.after, "sort": sort_name}).encode()
        query["cursor"] = base64.urlsafe_b64encode(position).decode().rstrip("=")
    total = ""

    def by_sql() -> None:
        nonlocal total
        with database.transaction() as transaction:
            results = listing.find(transaction, filters, place)
        total = f"{'about ' if results.total_is_estimate else ''}{results.total:,}"

    def by_http() -> None:
        headers = {"Authorization": f"Bearer {stack.token}"}
        answer = session.get(f"{stack.url}/api/products", params=query, headers=headers, timeout=HTTP_SECONDS_MAX)
        answer.raise_for_status()

    with requests.Session() as session:
        return [*_times(by_sql), *_times(by_http), total]


def _times(request: Callable[[], None]) -> tuple[float, float]:
    """Returns the milliseconds of a request: the median and the 95th percentile."""
    milliseconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        request()
        milliseconds.append((time.perf_counter() - started) * 1000)
    return statistics.median(milliseconds), statistics.quantiles(milliseconds, n=20)[-1]


def _key_at(database: Database, start: float) -> int:
    with database.transaction() as transaction:
        cursor = transaction.cursor.connection.cursor(row_factory=scalar_row)
        (key,) = cursor.execute("select min(id) + ((max(id) - min(id)) * %s)::bigint from product", [1 - start])
    return int(key)
