"""Who writes the key of a product, and who packs versions: the named queries that are known to do it right."""

from __future__ import annotations

import re
from pathlib import Path

from chalicelib.sql import queries

ROOT = Path(__file__).parents[2]
WRITES = re.compile(r"\b(insert into|merge into|update) product\b(?!_)")
INSERTS = re.compile(r"\binsert (?:into product as p )?\(([^)]*)\)")


def _writers() -> dict[str, str]:
    return {name: text for name, text in queries().items() if WRITES.search(text)}


def test_only_known_queries_write_products_and_those_that_insert_write_the_key() -> None:
    writers = _writers()
    assert set(writers) == {"merge_incoming", "upsert_incoming", "put_product", "edit_product", "bury_product"}
    inserting = {name for name, text in writers.items() if "insert (" in text or "insert into product as p" in text}
    assert inserting == {"merge_incoming", "upsert_incoming", "put_product"}
    for name in inserting:
        columns = [INSERTS.search(text) for text in [writers[name]]]
        assert all(found and "sku_key" in found[1] for found in columns), name


def test_no_query_sets_the_key_of_a_product_that_exists() -> None:
    for name, text in _writers().items():
        assert not re.search(r"\bset\b[^;]*\bsku_key\s*=", text.split("where")[0]), name
        assert not re.search(r"\n\s*sku_key\s*=", text), name


def test_only_functions_of_the_database_pack_versions() -> None:
    for name, text in queries().items():
        assert not re.search(r"<<|[^-]>>|\bversion_of\(|\bnext_operation\(", text), name
    for file in (ROOT / "chalicelib").rglob("*.py"):
        assert not re.search(r"(version|operation)\w* *(<<|>>)", file.read_text("utf-8")), file
