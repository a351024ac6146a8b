"""What a hostile body costs until its response is ready: `python -m tests.benchmark.hostile_json`.

Copied into a checkout of an earlier version, it measures that version. Each body is read in a process of its own, with
a limit on its memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

from chalicelib.errors import Invalid
from functions.api.export_models import NewExport
from functions.api.problems import problem_of
from functions.api.request_parsing import read_body
from tests.integration.huge_file import peak_bytes

MEMORY_BYTES_MAX = 4 << 30
RUNS = 3
BODIES: dict[str, Callable[[], Any]] = {
    "500 NULs inside a key of 20,000 characters": lambda: {"a" * 20_000: ["\0"] * 500},
    "1,000 NULs inside a key of 40,000 characters": lambda: {"a" * 40_000: ["\0"] * 1_000},
    "5,000 NULs inside a key of 500,000 characters": lambda: {"a" * 500_000: ["\0"] * 5_000},
    "58,000 NULs inside a key of 500,000 characters": lambda: {"a" * 500_000: ["\0"] * 58_000},
    "110,000 NULs": lambda: ["\0"] * 110_000,
    "90,000 unknown fields": lambda: {f"{number:06}": 1 for number in range(90_000)},
    "340,000 empty lists": lambda: {"sku": [[]] * 340_000},
    "140,000 small objects": lambda: {"sku": [{"": 0}] * 140_000},
}


def measure(raw: bytes) -> dict[str, float]:
    """Reads a body in this process. Without the size of a response, the memory was not enough for one."""
    request = SimpleNamespace(raw_body=raw, headers={"content-type": "application/json"})
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    before_bytes, started = peak_bytes(), time.process_time()
    response_bytes: dict[str, float] = {}
    with suppress(MemoryError):
        try:
            read_body(cast(Any, request), NewExport)
        except Invalid as error:
            response_bytes = {"response_bytes": len(problem_of(error).body)}
    seconds = time.process_time() - started
    return {"seconds": seconds, "memory_bytes": peak_bytes() - before_bytes, **response_bytes}


def row(kind: str) -> str:
    """One line of the table: the median of some runs."""
    raw = json.dumps(BODIES[kind](), separators=(",", ":")).encode()
    command = [sys.executable, "-m", "tests.benchmark.hostile_json", "-"]
    runs = [json.loads(subprocess.run(command, input=raw, check=True, capture_output=True).stdout) for _ in range(RUNS)]
    memory = median(each["memory_bytes"] for each in runs) / 1e6
    seconds = median(each["seconds"] for each in runs)
    response = f"{runs[0]['response_bytes'] / 1000:,.1f} KB" if "response_bytes" in runs[0] else "none"
    return f"| {kind} | {len(raw) / 1000:,.0f} KB | {seconds:.2f} s | {memory:,.0f} MB | {response} |"


if __name__ == "__main__":
    if sys.argv[1:]:
        json.dump(measure(sys.stdin.buffer.read()), sys.stdout)
    else:
        sys.stdout.writelines(f"{row(kind)}\n" for kind in BODIES)
