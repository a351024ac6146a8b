"""DATA_DIR/stack.json: the address of the running stack and the credentials for its clients."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.errors import StackNotRunning
from infra.local.processes.private_file import write_private

NAME = "stack.json"


@dataclass(frozen=True)
class StackFile:
    """A running stack. The file is readable by its owner only: it holds passwords and the token."""

    pid: int
    url: str
    token: str
    s3_endpoint_url: str
    bucket: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_default_region: str
    owner_conninfo: str
    conninfos: dict[str, str]
    """Of each role of the functions."""
    emulator: str
    postgres_port: int
    emulator_port: int | None
    pids: dict[str, int]


def write(directory: Path, stack: StackFile) -> None:
    """Announces that a stack runs on this directory."""
    write_private(directory / NAME, json.dumps(asdict(stack), indent=2) + "\n")


def remove(directory: Path) -> None:
    """Announces that it no longer does."""
    (directory / NAME).unlink(missing_ok=True)


def read(directory: Path) -> StackFile:
    """The stack on this directory. Raises StackNotRunning. After a kill, the file may name a stack that is gone."""
    try:
        return StackFile(**json.loads((directory / NAME).read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        raise StackNotRunning(f"No stack is running on {directory}: start one with `make run`") from None
