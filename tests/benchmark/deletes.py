"""Deletes all products: through the API on the running stack, and by psql with the same role and table, in turn.

Before each measurement the table is filled from a saved table. The time for that does not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from infra.local.processes.deadline import wait_until
from tests.benchmark.imports import RESPONSE_SECONDS_MAX, Stack
from tests.benchmark.psql import Psql
from tests.benchmark.report import RATIO_HEADER, Bench, ratios

END_SECONDS_MAX = 300.0
COLUMNS = (
    "id, sku, sku_key, name, description, active, deleted, version, name_version, description_version, active_version,"
    " content_version, created_at, updated_at"
)
"""The columns of product."""


@dataclass
class Deleted:
    """What one way of deleting all products took, run by run."""

    seconds: list[float] = field(default_factory=list)
    log_megabytes: list[float] = field(default_factory=list)


def save(stack: Stack) -> None:
    """Saves the catalogue, and lets the functions' role truncate it: psql uses the same role."""
    stack.database.execute("create table saved_product as table product")
    stack.database.execute("grant truncate on product to importer")


def forget(stack: Stack) -> None:
    """Undoes `save`."""
    stack.database.execute("drop table saved_product")
    stack.database.execute("revoke truncate on product from importer")


def measure(stack: Stack, runs: int) -> dict[str, Deleted]:
    """Measures each way in turn. A bulk delete has two times: until no product is visible, and until no row is left."""
    psql = Psql(stack.stack.file.conninfos["importer"])
    results = {name: Deleted() for name in ("API, list empty", "API, completed", "psql, DELETE", "psql, TRUNCATE")}
    for _ in range(runs):
        _fill(stack)
        began = stack.log_bytes()
        empty, completed = _through_the_api(stack)
        results["API, list empty"].seconds.append(empty)
        results["API, completed"].seconds.append(completed)
        results["API, completed"].log_megabytes.append((stack.log_bytes() - began) / 1_000_000)
        for name, statement in (("psql, DELETE", "delete from product"), ("psql, TRUNCATE", "truncate product")):
            _fill(stack)
            began = stack.log_bytes()
            results[name].seconds.append(psql.statement(statement))
            results[name].log_megabytes.append((stack.log_bytes() - began) / 1_000_000)
            assert _rows(stack) == 0
    return results


def _fill(stack: Stack) -> None:
    stack.clear()
    stack.database.execute("update barrier set floor = 0")
    stack.database.execute(f"insert into product ({COLUMNS}) select {COLUMNS} from saved_product order by id".encode())
    stack.database.execute("vacuum analyze product")
    stack.database.execute("checkpoint")


def _through_the_api(stack: Stack) -> tuple[float, float]:
    """Returns seconds from the request until the list is empty, and until the bulk delete is completed."""
    began = time.perf_counter()
    accepted = _call(stack, "POST", "/bulk-deletes", {"confirm": "DELETE ALL"})
    assert _call(stack, "GET", "/products")["total"] == 0
    empty = time.perf_counter() - began
    # Polls the database: polling the API would slow down the bulk delete.
    ended: Callable[[], bool] = lambda: _status(stack, accepted["id"]) not in {"pending", "processing"}  # noqa: E731
    wait_until(ended, END_SECONDS_MAX, "the end of the bulk delete")
    completed = time.perf_counter() - began
    assert (_status(stack, accepted["id"]), _rows(stack)) == ("completed", 0)
    return empty, completed


def _call(stack: Stack, method: str, path: str, body: Any = None) -> dict[str, Any]:
    url, headers = f"{stack.stack.file.url}/api{path}", {"Authorization": f"Bearer {stack.stack.file.token}"}
    answer = requests.request(method, url, json=body, headers=headers, timeout=RESPONSE_SECONDS_MAX)
    answer.raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


def _status(stack: Stack, bulk_delete_id: str) -> str:
    found = stack.database.execute("select status::text from bulk_delete where id = %s", [bulk_delete_id]).fetchone()
    assert found is not None
    return str(found[0])


def _rows(stack: Stack) -> int:
    found = stack.database.execute("select count(*) from product").fetchone()
    assert found is not None
    return int(found[0])


def bulk_deletes(bench: Bench, stack: Stack) -> None:
    """Deleting all products, compared with psql."""
    stack.clear()
    stack.run(bench.file("plain"))
    save(stack)
    results = measure(stack, bench.runs)
    forget(stack)
    lines: list[list[Any]] = []
    for name, each in results.items():
        log = statistics.median(each.log_megabytes) if each.log_megabytes else "–"
        lines.append([name, statistics.median(each.seconds), min(each.seconds), max(each.seconds), log])
    bench.show("Bulk delete", ["what", "median, s", "min", "max", "log, MB"], lines)
    pairs = [(one, other) for other in ("psql, DELETE", "psql, TRUNCATE") for one in results if one.startswith("API")]
    seconds = {name: each.seconds for name, each in results.items()}
    bench.show("Bulk delete: ratios, pair by pair", RATIO_HEADER, ratios(seconds, pairs))
