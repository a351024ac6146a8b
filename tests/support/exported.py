"""What tests of exports share: ask for one, carry it out, read its file."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Any

import requests

from chalicelib.catalogue import products
from chalicelib.catalogue.products import Content

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

HEADER = ["sku", "name", "description", "active"]


def export(pipeline: Pipeline, seconds: float = 60, **filters: object) -> dict[str, Any]:
    """An export from its request to its end. With little time, each invocation makes one step."""
    answer = pipeline.call("POST", "/exports", filters)
    assert answer.status == 202, answer.body
    return carry_out(pipeline, answer.json["id"], seconds)


def carry_out(pipeline: Pipeline, export_id: str, seconds: float = 60) -> dict[str, Any]:
    """Delivers messages as long as there are some. Progress never goes back, and is 100 at the end only."""
    percent = 0.0
    while message := pipeline.receive("exports"):
        pipeline.deliver("export_products", message, seconds)
        seen = show(pipeline, export_id).json
        assert seen["percent"] >= percent
        assert (seen["percent"] == 100) == (seen["status"] == "completed")
        percent = seen["percent"]
    found: dict[str, Any] = show(pipeline, export_id).json
    return found


def show(pipeline: Pipeline, export_id: str) -> Answer:
    return pipeline.call("GET", f"/exports/{export_id}")


def downloaded(found: dict[str, Any]) -> bytes:
    answer = requests.get(found["download"]["url"], timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"] == f'attachment; filename="products-{found["id"]}.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(answer.content) == found["size_bytes"]
    return answer.content


def rows_of(content: bytes) -> list[list[str]]:
    header, *rows = csv.reader(StringIO(content.decode(), newline=""))
    assert header == HEADER
    return rows


def skus(found: dict[str, Any]) -> list[str]:
    rows = rows_of(downloaded(found))
    assert found["rows"] == len(rows)
    return [row[0] for row in rows]


def add(pipeline: Pipeline, *contents: Content) -> None:
    for content in contents:
        products.create(pipeline.backends, content)


def add_long_products(pipeline: Pipeline, count: int) -> None:
    """Products whose descriptions are as long as they may be, with an operation of their own."""
    pipeline.sql(
        "insert into product (sku, name, description, active, version, name_version, description_version,"
        " active_version, content_version)"
        " select 'P-' || n, 'name ' || n, repeat('0123456789abcde\n', 4096), true, v, v, v, v, v"
        " from generate_series(1, %s) n, (select nextval('operation') << 32 as v) one",
        count,
    )
