"""Everything at once, on the real running stack: workers and PostgreSQL killed and frozen, messages sent twice.

CHAOS=long runs the full form (`make chaos`); CHAOS_SEED repeats a run. Each blow falls when the import has come a given
part of its way, so that all of them fall, however fast the machine is.
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

logger = logging.getLogger(__name__)

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
VISIBILITY_SECONDS = "5"
SAMPLE_SECONDS = 0.05
BLOW_SECONDS = 0.02
DUPLICATED_SHARE = 0.3
BAD_ROWS = 500
WORDS_MAX = 100
"""Long descriptions: a chunk holds a few thousand rows, and the file has many chunks to hit."""
RETRIES_MAX = 3
FIRST_BLOW, LAST_BLOW = 0.02, 0.9


@dataclass(frozen=True)
class Storm:
    """How hard it blows."""

    rows: int
    kills: int
    restarts: int
    pause_seconds: float
    end_seconds_max: float


SHORT = Storm(rows=40_000, kills=6, restarts=1, pause_seconds=2.0, end_seconds_max=180)
LONG = Storm(rows=500_000, kills=30, restarts=2, pause_seconds=10.0, end_seconds_max=900)
STORM = LONG if os.environ.get("CHAOS") == "long" else SHORT


@dataclass
class Sampler:
    """Looks at the import every 50 ms and holds progress to its promise."""

    stack: RunningStack
    import_id: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    away: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            try:
                answer = _call(self.stack, "GET", f"/api/imports/{self.import_id}")
            except requests.RequestException:
                self.away += 1
                continue
            if answer.status_code >= 500:
                self.away += 1
            elif answer.status_code == 200:
                self._look(answer.json())

    def _look(self, found: dict[str, Any]) -> None:
        before = self.seen[-1] if self.seen else found
        if found["percent"] < before["percent"] or found["rows"]["total"] < before["rows"]["total"]:
            self.faults.append(f"went back from {before['percent']} to {found['percent']}")
        if (found["percent"] == 100) != (found["status"] == "completed") or found["percent"] > 100:
            self.faults.append(f"{found['percent']} % when {found['status']}")
        self.seen.append(found)

    def stop(self) -> None:
        self._stop.set()


class Stormy(StormyStack):
    """The stack under the storm, with one import on its way."""

    def __init__(self, stack: RunningStack, chance: random.Random) -> None:
        super().__init__(stack, chance)
        self.retried = 0
        self._seen: set[int] = set()

    # --- blows ----------------------------------------------------------------------------------------------------

    def kill_a_worker(self) -> None:
        self._strike(psutil.Process.kill)
        self.killed += 1

    def freeze_a_worker(self) -> None:
        worker = self._strike(psutil.Process.suspend)
        threading.Timer(STORM.pause_seconds, _resume, [worker]).start()

    def _strike(self, blow: Callable[[psutil.Process], None]) -> psutil.Process:
        """Hits a worker in the middle of its work: its session is in a transaction of the import path."""
        deadline = time.monotonic() + BUSY_SECONDS_MAX
        while time.monotonic() < deadline:
            busy = self.sql(
                "select application_name from pg_stat_activity where usename = 'importer' and state <> 'idle'"
                " and query ~ '(incoming|chunk|barrier)' and query !~ 'import_sums'"
            )
            pids = [int(row["application_name"].rpartition("/")[2]) for row in busy]
            # It may end between the look and the blow; then another one is looked for.
            with suppress(psutil.NoSuchProcess):
                if pids:
                    worker = psutil.Process(self.chance.choice(pids))
                    blow(worker)
                    return worker
        raise AssertionError("no worker was busy")

    def send_duplicates(self, import_id: str) -> None:
        """Sends some chunk messages, and now and then the S3 event, a second time."""
        found = self.sql("select number from chunk where import_id = %s and sent_at is not null", import_id)
        for number in sorted({row["number"] for row in found} - self._seen):
            self._seen.add(number)
            if self.chance.random() < DUPLICATED_SHARE:
                self.send("chunks", {"import_id": import_id, "chunk": number, "attempt": 1})
                self._send_event(import_id)

    def _send_event(self, import_id: str) -> None:
        found = self.sql("select bucket, object_key, object_version, size_bytes from import where id = %s", import_id)[
            0
        ]
        stored = {"key": found["object_key"], "versionId": found["object_version"], "size": found["size_bytes"]}
        self.send("uploads", {"Records": [{"s3": {"bucket": {"name": found["bucket"]}, "object": stored}}]})


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


def _blows(stormy: Stormy) -> Iterator[tuple[float, Callable[[], None]]]:
    """Each blow with the part of the way at which it falls."""
    span = LAST_BLOW - FIRST_BLOW
    for number in range(STORM.kills):
        yield FIRST_BLOW + span * number / STORM.kills, stormy.kill_a_worker
    for number in range(STORM.restarts):
        yield FIRST_BLOW + span * (number + 1) / (STORM.restarts + 1), stormy.restart_postgres
    yield FIRST_BLOW + span / 4, stormy.freeze_a_worker


def test_nothing_is_lost_in_the_storm(tmp_path_factory: pytest.TempPathFactory) -> None:
    print(f"CHAOS_SEED={SEED}", flush=True)  # noqa: T201  # to repeat the run
    directory = tmp_path_factory.mktemp("chaos")
    text = assignment_like(STORM.rows, SEED, WORDS_MAX)
    expected = reference(text)
    content = (text + "\r\n" + "\r\n".join(f"nameless {number},," for number in range(BAD_ROWS))).encode()
    waits = {
        "PARAMETER_ChunksVisibilitySeconds": VISIBILITY_SECONDS,
        "PARAMETER_UploadsVisibilitySeconds": VISIBILITY_SECONDS,
    }
    with running_stack(directory, **waits) as stack:
        stormy = Stormy(stack, random.Random(SEED))
        began = time.monotonic()
        import_id = _upload(stack, content)
        sampler = Sampler(stack, import_id)
        looking = threading.Thread(target=sampler.run)
        looking.start()
        try:
            ended = _weather(stormy, sampler, import_id)
        finally:
            sampler.stop()
            looking.join()
        seconds = time.monotonic() - began
        _check(stormy, import_id, ended, expected)
        stormy.close()
        assert sampler.faults == []
        print(  # noqa: T201
            f"{STORM.rows} rows in {seconds:.0f} s: {stormy.killed} workers killed, {stormy.restarted} restarts of"
            f" PostgreSQL, {stormy.sent} messages doubled, {stormy.retried} retries, {len(sampler.seen)} looks,"
            f" {sampler.away} of them refused; 0 rows differ"
        )


def _weather(stormy: Stormy, sampler: Sampler, import_id: str) -> dict[str, Any]:
    """Lets the blows fall; returns how the import ended."""
    blows = sorted(_blows(stormy), key=lambda each: each[0])
    deadline = time.monotonic() + STORM.end_seconds_max
    while time.monotonic() < deadline:
        found: dict[str, Any] = {"status": "pending", "percent": 0.0}
        if sampler.seen:
            found = sampler.seen[-1]
        if found["status"] == "completed":
            assert blows == [], f"it was over before {len(blows)} blows had fallen"
            return found
        if found["status"] == "failed":
            _retry(stormy, sampler, found)
        elif found["status"] == "processing":
            stormy.send_duplicates(import_id)
            if blows and found["percent"] / 100 >= blows[0][0]:
                blows.pop(0)[1]()
        time.sleep(BLOW_SECONDS)
    raise AssertionError(f"the import did not end: {sampler.seen[-1]}")


def _retry(stormy: Stormy, sampler: Sampler, found: dict[str, Any]) -> None:
    """One chunk was killed at every try: that ends the import with a reason, and a person retries it."""
    assert found["error"]["retryable"], found
    assert stormy.retried < RETRIES_MAX
    answer = _call(stormy.stack, "POST", f"/api/imports/{sampler.import_id}/retry")
    # The look may be older than the retry before: then there is nothing to retry (409).
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
    found = stormy.sql("select sku_key, sku, name, description, active from product where not deleted")
    real = {row["sku_key"]: (row["sku"], row["name"], row["description"], row["active"]) for row in found}
    assert sum(real.get(key) != value for key, value in expected.items()) == 0
    assert len(real) == len(expected)
    completions = stormy.sql("select 1 from event where type = 'import.completed' and payload->>'id' = %s", import_id)
    assert len(completions) == 1
    assert stormy.deadlocks() == 0
    assert stormy.killed == STORM.kills
    assert stormy.restarted == STORM.restarts
    assert stormy.sent > 0
