"""What a kill may have left of PostgreSQL: a server that still runs, or parts of one; a pid file that means nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

STOP_SECONDS_MAX = 20.0


class PostgresFailed(Exception):
    """PostgreSQL could not be started; the message says why and what to do."""


def clear(data: Path, say: Callable[[str], None]) -> None:
    """Ends the server that is still running, and removes a pid file that names somebody else's process."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    first_line = pid_file.read_text("utf-8").split("\n", 1)[0].strip()
    postmaster = int(first_line) if first_line.isdigit() else None
    leftovers = _servers(data)
    if leftovers:
        say("PostgreSQL was left running on this data: stopping it")
        _stop_all(data, leftovers, postmaster)
    elif postmaster is not None and psutil.pid_exists(postmaster):
        # PostgreSQL would take the unrelated process, which got the same number, for a running server.
        pid_file.unlink()


def _servers(data: Path) -> list[psutil.Process]:
    """Every PostgreSQL process, postmaster or not, that works in this data directory."""
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(data)
    ]


def _stop_all(data: Path, leftovers: list[psutil.Process], postmaster: int | None) -> None:
    # A postmaster shuts its own processes down. Without one nothing that they do counts any more, and some would go on
    # for as long as their statement takes: they are told to leave everything as it is.
    leaders = [process for process in leftovers if process.pid == postmaster]
    for process in leaders or leftovers:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT if leaders else signal.SIGQUIT)
    _, stubborn = psutil.wait_procs(leftovers, STOP_SECONDS_MAX)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, STOP_SECONDS_MAX)
    if _servers(data):
        raise PostgresFailed(f"PostgreSQL processes on {data} cannot be stopped: end them by hand")
