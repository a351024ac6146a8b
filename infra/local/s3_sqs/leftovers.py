"""Cleans up after a killed stack: ends processes of its emulator that still run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from infra.local.errors import EmulatorFailed

STOP_SECONDS_MAX = 10.0


def clear(root: Path, say: Callable[[str], None]) -> None:
    """Kills every process of an emulator in this directory; it has nothing to save. Raises EmulatorFailed."""
    if not root.exists():
        # An emulator that was stopped in order has no directory left.
        return
    leftovers = _processes(root)
    if not leftovers:
        return
    say("The emulator of S3 and SQS was left running by an earlier stack: ending it")
    for process in leftovers:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(leftovers, STOP_SECONDS_MAX)
    if _processes(root):
        raise EmulatorFailed(f"processes of an emulator in {root} cannot be ended: kill them manually")


def _processes(root: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _home(process) == str(root)]


def _home(process: psutil.Process) -> str | None:
    """HOME of a process. That of an emulator is its own directory, which no other program has as its home."""
    try:
        return process.environ().get("HOME")
    except (psutil.Error, OSError):
        # It has ended, is a zombie, or belongs to another user.
        return None
