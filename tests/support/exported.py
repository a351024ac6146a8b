"""What tests of exports share: request one, carry it out, read its file."""

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
    """Requests an export and carries it out. With little time, each invocation takes one step."""
    answer = pipeline.call("POST", "/exports", filters)
    assert answer.status == 202, answer.body
    return carry_out(pipeline, answer.json["id"], seconds)


def carry_out(pipeline: Pipeline, export_id: str, seconds: float = 60) -> dict[str, Any]:
    """Delivers messages until none are left. Checks that progress never goes back, and is 100 only at the end."""
    percent = 0.0
    while message := pipeline.receive("exports"):
        pipeline.deliver("export_products", message, seconds)
        seen = show(pipeline, export_id).json
        assert seen["percent"] >= percent
        assert (seen["percent"] == 100) == (seen["status"] == "completed")
        percent = seen["percent"]
    ended: dict[str, Any] = show(pipeline, export_id).json
    return ended


def show(pipeline: Pipeline, export_id: str) -> Answer:
    return pipeline.call("GET", f"/exports/{export_id}")


def downloaded(export: dict[str, Any]) -> bytes:
    answer = requests.get(export["download"]["url"], timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"] == f'attachment; filename="products-{export["id"]}.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(answer.content) == export["size_bytes"]
    return answer.content


def rows_of(content: bytes) -> list[list[str]]:
    header, *rows = csv.reader(StringIO(content.decode(), newline=""))
    assert header == HEADER
    return rows


def skus(export: dict[str, Any]) -> list[str]:
    rows = rows_of(downloaded(export))
    assert export["rows"] == len(rows)
    return [row[0] for row in rows]


def add(pipeline: Pipeline, *contents: Content) -> None:
    for content in contents:
        products.create(pipeline.backends, content)


def add_long_products(pipeline: Pipeline, count: int) -> None:
    """Adds products with descriptions of maximum length, all by one operation."""
    pipeline.sql(
        "insert into product (sku, sku_key, name, description, active, version, name_version, description_version,"
        " active_version, content_version)"
        " select 'P-' || n, 'p-' || n, 'name ' || n, repeat('0123456789abcde\n', 4096), true, v, v, v, v, v"
        " from generate_series(1, %s) n, (select version_at(nextval('operation'), 0) as v) one",
        count,
    )
