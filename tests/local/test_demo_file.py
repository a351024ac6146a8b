"""Demo files: the same on every machine, and like real exports."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from infra.local.client import demo_file

ROWS = 30_000


def test_a_demo_file_has_the_shape_of_a_real_export(tmp_path: Path) -> None:
    file = tmp_path / "demo.csv"
    distinct = demo_file.write(file, ROWS)
    assert file.stat().st_mode & 0o777 == 0o600
    raw = file.read_bytes()
    header, *rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    assert header == ["name", "sku", "description"]
    assert len(rows) == ROWS
    assert {len(row) for row in rows} == {3}
    assert not raw.endswith(b"\n")
    assert raw.count(b"\r\n") == ROWS
    spanning = sum("\n" in description for _, _, description in rows)
    assert spanning == ROWS // demo_file.SPANNING_EVERY
    skus = [sku for _, sku, _ in rows]
    assert len({sku.lower() for sku in skus}) == distinct < ROWS
    assert len(set(skus)) == ROWS, "duplicates differ in case"


def test_a_demo_file_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        demo_file.write(tmp_path / name, 1_000)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
