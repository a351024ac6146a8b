"""An experiment: `product` in hash partitions by `sku_key`, compared with the table as it is, on one server.

    python -m tests.benchmark.partitions [--rows 500000] [--partitions 8]

Runs the importer's own statements, chunk by chunk in one session. Prints PostgreSQL's CPU seconds for each table, the
plans, and whether writers that overlap deadlock. A partitioned table cannot have `id` as its primary key, because each
unique index must contain the partition key: `sku_key` becomes the primary key, and the index of `id` is not unique.
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg

from chalicelib.backends import migrations
from chalicelib.csvfile.rows import Row
from chalicelib.importing import copy_text
from chalicelib.limits import BULK_DELETE_STEP_ROWS
from chalicelib.sql import query
from infra import entry
from infra.arguments import Parser, whole_number
from infra.local.client import demo_file
from infra.local.postgres.server import Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import free_port

CHUNK_ROWS = 14_000
PARTIAL_SHARE = 10
"""A partial file has one in this many products."""
LOOKUPS = 2_000
WRITERS, WRITER_ROUNDS, WRITER_ROWS = 4, 12, 3_000
ROWS_MAX, PARTITIONS_MAX = 50_000_000, 64

PARTITIONED = """
alter table product rename to product_whole;
create table product (like product_whole including defaults including generated) partition by hash (sku_key);
alter table product add primary key (sku_key);
alter table product alter id set default nextval('product_id_seq');
create index on product (id);
create index on product (id) where deleted;
"""
EMPTY = "truncate product, catalogue_change, product_change"

Chunk = Sequence[tuple[int, list[str]]]


@dataclass
class Table:
    """One session that writes the catalogue, whatever the catalogue consists of."""

    connection: psycopg.Connection[Any]
    operation: int = 0

    def load(self, chunk: Chunk) -> None:
        """Copies a chunk's rows into the temporary table, as an import does."""
        rows = (Row(line, sku, name, description, None) for line, (name, sku, description) in chunk)
        with self.connection.transaction():
            self.connection.execute(query("create_incoming"))
            self.connection.execute(query("empty_incoming"))
            with self.connection.cursor().copy(query("copy_incoming")) as copy:
                copy.write(copy_text.encode(rows, holds_delimiter=False))

    def write(self, statement: str, chunk: Chunk) -> None:
        """Writes a chunk by the statement, in a transaction of its own."""
        self.load(chunk)
        with self.connection.transaction():
            if statement == "merge_incoming":
                self.connection.execute(query("lock_in_order"))
            self.connection.execute(query(statement), {"operation": self.operation, "floor": 0})

    def run(self, statement: str, chunks: Sequence[Chunk]) -> float:
        """Writes a file. Returns the CPU seconds of the session's process in PostgreSQL."""
        self.operation += 1
        return sum(self.cpu(partial(self.write, statement, chunk)) for chunk in chunks)

    def cpu(self, work: Callable[[], Any]) -> float:
        """Returns the CPU seconds that the session's process takes for some work."""
        process = psutil.Process(self.connection.info.backend_pid)
        before = process.cpu_times()
        work()
        after = process.cpu_times()
        return after.user + after.system - before.user - before.system

    def one(self, statement: str, **parameters: Any) -> Any:
        """Returns the first value of a statement."""
        found = self.connection.execute(statement.encode(), parameters).fetchone()
        assert found is not None
        return found[0]


@contextmanager
def server(directory: Path) -> Iterator[Postgres]:
    """Starts a migrated server of its own."""
    logbook = LogBook(directory / "logs")
    postgres = Postgres(directory, free_port(), logbook, lambda _: None)
    try:
        postgres.wait_ready()
        migrations.migrate(postgres.owner_conninfo)
        yield postgres
    finally:
        postgres.stop()
        logbook.close()


def session(postgres: Postgres) -> Table:
    """Returns a session as the owner, without the time limits of the functions' roles."""
    return Table(psycopg.connect(postgres.owner_conninfo, autocommit=True))


def partition(table: Table, count: int) -> None:
    """Puts an empty partitioned table in the place of `product`."""
    table.connection.execute(PARTITIONED)
    for number in range(count):
        table.connection.execute(
            f"create table product_{number} partition of product for values with (modulus {count}, remainder {number})"
            " with (fillfactor = 50)".encode()
        )


def chunks_of(records: Sequence[list[str]]) -> list[Chunk]:
    """Cuts records into chunks with line numbers."""
    numbered = list(enumerate(records, 2))
    return [numbered[start : start + CHUNK_ROWS] for start in range(0, len(numbered), CHUNK_ROWS)]


