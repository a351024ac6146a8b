"""Loads a CSV file with pyarrow and pgpq, then the plain upsert: what a careful person can install with pip today.

    python rival_arrow.py FILE CONNECTION < upsert.sql

It runs in the rivals' environment, and imports nothing of this project. The upsert comes from tests/benchmark/psql.py.
"""

from __future__ import annotations

import sys

import psycopg
import pyarrow as pa
import pyarrow.csv
from pgpq import ArrowToPostgresBinaryEncoder

COLUMNS = ("name", "sku", "description")
BLOCK_BYTES = 4 << 20
BATCH_ROWS = 20_000


def main(file: str, connection_string: str, script: str) -> None:
    """Parses in threads, copies in binary into the script's temporary table, and runs the rest of the script."""
    create, upsert = script.split(";\n", 1)
    table = _read(file)
    encoder = ArrowToPostgresBinaryEncoder(table.schema)
    columns = ", ".join(table.column_names)
    with psycopg.connect(connection_string) as connection, connection.cursor() as cursor:
        cursor.execute(create.encode())
        with cursor.copy(f"copy plain_incoming ({columns}) from stdin with (format binary)".encode()) as copy:
            copy.write(encoder.write_header())
            for batch in table.to_batches(max_chunksize=BATCH_ROWS):
                copy.write(encoder.write_batch(batch))
            copy.write(encoder.finish())
        cursor.execute(upsert.encode())


def _read(file: str) -> pa.Table:
    with open(file, encoding="utf-8") as text:  # noqa: PTH123  no project code, no needless imports
        header = text.readline().rstrip("\r\n").split(",")
    wanted = [name for name in COLUMNS if name in header]
    return pyarrow.csv.read_csv(
        file,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted, strings_can_be_null=False, column_types=dict.fromkeys(wanted, pa.string())
        ),
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.stdin.read())
