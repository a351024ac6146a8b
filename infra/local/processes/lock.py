"""Locks: one stack per data directory, and one process per machine for what is installed only once.

The kernel releases them when their holder ends, however that happens.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra import entry
from infra.local.errors import AlreadyRunning

NAME = "lock"


class DirectoryLock:
    """Holds DATA_DIR/lock; the file names the holder. Raises AlreadyRunning."""

    def __init__(self, directory: Path, url: str) -> None:
        self._descriptor = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"a stack is already running on {directory}: {holder or 'still starting'}. "
                "Stop it, or use another DATA_DIR and PORT"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} at {url}\n".encode(), 0)

    def release(self) -> None:
        """Lets another stack start. The file stays: if it were removed, two stacks could lock different files."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


@contextmanager
def machine_lock() -> Iterator[None]:
    """Waits until no other process on this machine holds it. Then check again: the other may have done the work."""
    root = os.open("/", os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        yield
    finally:
        os.close(root)


def main(arguments: list[str]) -> int:
    """Checks a directory: returns 0 when no stack uses it, else 1 and a message on standard error."""
    directory = Path(arguments[0])
    if not directory.is_dir():
        return 0
    try:
        DirectoryLock(directory, "").release()
    except AlreadyRunning as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    entry.run(main)
