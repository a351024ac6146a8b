"""Files and directories that no other user of the machine can read, from the first byte on."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY = 0o600
DIRECTORY_OWNER_ONLY = 0o700
OTHERS = 0o077


def create_only_private_files() -> None:
    """From now on, this process and those that it starts create files and directories for their owner only."""
    os.umask(OTHERS)


def private_opener(path: str, flags: int) -> int:
    """For open(): creates the file for its owner only."""
    return os.open(path, flags, OWNER_ONLY)


def make_private_directory(path: Path) -> None:
    """Creates the directory, or closes an existing one: its files may be from a version that did not protect them."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(DIRECTORY_OWNER_ONLY)


def write_private(path: Path, content: str | bytes) -> None:
    """Replaces the file in one step, so that it is never half written."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
