"""One import through the running stack, timed from “the object is in S3” to “completed”, with its costs by process."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from chalicelib.backends.database import Database
from chalicelib.catalogue import search_index
from infra.local.processes.deadline import wait_until
from infra.local.testing import RunningStack
from tests.benchmark import processor

SAMPLE_SECONDS = 0.02
MEMORY_SECONDS = 0.25
END_SECONDS_MAX = 1800.0
RESPONSE_SECONDS_MAX = 60.0
STATISTICS_SECONDS_MAX = 60.0
MEBIBYTE = 1024 * 1024
RUNNING = ("pending", "processing")
CATALOGUE = ("product", "product_search", "product_search_edit", "product_change", "catalogue_change")
"""The tables of products and of what follows from them; one that no longer exists is left out."""
_REPORT = re.compile(r"REPORT RequestId: \S+\tDuration: ([\d.]+) ms")


@dataclass
class Measured:
    """`seconds` is from the end of the upload to completed; the other times start there, too."""

    seconds: float = 0.0
    rows: dict[str, int] = field(default_factory=dict)
    first_row_seconds: float = 0.0
    """Until the first product was visible."""
    longest_pause_seconds: float = 0.0
    """The longest time without progress after the first progress."""
    split_seconds: float = 0.0
    """Until the splitter had read the whole file."""
    ahead_chunks_max: int = 0
    """The largest number of chunks that were cut and not yet written."""
    chunks: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    memory_mib_peak: dict[str, int] = field(default_factory=dict)
    log_megabytes: float = 0.0
    """What PostgreSQL wrote to its write-ahead log."""
    busy_seconds: float = 0.0
    """What all invocations of upsert_chunk took together."""


class Stack:
    """The stack under measurement."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self.database = psycopg.connect(stack.file.owner_conninfo, autocommit=True)

    def clear(self) -> None:
        """Empties the catalogue and writes everything to disk, so that this does not slow down the next measurement."""
        named = "select string_agg(name, ', ') from unnest(%s::text[]) as name where to_regclass(name) is not null"
        tables = self.database.execute(named, [list(CATALOGUE)]).fetchone()
        assert tables is not None
        self.database.execute(f"truncate {tables[0]}; update catalogue_total set total = 0".encode())
        self.database.execute("checkpoint")

    @contextmanager
    def indexing_paused(self) -> Iterator[None]:
        """Pauses indexing inside the block, so that it does not compete for the processors."""
        with psycopg.connect(self.stack.file.owner_conninfo) as connection:
            connection.execute("select from product_search_state for update")
            yield
            connection.rollback()

    def index(self) -> float:
        """Indexes the catalogue until it is indexed or an import runs. Returns seconds."""
        database = Database(self.stack.file.conninfos["importer"])
        began = time.monotonic()
        search_index.index_products(database, lambda: 60.0)
        database.close()
        return time.monotonic() - began

    def index_is_current(self) -> bool:
        """Returns whether lists use a search index, and it has every change."""
        recorded = self.database.execute("select to_regclass('catalogue_change')").fetchone()
        if recorded != (None,) and self.database.execute("select 1 from catalogue_change where stage < 2").fetchone():
            return False
        headers = {"Authorization": f"Bearer {self.stack.file.token}"}
        url = f"{self.stack.file.url}/api/products?limit=1"
        answer = requests.get(url, headers=headers, timeout=RESPONSE_SECONDS_MAX)
        answer.raise_for_status()
        return bool(answer.json()["search_index"] == "current")

    def run(self, file: Path) -> Measured:
        """Imports a file. Raises AssertionError if it does not complete."""
        return self.watch([self.upload(file)])[0]

    def upload(self, file: Path) -> tuple[str, float]:
        """Registers and uploads. Returns the import's id, and the wall-clock time at which the object was stored."""
        headers = {"Authorization": f"Bearer {self.stack.file.token}"}
        promised = {"filename": file.name, "size_bytes": file.stat().st_size}
        url = f"{self.stack.file.url}/api/imports"
        answer = requests.post(url, json=promised, headers=headers, timeout=RESPONSE_SECONDS_MAX)
        answer.raise_for_status()
        link = answer.json()["upload"]
        with file.open("rb") as body:
            put = requests.request(link["method"], link["url"], data=body, headers=link["headers"], timeout=600)
        put.raise_for_status()
        return str(answer.json()["id"]), time.time()

    def watch(self, uploads: list[tuple[str, float]]) -> list[Measured]:
        """Watches imports to their end. CPU time and memory are measured for all of them together."""
        results = [Measured() for _ in uploads]
        with self._accounted(results):
            threads = [
                threading.Thread(target=self._follow, args=(import_id, stored_at, result))
                for (import_id, stored_at), result in zip(uploads, results, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for result in results:
            assert result.rows, "an import did not complete"
        return results

    def hot_updates(self, expected: int) -> tuple[int, int]:
        """Returns all updates of products so far, at least `expected`, and how many of them were in place.

        PostgreSQL's sessions report their statistics with a delay.
        """
        found = (0, 0)

        def all_reported() -> bool:
            nonlocal found
            row = self.database.execute(
                "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'product'"
            ).fetchone()
            assert row is not None
            found = (int(row[0]), int(row[1]))
            return found[0] >= expected

        wait_until(all_reported, STATISTICS_SECONDS_MAX, "all updates reported")
        return found

    def _follow(self, import_id: str, stored_at: float, result: Measured) -> None:
        """Polls the import's rows in the database: polling the API would slow down the import."""
        began = time.monotonic()
        last_done, last_advance = 0, began
        with psycopg.connect(self.stack.file.owner_conninfo, autocommit=True) as connection:
            while time.monotonic() < began + END_SECONDS_MAX:
                found = _look(connection, import_id)
                since_stored = time.time() - stored_at
                result.chunks = found["chunks"]
                result.ahead_chunks_max = max(result.ahead_chunks_max, found["chunks"] - found["done"])
                if found["done"] > last_done:
                    if last_done == 0:
                        result.first_row_seconds = since_stored
                    else:
                        pause = time.monotonic() - last_advance
                        result.longest_pause_seconds = max(result.longest_pause_seconds, pause)
                    last_done, last_advance = found["done"], time.monotonic()
                if found["split_done"] and not result.split_seconds:
                    result.split_seconds = since_stored
                if found["status"] not in RUNNING:
                    assert found["status"] == "completed", found
                    result.seconds = found["finished_at"] - stored_at
                    result.rows = found["rows"]
                    return
                time.sleep(SAMPLE_SECONDS)

    @contextmanager
    def _accounted(self, results: list[Measured]) -> Iterator[None]:
        """Fills in CPU seconds, memory and busy time by kind of process."""
        before, log_at, written = processor.stack_seconds(self.stack.file), self._log_size(), self.log_bytes()
        stop = threading.Event()
        peaks: dict[str, int] = {}
        sampler = threading.Thread(target=self._sample_memory, args=(stop, peaks))
        sampler.start()
        try:
            yield
        finally:
            stop.set()
            sampler.join()
        after = processor.stack_seconds(self.stack.file)
        for result in results:
            result.cpu_seconds = processor.spent(before, after)
            result.memory_mib_peak = peaks
            result.log_megabytes = (self.log_bytes() - written) / 1_000_000
            result.busy_seconds = self._busy_seconds(log_at)

    def log_bytes(self) -> int:
        """Returns the size of PostgreSQL's write-ahead log so far."""
        found = self.database.execute("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
        assert found is not None
        return int(found[0])

    def _log_size(self) -> int:
        log = self.stack.directory / "logs" / "upsert_chunk.log"
        return log.stat().st_size if log.exists() else 0

    def _busy_seconds(self, start: int) -> float:
        with (self.stack.directory / "logs" / "upsert_chunk.log").open("rb") as log:
            log.seek(start if start <= self._log_size() else 0)
            return sum(float(milliseconds) for milliseconds in _REPORT.findall(log.read().decode())) / 1000

    def _sample_memory(self, stop: threading.Event, peaks: dict[str, int]) -> None:
        while not stop.wait(MEMORY_SECONDS):
            for kind, process in self._processes():
                try:
                    # Resident memory includes shared memory: each server process counts the buffers it has touched.
                    resident = process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                peaks[kind] = max(peaks.get(kind, 0), resident // MEBIBYTE)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        pids = self.stack.file.pids
        yield processor.REST, psutil.Process(pids["supervisor"])
        for kind, name in processor.GROUPS.items():
            for process in psutil.Process(pids[name]).children(recursive=True):
                yield kind, process


def _look(connection: psycopg.Connection[Any], import_id: str) -> dict[str, Any]:
    found = connection.execute(
        "select i.status::text, i.split_done, extract(epoch from i.finished_at)::float8, count(c.number),"
        " count(*) filter (where c.done), sum(c.created), sum(c.updated), sum(c.unchanged), sum(c.superseded),"
        " sum(c.rejected) from import i left join chunk c on c.import_id = i.id where i.id = %s group by i.id",
        [import_id],
    ).fetchone()
    assert found is not None
    names = ("created", "updated", "unchanged", "superseded", "rejected")
    counts = {name: int(count or 0) for name, count in zip(names, found[5:], strict=True)}
    return {
        "status": found[0],
        "split_done": found[1],
        "finished_at": found[2],
        "chunks": int(found[3]),
        "done": int(found[4]),
        "rows": counts,
    }
