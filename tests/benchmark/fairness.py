"""How long a file of 1,000 rows takes alone, and while other work runs, through the running stack.

Each time is from “the object is in S3” to completed. A measurement counts only if the other work was still running
when it ended.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from infra.local.processes.deadline import wait_until
from tests.benchmark.imports import RESPONSE_SECONDS_MAX, RUNNING, Stack

SMALL_ROWS = 1_000
IMPORTS = 5
SMALL_AT_ONCE = 20
LONG_TEXT_CHARACTERS = 60_000
PAUSE_SECONDS = 0.3
SAMPLE_SECONDS = 0.02
END_SECONDS_MAX = 600.0
ENDED_SECONDS_MAX = 1800.0


@dataclass
class Times:
    """What files of 1,000 rows took, in seconds, while one kind of work ran."""

    work: str
    seconds: list[float] = field(default_factory=list)
    at_once: bool = False
    """Whether the files were sent at the same time, so that they also wait for each other."""

    @property
    def p95(self) -> float:
        """The 95th percentile: the largest one of fewer than twenty."""
        return sorted(self.seconds)[max(-(-len(self.seconds) * 95 // 100) - 1, 0)] if self.seconds else 0.0

    @property
    def line(self) -> list[Any]:
        """A line of the table: work, number of files, median, 95th percentile, maximum."""
        if not self.seconds:
            return [self.work, 0, "–", "–", "–"]
        return [self.work, len(self.seconds), statistics.median(self.seconds), self.p95, max(self.seconds)]


HEADER = ["while this runs", "files", "median s", "p95 s", "max s"]


def measure(stack: Stack, directory: Path, rows: int, samples: int) -> list[Times]:
    """Measures at most `samples` small files for each kind of other work. Large files have `rows` rows."""
    small = _rows_file(directory, "small", SMALL_ROWS)
    stack.run(small)  # Everything is warm from here on.
    results = [_sampled("nothing", stack, small, samples, lambda: True)]
    large = [_rows_file(directory, f"large{number}", rows) for number in range(IMPORTS)]
    with _imports(stack, large) as is_running:
        results.append(_sampled(f"{IMPORTS} imports of {rows:,} rows", stack, small, samples, is_running))
    with _imports(stack, [_long_file(directory, rows)]) as is_running:
        results.append(_sampled("a file of long rows being split", stack, small, samples, is_running))
    results.append(_at_once(stack, small, "nothing"))
    with _imports(stack, large) as is_running:
        results.append(_at_once(stack, small, f"{IMPORTS} imports of {rows:,} rows"))
    with _job(stack, "exports", {}) as is_running:
        results.append(_sampled("an export", stack, small, samples, is_running))
    with _job(stack, "bulk-deletes", {"confirm": "DELETE ALL"}) as is_running:
        results.append(_sampled("a bulk delete", stack, small, samples, is_running))
    return results


def _sampled(work: str, stack: Stack, small: Path, samples: int, is_running: Callable[[], bool]) -> Times:
    times = Times(work)
    for _ in range(samples):
        seconds = _seconds_of(stack, *stack.upload(small))
        if not is_running():
            break
        times.seconds.append(seconds)
        time.sleep(PAUSE_SECONDS)
    return times


def _at_once(stack: Stack, small: Path, work: str) -> Times:
    uploads = [stack.upload(small) for _ in range(SMALL_AT_ONCE)]
    seconds = [_seconds_of(stack, import_id, stored_at) for import_id, stored_at in uploads]
    return Times(f"{work}; {SMALL_AT_ONCE} small files at once", seconds, at_once=True)


def _seconds_of(stack: Stack, import_id: str, stored_at: float) -> float:
    """Waits until an import is completed. Returns how long that was after its file was stored."""
    wait_until(lambda: _status(stack, import_id)[0] not in RUNNING, END_SECONDS_MAX, "a small import")
    status, finished_at = _status(stack, import_id)
    assert status == "completed", status
    return float(finished_at - stored_at)


def _status(stack: Stack, import_id: str) -> tuple[str, float]:
    time.sleep(SAMPLE_SECONDS)
    query = "select status::text, extract(epoch from finished_at)::float8 from import where id = %s"
    found = stack.database.execute(query, [import_id]).fetchone()
    assert found is not None
    return found[0], found[1]


@contextmanager
def _imports(stack: Stack, files: list[Path]) -> Iterator[Callable[[], bool]]:
    """Runs imports inside the block, then cancels what is left of them. Yields whether the first one still runs."""
    import_ids = [stack.upload(file)[0] for file in files]
    wait_until(lambda: _status(stack, import_ids[0])[0] == "processing", END_SECONDS_MAX, "the first import running")
    yield lambda: _status(stack, import_ids[0])[0] in RUNNING
    for import_id in import_ids:
        _call(stack, "POST", f"/imports/{import_id}/cancel")
    wait_until(lambda: all(_status(stack, each)[0] not in RUNNING for each in import_ids), END_SECONDS_MAX, "the end")


@contextmanager
def _job(stack: Stack, kind: str, body: dict[str, Any]) -> Iterator[Callable[[], bool]]:
    """Runs an export or a bulk delete inside the block."""
    job = _call(stack, "POST", f"/{kind}", body)

    def is_running() -> bool:
        return _call(stack, "GET", f"/{kind}/{job['id']}")["status"] in RUNNING

    yield is_running
    wait_until(lambda: not is_running(), ENDED_SECONDS_MAX, f"the end of {kind}")


def _call(stack: Stack, method: str, path: str, body: Any = None) -> Any:
    """Calls the API. Returns the answer, also of a request that came too late, such as one to cancel."""
    headers = {"Authorization": f"Bearer {stack.stack.file.token}"}
    url = f"{stack.stack.file.url}/api{path}"
    answer = requests.request(method, url, json=body, headers=headers, timeout=RESPONSE_SECONDS_MAX)
    return answer.json()


def _rows_file(directory: Path, name: str, rows: int) -> Path:
    """A file with its own SKUs, of about 150 bytes a row."""
    file = directory / f"fairness-{name}-{rows}.csv"
    if not file.exists():
        with file.open("w", encoding="utf-8") as out:
            out.write("sku,name,description\n")
            text = "a description as long as those of the other files, so that a chunk has as many rows as theirs"
            out.writelines(f"{name}-{number:08},Product {number} of {name},{text}\n" for number in range(rows))
    return file


def _long_file(directory: Path, rows: int) -> Path:
    """A file of the same size as one with this many rows, but with few, long rows, so that splitting takes longest."""
    file = directory / f"fairness-long-{rows}.csv"
    if not file.exists():
        with file.open("w", encoding="utf-8") as out:
            out.write("sku,name,description\n")
            text = "x" * LONG_TEXT_CHARACTERS
            out.writelines(f"long-{number},Long,{text}\n" for number in range(max(rows * 150 // len(text), 1)))
    return file


def remove(directory: Path) -> None:
    """Removes the files, which may have gigabytes."""
    with suppress(FileNotFoundError):
        for file in directory.glob("fairness-*.csv"):
            file.unlink()
