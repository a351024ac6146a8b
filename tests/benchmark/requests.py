"""How many requests to AWS one import costs, and how many seconds of functions: what docs/deploy.md reckons with.

python -m tests.benchmark.requests 1000000
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.client

from chalicelib.backends import migrations
from infra.local.testing import backing_services
from tests.benchmark import files


def main(arguments: list[str]) -> int:
    """Imports a file of so many rows, one function at a time, and writes down what was asked of AWS."""
    rows = int(arguments[0])
    with tempfile.TemporaryDirectory() as directory, backing_services(Path(directory)) as services:
        os.environ.update(services.environment)
        migrations.migrate(services.owner_conninfo)
        from tests.support.pipeline import new_pipeline  # imports app.py, which wants the environment

        pipeline = new_pipeline(services)
        pipeline.reset()
        content = files.make(Path(directory), "plain", rows).read_bytes()
        import_id = pipeline.upload(content)
        spent: Counter[str] = Counter()
        asked: Counter[str] = Counter()
        for queue, function in (("uploads", "split_upload"), ("chunks", "upsert_chunk")):
            while message := pipeline.receive(queue, wait_seconds=1):
                spent[f"{function} invocations"] += 1
                wall, cpu = time.perf_counter(), time.process_time()
                with counted(asked):
                    pipeline.deliver(function, message, seconds=600)
                spent[f"{function} seconds"] += round(1000 * (time.perf_counter() - wall))
                spent[f"{function} CPU seconds"] += round(1000 * (time.process_time() - cpu))
        assert pipeline.show(import_id)["rows"]["total"] == rows
    lines = [
        f"{name}: {count / 1000 if name.endswith('seconds') else count:g}" for name, count in sorted(spent.items())
    ]
    lines += [f"{operation}: {count}" for operation, count in sorted(asked.items())]
    sys.stdout.write("\n".join([f"{len(content) / 1e6:.1f} MB, {rows} rows", *lines, ""]))
    return 0


@contextmanager
def counted(asked: Counter[str]) -> Iterator[None]:
    """Counts the operations that boto3 is asked for inside the block."""
    really_call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, parameters: Any) -> Any:
        asked[operation] += 1
        return really_call(client, operation, parameters)

    botocore.client.BaseClient._make_api_call = call  # type: ignore[attr-defined]
    try:
        yield
    finally:
        botocore.client.BaseClient._make_api_call = really_call  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
