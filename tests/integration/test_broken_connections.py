"""Connections that break: replaced unnoticed between transactions; Transient inside one, and nothing is repeated."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chalicelib.backends.database import Database, Transaction
from chalicelib.errors import Transient
from chalicelib.fault_points import switched_on
from chalicelib.limits import CONNECTION_PROBE_SECONDS, CONNECTION_UNANSWERED_SECONDS_MAX
from functions.invocations import InvocationFailed
from infra.local.postgres.server import Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import free_port
from infra.local.testing import Services
from infra.project import ROOT
from tests.support.log_lines import caught, with_message

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

ENDED_MILLISECONDS_MAX = 5_000
REPLACED = "a broken connection to PostgreSQL was replaced"


@pytest.fixture
def database(services: Services) -> Iterator[Database]:
    """A connection that was used before, and is idle."""
    made = Database(services.together_conninfo)
    with made.transaction() as transaction:
        transaction.run("ping")
    yield made
    made.close()


def _end_sessions(services: Services) -> None:
    """Ends the sessions, as a restart, a failover, or an idle time-out of a proxy does."""
    with psycopg.connect(services.owner_conninfo) as owner:
        ended = owner.execute(
            "select pg_terminate_backend(pid, %s) from pg_stat_activity where usename <> current_user",
            [ENDED_MILLISECONDS_MAX],
        ).fetchall()
    assert {each[0] for each in ended} == {True}


def _at(point: str, work: Callable[[], None]) -> Callable[[str], None]:
    """For `switched_on`: does something the first time a point is reached."""
    waiting = [work]

    def reach(name: str) -> None:
        if name == point and waiting:
            waiting.pop()()

    return reach


def _backend(database: Database) -> int:
    with database.transaction() as transaction:
        return transaction.cursor.connection.info.backend_pid


def _add_event(transaction: Transaction, key: str) -> None:
    transaction.run("add_event", dedupe_key=key, type="test", payload=json.dumps({}))


def test_a_request_survives_a_connection_that_broke_before_it(pipeline: Pipeline) -> None:
    assert pipeline.call("GET", "/products").status == 200
    _end_sessions(pipeline.services)
    with caught(level=logging.INFO) as lines:
        assert pipeline.call("POST", "/products", {"sku": "A-1", "name": "a"}).status == 201
    assert len(with_message(lines, REPLACED)) == len(["the authorizer", "the API"])
    _end_sessions(pipeline.services)
    found = pipeline.call("GET", "/products")
    assert (found.status, [each["sku"] for each in found.json["items"]]) == (200, ["A-1"])


def test_a_restart_of_the_server_is_not_noticed_and_its_absence_is_transient(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)  # PostgreSQL's own user must get in, when root runs this.  # noqa: PTH101
    logbook = LogBook(tmp_path / "logs")
    server = Postgres(tmp_path, free_port(), logbook, lambda _line: None)
    try:
        server.wait_ready()
        database = Database(server.conninfos["api"])
        before = _backend(database)
        server.start_again()
        server.wait_ready()
        after = _backend(database)
        assert after != before
        server.stop()
        with pytest.raises(Transient):
            _backend(database)
        server.start_again()
        server.wait_ready()
        assert _backend(database) != after
        database.close()
    finally:
        server.stop()
        logbook.close()


def test_a_break_inside_a_transaction_is_transient_and_not_repeated(pipeline: Pipeline, database: Database) -> None:
    begun: list[Transaction] = []

    def break_off() -> None:
        with database.transaction() as transaction:
            begun.append(transaction)
            _add_event(transaction, "first")
            _end_sessions(pipeline.services)
            _add_event(transaction, "second")

    with pytest.raises(Transient):
        break_off()
    assert len(begun) == 1
    assert pipeline.sql("select from event") == []
    with database.transaction() as transaction:
        _add_event(transaction, "third")
    assert pipeline.sql("select dedupe_key from event") == [{"dedupe_key": "third"}]


def test_a_request_whose_commit_is_not_confirmed_is_not_repeated(pipeline: Pipeline) -> None:
    reached: list[str] = []

    def reach(name: str) -> None:
        if name == "bulk_delete.before_accept_commit":
            reached.append(name)
            _end_sessions(pipeline.services)

    with switched_on(reach):
        answer = pipeline.call("POST", "/bulk-deletes", {"confirm": "DELETE ALL"})
    assert (answer.status, len(reached)) == (503, 1)
    assert pipeline.sql("select from bulk_delete") == []
    assert pipeline.call("GET", "/products").status == 200


def test_a_transaction_inside_another_one_stays_on_its_connection(pipeline: Pipeline, database: Database) -> None:
    def break_off() -> None:
        with database.transaction() as outer:
            _add_event(outer, "outer")
            _end_sessions(pipeline.services)
            with database.transaction() as inner:
                _add_event(inner, "inner")

    with pytest.raises(Transient):
        break_off()
    assert pipeline.sql("select from event") == []


def test_a_server_that_has_failed_over_is_left(pipeline: Pipeline, database: Database) -> None:
    def write() -> None:
        with database.transaction() as transaction:
            _add_event(transaction, "once")

    database.connection().execute("set default_transaction_read_only = on")  # As on a former primary.
    with pytest.raises(Transient):
        write()
    write()
    assert pipeline.sql("select dedupe_key from event") == [{"dedupe_key": "once"}]


@pytest.mark.parametrize("noticed", [False, True])
def test_work_that_needs_its_session_does_not_continue_in_another(
    services: Services, database: Database, noticed: bool
) -> None:
    if noticed:
        database.close()
    else:
        _end_sessions(services)
    with pytest.raises(Transient), database.transaction(continues=True):
        raise AssertionError("it was begun")


def test_a_chunk_whose_session_is_gone_is_tried_again(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(b"sku,name\nA-1,a\n")
    pipeline.split_next()
    (message,) = pipeline.chunks()
    broken = _at("chunk.after_copy", lambda: _end_sessions(pipeline.services))
    with switched_on(broken), pytest.raises(InvocationFailed, match=r"^Transient: "):
        pipeline.deliver("upsert_chunk", message)
    pipeline.deliver("upsert_chunk", message)
    assert pipeline.show(import_id)["rows"]["created"] == 1


def test_a_connection_that_was_idle_too_long_is_replaced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    used = _backend(database)
    assert _backend(database) == used
    monkeypatch.setattr("chalicelib.backends.database.CONNECTION_IDLE_SECONDS_MAX", -1)
    with database.transaction() as transaction, database.transaction():
        replaced = transaction.cursor.connection.info.backend_pid
        transaction.run("ping")
    assert replaced != used
    with database.transaction(continues=True) as transaction:
        assert transaction.cursor.connection.info.backend_pid == replaced


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux lets a program say it")
def test_a_silent_server_is_given_up_in_time(database: Database) -> None:
    with socket.socket(fileno=os.dup(database.connection().fileno())) as held:
        options: list[tuple[int, int]] = [
            (socket.TCP_USER_TIMEOUT, 1000 * CONNECTION_UNANSWERED_SECONDS_MAX),
            (socket.TCP_KEEPIDLE, CONNECTION_PROBE_SECONDS),
            (socket.TCP_KEEPINTVL, CONNECTION_PROBE_SECONDS),
            (socket.TCP_KEEPCNT, CONNECTION_UNANSWERED_SECONDS_MAX // CONNECTION_PROBE_SECONDS),
        ]
        assert [(name, held.getsockopt(socket.IPPROTO_TCP, name)) for name, _ in options] == options
        assert held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert _shortest_function_seconds() > CONNECTION_UNANSWERED_SECONDS_MAX


def _shortest_function_seconds() -> int:
    config: dict[str, Any] = json.loads((ROOT / ".chalice/config.json").read_text("utf-8"))
    return min(
        int(each["lambda_timeout"])
        for stage in config["stages"].values()
        for each in (stage, *stage["lambda_functions"].values())
        if "lambda_timeout" in each
    )
