"""Ways to import a file: a stack as `make run` starts it, and other programs on a server of their own.

A stack is used through its public API alone, so that one of an earlier commit can be measured beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import psycopg
import requests

from infra.local.client.http import POLL_SECONDS, TERMINAL
from infra.local.postgres.server import Postgres
from infra.local.stack_file import StackFile
from infra.local.testing import RunningStack
from tests.benchmark import processor, psql, rivals

REQUEST_SECONDS_MAX = 60.0
UPLOAD_SECONDS_MAX = 600.0
END_SECONDS_MAX = 1800.0
EMPTYING_SECONDS_MAX = 300.0
EMPTY = """
import sys
from psycopg.errors import DeadlockDetected
from tests.support.emptying import empty
from tests.support.owner import Owner
owner = Owner(sys.argv[1])
for tries_left in reversed(range(10)):
    try:
        empty(owner)
        break
    except DeadlockDetected:  # with what the stack does in the background
        if not tries_left:
            raise
"""
PAUSE = "select from product_search_state for update"
CHECKPOINT = "checkpoint"
VACUUM = "vacuum analyze"
LOG_BYTES = "select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"
CLIENT = "client"


@dataclass(frozen=True)
class Sample:
    """One import of one file."""

    seconds: float
    """For a stack: from the moment that the object is stored until the import is completed. Else: the whole command."""
    cpu_seconds: Mapping[str, float]
    """By group of processes."""
    log_bytes: int
    """What PostgreSQL wrote to its write-ahead log."""
    asked_seconds: float
    """For a stack: from the first request until a client that polls has seen the end. Else: as `seconds`."""
    other_share: float
    """The share of the machine's processors that other programs used in this time."""


class Side(Protocol):
    """One way to import a file."""

    def vacuum(self) -> None:
        """Vacuums and analyzes its tables, so that the server does not do it during a measurement."""

    def clear(self) -> None:
        """Empties its tables."""

    def checkpoint(self) -> None:
        """Writes everything to disk, so that this does not slow down the next measurement."""

    def run(self, file: Path) -> Sample:
        """Imports a file."""

    def paused(self) -> AbstractContextManager[None]:
        """Returns a context in which it does nothing in the background."""


class ShippedStack:
    """A running stack of the checkout in `project`."""

    def __init__(self, stack: RunningStack, project: Path) -> None:
        self._file = stack.file
        self._project = project
        self._database = psycopg.connect(stack.file.owner_conninfo, autocommit=True)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {stack.file.token}"

    def clear(self) -> None:
        """Empties the database as the tests of its own commit do."""
        command = [sys.executable, "-c", EMPTY, self._file.owner_conninfo]
        subprocess.run(command, cwd=self._project, check=True, timeout=EMPTYING_SECONDS_MAX)

    def checkpoint(self) -> None:
        """Writes everything to disk."""
        self._database.execute(CHECKPOINT)

    def vacuum(self) -> None:
        """Vacuums and analyzes all tables."""
        self._database.execute(VACUUM)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps the search index from being filled inside the block: that follows an import, and is not part of it."""
        with psycopg.connect(self._file.owner_conninfo) as connection:
            connection.execute(PAUSE)
            yield
            connection.rollback()

    def run(self, file: Path) -> Sample:
        """Imports a file as `make import` does. Raises AssertionError if it does not complete."""
        with _watched(self._database, lambda: processor.stack_seconds(self._file)) as watch:
            asked_at = time.time()
            registered = self._call("POST", "/imports", {"filename": file.name, "size_bytes": file.stat().st_size})
            link = registered["upload"]
            with file.open("rb") as body:
                put = requests.request(
                    link["method"], link["url"], data=body, headers=link["headers"], timeout=UPLOAD_SECONDS_MAX
                )
            put.raise_for_status()
            stored_at = time.time()
            ended = self._end(registered["id"])
            seen_at = time.time()
        assert ended["status"] == "completed", ended
        finished_at = datetime.fromisoformat(ended["finished_at"]).timestamp()
        return watch.sample(finished_at - stored_at, seen_at - asked_at)

    def _end(self, import_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + END_SECONDS_MAX
        while time.monotonic() < deadline:
            found = self._call("GET", f"/imports/{import_id}")
            if found["status"] in TERMINAL:
                return found
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"import {import_id} did not end within {END_SECONDS_MAX:g} s")

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        url = f"{self._file.url}/api{path}"
        answer = self._http.request(method, url, json=body, timeout=REQUEST_SECONDS_MAX)
        answer.raise_for_status()
        content: dict[str, Any] = answer.json()
        return content


class Command:
    """A program that loads a file into plain_product on a server; `run` gets the file and the number of the import."""

    def __init__(
        self,
        conninfo: str,
        server_seconds: Callable[[], float],
        run: Callable[[Path, int], float],
        grant: str = "select",
    ) -> None:
        self._create = f"{psql.PLAIN_TABLE}; {grant}"
        self._run = run
        self._server_seconds = server_seconds
        self._database = psycopg.connect(conninfo, autocommit=True)
        self._operation = 0

    def clear(self) -> None:
        """Creates the table again."""
        self._database.execute(self._create.encode())

    def checkpoint(self) -> None:
        """Writes everything to disk."""
        self._database.execute(CHECKPOINT)

    def vacuum(self) -> None:
        """Vacuums and analyzes all tables."""
        self._database.execute(VACUUM)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Does nothing: there is nothing in the background."""
        yield

    def run(self, file: Path) -> Sample:
        """Runs the program."""
        self._operation += 1
        with _watched(self._database, self._cpu_seconds) as watch:
            seconds = self._run(file, self._operation)
        return watch.sample(seconds, seconds)

    def _cpu_seconds(self) -> dict[str, float]:
        return {"PostgreSQL": self._server_seconds(), CLIENT: processor.commands_seconds()}


