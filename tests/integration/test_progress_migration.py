"""Imports that run while a deployment migrates: the previous version finishes chunks, and the counts stay right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from chalicelib.backends import migrations
from chalicelib.sql import query
from infra.local.testing import Services

OLD_FINISH_CHUNK = """
    update chunk
    set done = true, done_at = now(), created = 5, updated = 1, unchanged = 2, superseded = 3, rejected = 1,
        rejected_stored = 1, rejected_stored_bytes = 30
    where import_id = %s and number = %s
"""
"""How the version before the counts on the import's row finishes a chunk."""
OLD_SUMS = "select s.* from import i cross join lateral import_sums(i.id) s"
"""How it reads the progress."""
COUNTS = """
    select chunks_sent, chunks_done, sum_bytes, sum_created, sum_updated, sum_unchanged, sum_superseded, sum_rejected,
           sum_rejected_stored, sum_rejected_stored_bytes
    from import
"""
CHUNKS, CHUNK_BYTES = 5, 100
FINISHED = {"created": 5, "updated": 1, "unchanged": 2, "superseded": 3, "rejected": 1}
Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture
def connection(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """A database of the version before, with an import of five chunks: two are done, a third one is sent."""
    name = "before_progress"
    with psycopg.connect(services.owner_conninfo, autocommit=True) as server:
        server.execute(f"drop database if exists {name} with (force)".encode())
        server.execute(f"create database {name}".encode())
    conninfo = make_conninfo(services.owner_conninfo, dbname=name)
    every = migrations._migrations
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_migrations", lambda: [each for each in every() if each[0] < "0017"])
        migrations.migrate(conninfo)
    with psycopg.connect(conninfo, autocommit=True, row_factory=dict_row) as opened:
        opened.execute(
            "insert into import (status, operation, filename, bucket, object_key, size_bytes, header, chunk_count,"
            " attempt_started_at, advanced_at)"
            f" values ('processing', 1, 'a.csv', 'files', 'uploads/a', 1000, '{{}}', {CHUNKS}, now(), now())".encode()
        )
        opened.execute(
            "insert into chunk (import_id, number, start_byte, end_byte, first_line, oversized, regular, sent_at)"
            f" select id, n, n * {CHUNK_BYTES}, (n + 1) * {CHUNK_BYTES}, 1, false, true,"
            f" case when n < 3 then now() end from import, generate_series(0, {CHUNKS - 1}) n".encode()
        )
        finish_as_before(opened, 0)
        finish_as_before(opened, 1)
        yield opened


def finish_as_before(connection: Connection, number: int) -> None:
    connection.execute(OLD_FINISH_CHUNK, [_import_id(connection), number])


def finish(connection: Connection, number: int) -> None:
    parameters = {"import_id": _import_id(connection), "number": number, "window": 1, "refill": 1, "step_seconds": 10}
    with connection.transaction():
        connection.execute(query("finish_chunk"), {**parameters, **FINISHED, "stored_rows": 1, "stored_bytes": 30})


def _import_id(connection: Connection) -> object:
    row = connection.execute("select id from import").fetchone()
    assert row is not None
    return row["id"]


def assert_counted(connection: Connection, done: int, sent: int) -> None:
    row = connection.execute(COUNTS).fetchone()
    sums = {f"sum_{name}": done * each for name, each in FINISHED.items()}
    stored = {"sum_rejected_stored": done, "sum_rejected_stored_bytes": 30 * done}
    expected = {"chunks_sent": sent, "chunks_done": done, "sum_bytes": done * CHUNK_BYTES, **sums, **stored}
    assert row == expected


def test_chunks_of_both_versions_are_counted_once_while_a_deployment_runs(
    services: Services, connection: Connection
) -> None:
    conninfo = make_conninfo(services.owner_conninfo, dbname=connection.info.dbname)

    assert "0017_progress.sql" in migrations.migrate(conninfo, contract=False)
    assert_counted(connection, done=2, sent=3)
    finish_as_before(connection, 2)
    assert_counted(connection, done=3, sent=3)
    finish(connection, 3)
    assert_counted(connection, done=4, sent=5)
    read = connection.execute(OLD_SUMS).fetchone()
    assert read is not None
    assert {name: read[name] for name in FINISHED} == {name: 4 * each for name, each in FINISHED.items()}
    assert read["done_bytes"] == 4 * CHUNK_BYTES

    assert "0017_progress_contract.sql" in migrations.migrate(conninfo)
    finish(connection, 4)
    assert_counted(connection, done=5, sent=5)
