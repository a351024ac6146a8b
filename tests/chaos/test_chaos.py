"""An import on the real running stack while workers and PostgreSQL are killed and frozen, and messages sent twice.

CHAOS=long runs the long form (`make chaos`); CHAOS_SEED repeats a run. Each fault is injected at a given percentage of
the import, so that all of them happen on a machine of any speed.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
import requests

from infra.local.testing import RunningStack, running_stack
from tests.support.sample_files import assignment_like, reference
from tests.support.storm import BUSY_SECONDS_MAX, StormyStack
from tests.support.variables import whole_number

logger = logging.getLogger(__name__)

SEED = whole_number("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32)
VISIBILITY_SECONDS = "5"
SAMPLE_SECONDS = 0.05
LOOP_SECONDS = 0.02
DUPLICATED_SHARE = 0.3
GOOD_ROWS_OF_TEN = 7
"""The others are rejected: chunks with rejected rows lock more than others, and used to deadlock."""
WORDS_MAX = 100
"""Long descriptions: a chunk holds only a few thousand rows, so the file has many chunks."""
RETRIES_MAX = 3
FIRST_FAULT, LAST_FAULT = 0.02, 0.9


@dataclass(frozen=True)
class Storm:
    """How many faults, and for how long."""

    rows: int
    kills: int
    restarts: int
    pause_seconds: float
    end_seconds_max: float


SHORT = Storm(rows=40_000, kills=6, restarts=1, pause_seconds=2.0, end_seconds_max=180)
LONG = Storm(rows=500_000, kills=30, restarts=2, pause_seconds=10.0, end_seconds_max=900)
STORM = LONG if os.environ.get("CHAOS") == "long" else SHORT
BAD_ROWS = STORM.rows // GOOD_ROWS_OF_TEN * (10 - GOOD_ROWS_OF_TEN)


@dataclass
class Sampler:
    """Reads the import every 50 ms and checks that its progress never goes back."""

    stack: RunningStack
    import_id: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    unanswered: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            try:
                answer = _call(self.stack, "GET", f"/api/imports/{self.import_id}")
            except requests.RequestException:
                self.unanswered += 1
                continue
            if answer.status_code >= 500:
                self.unanswered += 1
            elif answer.status_code == 200:
                self._check(answer.json())

    def _check(self, state: dict[str, Any]) -> None:
        before = self.seen[-1] if self.seen else state
        if state["percent"] < before["percent"] or state["rows"]["total"] < before["rows"]["total"]:
            self.violations.append(f"went back from {before['percent']} to {state['percent']}")
        if (state["percent"] == 100) != (state["status"] == "completed") or state["percent"] > 100:
            self.violations.append(f"{state['percent']} % when {state['status']}")
        self.seen.append(state)

    def stop(self) -> None:
        self._stop.set()


class Stormy(StormyStack):
    """The stack in the storm, with one import running."""

    def __init__(self, stack: RunningStack, chance: random.Random) -> None:
        super().__init__(stack, chance)
        self.retried = 0
        self._seen: set[int] = set()

    # --- faults ----------------------------------------------------------------------------------------------------

    def kill_a_worker(self) -> None:
        self._strike(psutil.Process.kill)
        self.killed += 1

    def freeze_a_worker(self) -> None:
        worker = self._strike(psutil.Process.suspend)
        threading.Timer(STORM.pause_seconds, _resume, [worker]).start()

    def _strike(self, act: Callable[[psutil.Process], None]) -> psutil.Process:
        """Hits a worker in the middle of its work: its session is in a transaction of an import."""
        deadline = time.monotonic() + BUSY_SECONDS_MAX
        while time.monotonic() < deadline:
            busy = self.sql(
                "select application_name from pg_stat_activity where usename <> current_user and state <> 'idle'"
                " and query ~ '(incoming|chunk|barrier)' and query !~ 'sum_bytes as done_bytes'"
            )
            pids = [int(row["application_name"].rpartition("/")[2]) for row in busy]
            # It may end in between; then the loop looks for another one.
            with suppress(psutil.NoSuchProcess):
                if pids:
                    worker = psutil.Process(self.chance.choice(pids))
                    act(worker)
                    return worker
        raise AssertionError("no worker was busy")

    def send_duplicates(self, import_id: str) -> None:
        """Sends some of the chunk messages, and each time the S3 event, again."""
        rows = self.sql("select generate_series(0, chunks_sent - 1) as number from import where id = %s", import_id)
        for number in sorted({row["number"] for row in rows} - self._seen):
            self._seen.add(number)
            if self.chance.random() < DUPLICATED_SHARE:
                self.send("chunks", {"import_id": import_id, "chunk": number, "attempt": 1})
                self._send_event(import_id)

    def _send_event(self, import_id: str) -> None:
        query = "select bucket, object_key, object_version, size_bytes from import where id = %s"
        [row] = self.sql(query, import_id)
        stored = {"key": row["object_key"], "versionId": row["object_version"], "size": row["size_bytes"]}
        self.send("uploads", {"Records": [{"s3": {"bucket": {"name": row["bucket"]}, "object": stored}}]})


def _resume(worker: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        worker.resume()


def _call(stack: RunningStack, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {stack.file.token}"}
    return requests.request(method, f"{stack.file.url}{path}", json=body, headers=headers, timeout=30)


def _upload(stack: RunningStack, content: bytes) -> str:
    registered = _call(stack, "POST", "/api/imports", {"filename": "chaos.csv", "size_bytes": len(content)}).json()
    link = registered["upload"]
    put = requests.request(link["method"], link["url"], data=content, headers=link["headers"], timeout=60)
    assert put.status_code == 200, put.text
    return str(registered["id"])


def _with_bad_rows(text: str) -> str:
    """Puts rows without a SKU between the others, evenly, so that every chunk has some."""
    header, *records = text.split("\r\n")
    groups = [records[at : at + GOOD_ROWS_OF_TEN] for at in range(0, len(records), GOOD_ROWS_OF_TEN)]
    bad = ["nameless,,no SKU"] * (10 - GOOD_ROWS_OF_TEN)
    mixed = [line for group in groups for line in (group + bad if len(group) == GOOD_ROWS_OF_TEN else group)]
    return "\r\n".join([header, *mixed])


def _planned_faults(stormy: Stormy) -> Iterator[tuple[float, Callable[[], None]]]:
    """Each fault with the share of the import at which it is injected."""
    span = LAST_FAULT - FIRST_FAULT
    for number in range(STORM.kills):
        yield FIRST_FAULT + span * number / STORM.kills, stormy.kill_a_worker
    for number in range(STORM.restarts):
        yield FIRST_FAULT + span * (number + 1) / (STORM.restarts + 1), stormy.restart_postgres
    yield FIRST_FAULT + span / 4, stormy.freeze_a_worker


def test_nothing_is_lost_in_the_storm(tmp_path_factory: pytest.TempPathFactory) -> None:
    print(f"CHAOS_SEED={SEED}", flush=True)  # noqa: T201  # to repeat the run
    directory = tmp_path_factory.mktemp("chaos")
    text = assignment_like(STORM.rows, SEED, WORDS_MAX)
    expected = reference(text)
    content = _with_bad_rows(text).encode()
    waits = {
        "PARAMETER_ChunksVisibilitySeconds": VISIBILITY_SECONDS,
        "PARAMETER_UploadsVisibilitySeconds": VISIBILITY_SECONDS,
    }
    with running_stack(directory, **waits) as stack:
        stormy = Stormy(stack, random.Random(SEED))
        started = time.monotonic()
        import_id = _upload(stack, content)
        sampler = Sampler(stack, import_id)
        sampling = threading.Thread(target=sampler.run)
        sampling.start()
        try:
            ended = _inject_faults(stormy, sampler, import_id)
        finally:
            sampler.stop()
            sampling.join()
        seconds = time.monotonic() - started
        _check(stormy, import_id, ended, expected)
        stormy.close()
        assert sampler.violations == []
        print(  # noqa: T201
            f"{STORM.rows} rows in {seconds:.0f} s: {stormy.killed} workers killed, {stormy.restarted} restarts of"
            f" PostgreSQL, {stormy.sent} messages sent twice, {stormy.retried} retries, {len(sampler.seen)} samples,"
            f" {sampler.unanswered} without an answer; 0 rows differ"
        )


def _inject_faults(stormy: Stormy, sampler: Sampler, import_id: str) -> dict[str, Any]:
    """Injects the faults; returns the import when it has completed."""
    faults = sorted(_planned_faults(stormy), key=lambda each: each[0])
    deadline = time.monotonic() + STORM.end_seconds_max
    while time.monotonic() < deadline:
        state: dict[str, Any] = {"status": "pending", "percent": 0.0}
        if sampler.seen:
            state = sampler.seen[-1]
        if state["status"] == "completed":
            assert faults == [], f"the import ended before {len(faults)} faults were injected"
            return state
        if state["status"] == "failed":
            _retry(stormy, sampler, state)
        elif state["status"] == "processing":
            stormy.send_duplicates(import_id)
            if faults and state["percent"] / 100 >= faults[0][0]:
                faults.pop(0)[1]()
        time.sleep(LOOP_SECONDS)
    raise AssertionError(f"the import did not end: {sampler.seen[-1]}")


def _retry(stormy: Stormy, sampler: Sampler, state: dict[str, Any]) -> None:
    """Retries the import, as a person would: one chunk was killed at every try, so the import has failed."""
    assert state["error"]["retryable"], state
    assert stormy.retried < RETRIES_MAX
    answer = _call(stormy.stack, "POST", f"/api/imports/{sampler.import_id}/retry")
    # The sample may be older than the last retry: then there is nothing to retry (409).
    stormy.retried += answer.status_code == 202


def _check(stormy: Stormy, import_id: str, ended: dict[str, Any], expected: dict[str, Any]) -> None:
    assert ended["rows"] == {
        "total": STORM.rows + BAD_ROWS,
        "created": len(expected),
        "updated": 0,
        "unchanged": 0,
        "superseded": STORM.rows - len(expected),
        "rejected": BAD_ROWS,
    }
    rows = stormy.sql("select sku_key, sku, name, description, active from product where not deleted")
    real = {row["sku_key"]: (row["sku"], row["name"], row["description"], row["active"]) for row in rows}
    assert sum(real.get(key) != value for key, value in expected.items()) == 0
    assert len(real) == len(expected)
    completions = stormy.sql("select 1 from event where type = 'import.completed' and payload->>'id' = %s", import_id)
    assert len(completions) == 1
    assert stormy.deadlocks() == 0
    assert stormy.killed == STORM.kills
    assert stormy.restarted == STORM.restarts
    assert stormy.sent > 0
