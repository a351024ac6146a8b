"""What a killed stack may have left of its emulator: processes that nobody holds on a line any more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

STOP_SECONDS_MAX = 10.0


class EmulatorFailed(Exception):
    """The emulator could not be started or reached; the message says why and what to do."""


def clear(root: Path, say: Callable[[str], None]) -> None:
    """Ends every process of an emulator that lives in this directory. It keeps nothing, so there is no polite way."""
    if not root.exists():
        # An emulator that was stopped has taken its directory along.
        return
    leftovers = _processes(root)
    if not leftovers:
        return
    say("the emulator of S3 and SQS was left running: ending it")
    for process in leftovers:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(leftovers, STOP_SECONDS_MAX)
    if _processes(root):
        raise EmulatorFailed(f"processes of an emulator in {root} cannot be ended: end them by hand")


def _processes(root: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _home(process) == str(root)]


def _home(process: psutil.Process) -> str | None:
    """HOME in a process's environment: the emulator's is its own directory, which is no other program's home."""
    try:
        return process.environ().get("HOME")
    except (psutil.Error, OSError):
        # Gone meanwhile, a zombie, or somebody else's.
        return None
