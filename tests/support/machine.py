"""The lock of the whole machine."""

from __future__ import annotations

import fcntl
import os


def is_locked() -> bool:
    """Whether another process holds the lock. Neither waits for it nor keeps it."""
    root = os.open("/", os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(root)
    return False
