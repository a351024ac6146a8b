"""DATA_DIR/stack.json: how the clients of a running stack find it, and let themselves in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.processes.private_file import write_private

NAME = "stack.json"


class StackNotRunning(Exception):
    """There is no stack on this data directory; the message says how to start one."""


@dataclass(frozen=True)
class StackFile:
    """A running stack. Readable by its owner only: it holds passwords and the token."""

    pid: int
    url: str
    token: str
    s3_endpoint_url: str
    bucket: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_default_region: str
    owner_conninfo: str
    importer_conninfo: str
    emulator: str
    postgres_port: int
    emulator_port: int | None
    pids: dict[str, int]


def write(directory: Path, stack: StackFile) -> None:
    """Says that a stack runs."""
    write_private(directory / NAME, json.dumps(asdict(stack), indent=2) + "\n")


def remove(directory: Path) -> None:
    """Says that it does not any more."""
    (directory / NAME).unlink(missing_ok=True)


def read(directory: Path) -> StackFile:
    """The stack on this data. Raises StackNotRunning. After a kill the file may speak of a stack that is gone."""
    try:
        return StackFile(**json.loads((directory / NAME).read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise StackNotRunning(f"no stack is running on {directory}: start one with `make run`") from None
