"""One stack per data directory: the lock is held as long as the supervisor lives, and the kernel lets go of it.

And one at a time on the whole machine, for what is installed there once.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "lock"


class AlreadyRunning(Exception):
    """Another stack uses this data directory; the message says which."""


class DirectoryLock:
    """Holds DATA_DIR/lock, and says in it who holds it."""

    def __init__(self, directory: Path, url: str) -> None:
        self._descriptor = os.open(directory / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunning(
                f"a stack is already running on {directory}: {holder or 'just starting'}. "
                "Stop it, or use another DATA_DIR and PORT"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"process {os.getpid()} at {url}\n".encode(), 0)

    def release(self) -> None:
        """Lets the next stack start. The file stays: removing it would let two in."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


@contextmanager
def machine_lock() -> Iterator[None]:
    """Waits until nobody else on this machine is inside. Then look again: what you wanted to make may be there."""
    root = os.open("/", os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        yield
    finally:
        os.close(root)


def main(arguments: list[str]) -> int:
    """Says whether a directory is free: 0 if it is, 1 and a message if a stack uses it."""
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
    sys.exit(main(sys.argv[1:]))