def psql_beside(stack: StackFile) -> Command:
    """Returns psql's plain upsert on the server of a stack, by the functions' role, as in the scenario “paired”."""
    run = psql.Psql(stack.conninfos["importer"]).plain
    return Command(stack.owner_conninfo, lambda: processor.tree_seconds(stack.pids["postgres"]), run, psql.GRANT)


def psql_on(server: Postgres) -> Command:
    """Returns psql's plain upsert on a server of its own."""
    return _on(server, psql.Psql(server.owner_conninfo).plain)


def arrow_on(server: Postgres) -> Command:
    """Returns pyarrow, pgpq and the plain upsert on a server of its own."""
    return _on(server, lambda file, operation: rivals.arrow(server.owner_conninfo, file, operation))


def _on(server: Postgres, run: Callable[[Path, int], float]) -> Command:
    return Command(server.owner_conninfo, lambda: processor.tree_seconds(server.pid), run)


class _Watch:
    """What the machine did between two moments."""

    def __init__(self, database: psycopg.Connection[Any], cpu_seconds: Callable[[], Mapping[str, float]]) -> None:
        self._database = database
        self._cpu_seconds = cpu_seconds
        self._before = self._now()
        self._after = self._before

    def stop(self) -> None:
        """Reads the clocks at the end."""
        self._after = self._now()

    def sample(self, seconds: float, asked_seconds: float) -> Sample:
        """Returns what was measured, with these times."""
        (began, machine, groups, log), (ended, machine_after, groups_after, log_after) = self._before, self._after
        spent = processor.spent(groups, groups_after)
        possible = (ended - began) * (os.cpu_count() or 1)
        other = (machine_after - machine - sum(spent.values())) / possible
        return Sample(seconds, spent, log_after - log, asked_seconds, max(other, 0.0))

    def _now(self) -> tuple[float, float, Mapping[str, float], int]:
        found = self._database.execute(LOG_BYTES).fetchone()
        assert found is not None
        return time.monotonic(), processor.machine_seconds(), self._cpu_seconds(), int(found[0])


@contextmanager
def _watched(database: psycopg.Connection[Any], cpu_seconds: Callable[[], Mapping[str, float]]) -> Iterator[_Watch]:
    watch = _Watch(database, cpu_seconds)
    yield watch
    watch.stop()
