"""A trial of the running API: schemathesis asks it everything that its OpenAPI document allows, and what it forbids.

schemathesis lives in an environment of its own, because its dependencies are many; this module, in the project's,
starts the stack that it talks to, with an import that has ended and has rejected rows.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.import_client import ImportClient
from infra.local.testing import RunningStack, running_stack

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-schemathesis/bin/schemathesis"
CONFIG = "tests/contract/schemathesis.toml"
HOOKS = "tests.contract.hooks"
FILE = b"sku,name\nA-1,one\nA-2,\n"
"""One row is good, one has no name."""


class Unseen:
    """Nobody watches the import."""

    def uploading(self, sent_bytes: int, size_bytes: int) -> None: ...

    def importing(self, report: object) -> None: ...


@contextmanager
def prepared_stack(directory: Path) -> Iterator[tuple[RunningStack, str]]:
    """A stack with an import that has ended. Yields both; of the import the id."""
    with running_stack(directory) as stack:
        file = directory / "products.csv"
        file.write_bytes(FILE)
        report = ImportClient(stack.file.url, stack.file.token).run(file, Unseen())
        assert (report.status, report.rows["rejected"]) == ("completed", 1)
        yield stack, report.id


def command(stack: RunningStack, *options: str) -> list[str]:
    """Tries every operation with every check."""
    document = f"{stack.file.url}/api/openapi.json"
    header = f"Authorization: Bearer {stack.file.token}"
    return [
        str(PROGRAM), "--config-file", CONFIG, "run", document, "--header", header, "--checks", "all", *options,
    ]  # fmt: skip


def environment(import_id: str) -> dict[str, str]:
    """What schemathesis finds in its environment: the hooks, and the import for them."""
    return {**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT), "CONTRACT_IMPORT_ID": import_id}


def run(directory: Path, *options: str, timeout_seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis against a stack of its own; its report is the output, shown at once without a time-out."""
    with prepared_stack(directory) as (stack, import_id):
        return subprocess.run(
            command(stack, *options),
            cwd=ROOT,
            env=environment(import_id),
            stdout=None if timeout_seconds is None else subprocess.PIPE,
            stderr=None if timeout_seconds is None else subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
