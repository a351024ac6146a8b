"""A trial of the running API: schemathesis asks it everything that its OpenAPI document allows, and what it forbids.

schemathesis lives in an environment of its own, because its dependencies are many; this module, in the project's,
starts the stack that it talks to, with an import that has rejected rows, and a delivery to a webhook.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from infra.local.client.http import ImportClient
from infra.local.testing import RunningStack, running_stack
from tests.support.hook_server import hook_server

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
def prepared_stack(directory: Path, webhook_url: str) -> Iterator[tuple[RunningStack, Mapping[str, str]]]:
    """A stack with an import that has ended and a delivery. Yields the stack, and what the hooks should know."""
    with running_stack(directory) as stack:
        file = directory / "products.csv"
        file.write_bytes(FILE)
        report = ImportClient(stack.file.url, stack.file.token).run(file, Unseen())
        assert (report.status, report.rows["rejected"]) == ("completed", 1)
        yield (
            stack,
            {
                "webhook_url": webhook_url,
                "import_id": report.id,
                "delivery_id": _delivery(stack, webhook_url),
            },
        )


def _delivery(stack: RunningStack, webhook_url: str) -> str:
    headers = {"Authorization": f"Bearer {stack.file.token}"}
    path = f"{stack.file.url}/api/webhooks"
    made = requests.post(path, json={"url": webhook_url, "events": ["*"]}, headers=headers, timeout=30)
    made.raise_for_status()
    sent = requests.post(f"{path}/{made.json()['id']}/test", headers=headers, timeout=30)
    sent.raise_for_status()
    return str(sent.json()["id"])


def command(stack: RunningStack, *options: str) -> list[str]:
    """Tries every operation with every check."""
    document = f"{stack.file.url}/api/openapi.json"
    header = f"Authorization: Bearer {stack.file.token}"
    return [
        str(PROGRAM), "--config-file", CONFIG, "run", document, "--header", header, "--checks", "all", *options,
    ]  # fmt: skip


def environment(known: Mapping[str, str]) -> dict[str, str]:
    """What schemathesis finds in its environment: the hooks, and what they put in the place of what is made up."""
    given = {f"CONTRACT_{name.upper()}": value for name, value in known.items()}
    return {**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT), **given}


def run(directory: Path, *options: str, timeout_seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Runs schemathesis against a stack of its own; its report is the output, shown at once without a time-out."""
    with hook_server() as server, prepared_stack(directory, server.url()) as (stack, known):
        return subprocess.run(
            command(stack, *options),
            cwd=ROOT,
            env=environment(known),
            stdout=None if timeout_seconds is None else subprocess.PIPE,
            stderr=None if timeout_seconds is None else subprocess.STDOUT,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
