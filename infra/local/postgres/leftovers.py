"""Cleans up after a killed stack: stops PostgreSQL processes that still run, and removes an outdated pid file."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from infra.local.errors import PostgresFailed

STOP_SECONDS_MAX = 20.0


def clear(data: Path, say: Callable[[str], None]) -> None:
    """Stops a server that still runs on this data, and removes a pid file that names an unrelated process."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    first_line = pid_file.read_text("utf-8").split("\n", 1)[0].strip()
    postmaster = int(first_line) if first_line.isdigit() else None
    leftovers = _servers(data)
    if leftovers:
        say("PostgreSQL was left running on this data by an earlier stack: stopping it")
        _stop_all(data, leftovers, postmaster)
    elif postmaster is not None and psutil.pid_exists(postmaster):
        # An unrelated process has got the same pid; PostgreSQL would take it for a running server.
        pid_file.unlink()


def _servers(data: Path) -> list[psutil.Process]:
    """Every PostgreSQL process that works in this data directory, the postmaster included."""
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(data)
    ]


def _stop_all(data: Path, leftovers: list[psutil.Process], postmaster: int | None) -> None:
    # A postmaster shuts its own processes down. Without one, their work is lost, but some would continue until their
    # statement ends: SIGQUIT makes them quit at once.
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
        raise PostgresFailed(f"PostgreSQL processes on {data} cannot be stopped: kill them manually")