def measure(table: Table, records: list[list[str]]) -> dict[str, float]:
    """Returns CPU seconds for each kind of work, and sizes."""
    random.seed(5)
    tenth = random.sample(records, len(records) // PARTIAL_SHARE)
    renamed = [[f"{name} (new)", sku, description] for name, sku, description in tenth]
    results: dict[str, float] = {}
    for statement in ("upsert_incoming", "merge_incoming"):
        table.connection.execute(EMPTY)
        table.connection.execute("vacuum analyze product")
        results[f"{statement}, first import"] = table.run(statement, chunks_of(records))
        table.connection.execute("vacuum analyze product")
        results[f"{statement}, again"] = table.run(statement, chunks_of(records))
        results[f"{statement}, a tenth, shuffled, renamed"] = table.run(statement, chunks_of(renamed))
    table.connection.execute("vacuum analyze product")
    ids = [table.one("select id from product order by id offset %(n)s limit 1", n=n * 50) for n in range(200)]
    lookup = "select p.* from product p, barrier b where p.id = %(id)s and not p.deleted and p.version >= b.floor"
    found = lambda: [table.one(lookup, id=random.choice(ids)) for _ in range(LOOKUPS)]  # noqa: E731
    results[f"{LOOKUPS:,} lookups by id"] = table.cpu(found)
    page = "select id from product where not deleted order by id desc limit 50"
    results["200 first pages by id"] = table.cpu(lambda: [table.one(page) for _ in range(200)])
    walk = "select count(*) from (select sku from product order by sku_key limit %(rows)s) p"
    results["walk by key"] = table.cpu(lambda: table.one(walk, rows=len(records)))
    return {**results, **deleted(table)}


def deleted(table: Table) -> dict[str, float]:
    """Removes all rows in the steps of a bulk delete, every second one by key. Returns the CPU seconds of both."""
    table.operation += 1
    given: dict[str, Any] = {"last_key": "", "operation": table.operation, "limit": BULK_DELETE_STEP_ROWS}
    steps = {"bulk delete, by id": query("delete_step")}
    steps["bulk delete, by key"] = steps["bulk delete, by id"].replace("p.id = d.id", "p.sku_key = d.sku_key")
    results = dict.fromkeys(steps, 0.0)
    while given["last_key"] is not None:
        for name, statement in steps.items():
            if given["last_key"] is not None:
                results[name] += table.cpu(partial(_step, table, statement, given))
    return results


def _step(table: Table, statement: str, given: dict[str, Any]) -> None:
    found = table.connection.execute(statement.encode(), given).fetchone()
    assert found is not None
    given["last_key"] = found[2]


def plan(table: Table, name: str, **parameters: Any) -> list[str]:
    """Returns the plan of a query, as lines."""
    with table.connection.transaction(force_rollback=True):
        table.connection.execute(query("lock_in_order"))
        lines = table.connection.execute(b"explain (costs off) " + query(name).encode(), parameters).fetchall()
        return [line for (line,) in lines]


def deadlocks(postgres: Postgres, records: list[list[str]]) -> int:
    """Lets several sessions write the same products in different orders. Returns how many deadlocks there were."""
    watcher = session(postgres)
    counted = "select deadlocks from pg_stat_database where datname = current_database()"
    before = int(watcher.one(counted))

    def write(seed: int) -> None:
        chosen = random.Random(seed)
        writer = session(postgres)
        for number in range(WRITER_ROUNDS):
            writer.operation = 1_000 + seed + WRITERS * number
            statement = chosen.choice(["merge_incoming", "upsert_incoming"])
            writer.write(statement, list(enumerate(chosen.sample(records, WRITER_ROWS), 2)))
            keys = [record[1].lower() for record in chosen.sample(records, 500)]
            with writer.connection.transaction():
                writer.connection.execute(query("lock_keys"), {"keys": keys})
        writer.connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    time.sleep(1)  # Statistics are reported once a second.
    return int(watcher.one(counted)) - before


def compared(postgres: Postgres, records: list[list[str]], partitions: int) -> Iterator[str]:
    """Measures the table as it is, then the partitioned one. Returns the lines to print."""
    table = session(postgres)
    whole = measure(table, records)
    partition(table, partitions)
    split = measure(table, records)
    yield f"| CPU seconds, {len(records):,} rows | one table | {partitions} partitions | ratio |"
    yield "| --- | --- | --- | --- |"
    for name, seconds in whole.items():
        yield f"| {name} | {seconds:.2f} | {split[name]:.2f} | {split[name] / max(seconds, 0.01):.2f} |"
    table.run("merge_incoming", chunks_of(records))
    table.connection.execute("vacuum analyze product")
    table.load(list(enumerate(records[:CHUNK_ROWS], 2)))
    given = {"operation": 99, "floor": 0, "keys": ["a", "b"], "last_key": "", "limit": BULK_DELETE_STEP_ROWS}
    for name in ("merge_incoming", "lock_keys", "delete_step"):
        yield f"\n{name}:\n"
        yield from (f"    {line}" for line in plan(table, name, **given))
    yield f"\nDeadlocks of writers that overlap: {deadlocks(postgres, records)}"


def main(arguments: list[str]) -> int:
    """Reads the command line, and prints what was measured."""
    parser = Parser(make="python -m tests.benchmark.partitions --rows 500000", description=__doc__)
    parser.add_argument("--rows", type=whole_number(CHUNK_ROWS, ROWS_MAX), default=500_000)
    parser.add_argument("--partitions", type=whole_number(2, PARTITIONS_MAX), default=8)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as created:
        directory = Path(created)
        file = directory / "products.csv"
        demo_file.write(file, given.rows)
        with file.open(newline="", encoding="utf-8") as lines:
            records = list(csv.reader(lines))[1:]
        with server(directory) as postgres:
            for line in compared(postgres, records, given.partitions):
                sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    entry.run(main)
