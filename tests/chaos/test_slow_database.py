"""A slow, frozen, throttled or failing-over database slows an import on the running stack, and does not fail it.

CHAOS=long runs the long form (`make slow-database`), with the limits and waits of a deployment. The table is compared
with what Python's csv module reads in the files.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
import pytest
import requests

from infra.local.testing import RunningStack, running_stack
from tests.support.sample_files import assignment_like, reference
from tests.support.sequential_model import Catalogue
from tests.support.slow_database import seconds_per_row
from tests.support.storm import StormyStack

pytestmark = pytest.mark.slow
POLL_SECONDS = 0.25
WORDS = 15
"""A chunk of 2 MiB then has some 14,000 rows."""


@dataclass(frozen=True)
class Form:
    """How long each fault lasts, how many rows are imported in the meantime, and how long all of it may take."""

    slow_rows: int
    rows: int
    seconds_per_row: float
    stop_seconds: float
    throttled_rows: int
    throttle_share: float
    read_only_seconds: float
    end_seconds_max: float


SHORT = Form(
    slow_rows=1_500, rows=30_000, seconds_per_row=0.001, stop_seconds=2.0, throttled_rows=10_000, throttle_share=0.8,
    read_only_seconds=1.0, end_seconds_max=120.0,
)  # fmt: skip
LONG = Form(
    slow_rows=15_000, rows=300_000, seconds_per_row=0.005, stop_seconds=60.0, throttled_rows=100_000,
    throttle_share=0.9, read_only_seconds=20.0, end_seconds_max=1_500.0,
)  # fmt: skip
FORM = LONG if os.environ.get("CHAOS") == "long" else SHORT
THROTTLE_SECONDS = 1.0
"""One cycle of stopping and continuing."""
BEGUN_PERCENT = 10
"""How far an import is when its database fails."""


class Slowed(StormyStack):
    """The stack, and what the catalogue must be after all imports so far."""

    def __init__(self, stack: RunningStack) -> None:
        super().__init__(stack)
        self.expected: Catalogue = {}

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.stack.file.token}"}
        return requests.request(method, f"{self.stack.file.url}{path}", json=body, headers=headers, timeout=60)

    def upload(self, rows: int) -> str:
        """Uploads a file with products of its own. Returns the import's id."""
        text = assignment_like(rows, random.SystemRandom().randrange(1 << 32), WORDS)
        self.expected |= reference(text)
        content = text.encode()
        registered = self.call("POST", "/api/imports", {"filename": "slow.csv", "size_bytes": len(content)}).json()
        link = registered["upload"]
        put = requests.request(link["method"], link["url"], data=content, headers=link["headers"], timeout=60)
        assert put.status_code == 200, put.text
        return str(registered["id"])

    def wait(self, import_id: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Waits until the import is as wanted; the API may be as slow as the database."""
        deadline = time.monotonic() + FORM.end_seconds_max
        while time.monotonic() < deadline:
            with suppress(requests.RequestException):
                answer = self.call("GET", f"/api/imports/{import_id}")
                if answer.status_code == 200 and reached(answer.json()):
                    return dict(answer.json())
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"import {import_id} did not get there")

    def postgres(self) -> list[psutil.Process]:
        """Returns all processes of PostgreSQL, its first one first, so that it starts no others in the meantime."""
        pid = int((self.stack.directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        main = psutil.Process(pid)
        return [main, *main.children(recursive=True)]

    def freeze(self, seconds: float) -> None:
        """Stops PostgreSQL for this long: connections stay open, and nothing answers."""
        processes = self.postgres()
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        time.sleep(seconds)
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.resume()

    def until_it_answers(self) -> None:
        """Waits for PostgreSQL, which may have a long log to replay."""
        deadline = time.monotonic() + FORM.end_seconds_max
        while True:
            try:
                self.sql("select 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def disconnect(self) -> None:
        """Ends every session of a function."""
        self.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^product-importer/'")

    def check(self, import_id: str, began: float, what: str) -> None:
        """Waits for the import to end, and compares the whole table."""
        ended = self.wait(import_id, lambda found: found["status"] not in ("pending", "processing"))
        seconds = time.monotonic() - began
        rows, chunks = ended["rows"], self.sql("select count(*) as count from chunk where import_id = %s", import_id)
        print(f"{what}: {rows['total']} rows in {seconds:.0f} s, {chunks[0]['count']} chunks")  # noqa: T201  # figures
        assert ended["status"] == "completed", ended["error"]
        found = self.sql("select sku_key, sku, name, description, active from product where not deleted")
        table = {row["sku_key"]: (row["sku"], row["name"], row["description"], row["active"]) for row in found}
        assert table == self.expected
        kinds = ("created", "updated", "unchanged", "superseded", "rejected")
        assert rows["total"] == sum(rows[kind] for kind in kinds)


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slowed]:
    with running_stack(tmp_path_factory.mktemp("slow"), WORKERS="2") as stack:
        slow = Slowed(stack)
        yield slow
        slow.close()


@contextmanager
def throttled(slowed: Slowed) -> Iterator[None]:
    """PostgreSQL runs only for a share of each second, as on a machine without credits."""
    stop = threading.Event()

    def throttle() -> None:
        while not stop.wait(THROTTLE_SECONDS * (1 - FORM.throttle_share)):
            slowed.freeze(THROTTLE_SECONDS * FORM.throttle_share)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _begun(found: dict[str, Any]) -> bool:
    return bool(found["percent"] >= BEGUN_PERCENT)


def test_every_row_takes_long(slowed: Slowed) -> None:
    with seconds_per_row(slowed.sql, FORM.seconds_per_row):
        began = time.monotonic()
        slowed.check(slowed.upload(FORM.slow_rows), began, f"{1000 * FORM.seconds_per_row:.0f} ms for each row")


def test_the_database_stops_answering(slowed: Slowed) -> None:
    import_id, began = slowed.upload(FORM.rows), time.monotonic()
    slowed.wait(import_id, _begun)
    slowed.freeze(FORM.stop_seconds)
    slowed.check(import_id, began, f"a stop of {FORM.stop_seconds:.0f} s")


def test_the_database_is_throttled(slowed: Slowed) -> None:
    began = time.monotonic()
    with throttled(slowed):
        import_id = slowed.upload(FORM.throttled_rows)
        slowed.wait(import_id, lambda found: found["status"] not in ("pending", "processing"))
    slowed.check(import_id, began, f"throttled to {1 - FORM.throttle_share:.0%}")


def test_the_database_fails_over(slowed: Slowed) -> None:
    """Its sessions end, it restarts, and for a while it accepts no writes."""
    import_id, began = slowed.upload(FORM.rows), time.monotonic()
    slowed.wait(import_id, _begun)
    slowed.restart_postgres()
    slowed.until_it_answers()
    slowed.sql("alter role importer set default_transaction_read_only = on")
    slowed.disconnect()
    time.sleep(FORM.read_only_seconds)
    slowed.sql("alter role importer reset default_transaction_read_only")
    slowed.disconnect()
    slowed.check(import_id, began, f"a restart and {FORM.read_only_seconds:.0f} s without writes")
