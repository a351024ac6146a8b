"""Programs on a tether: stopped politely, then hard, and never left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.local.processes.child import Child, Program
from infra.local.processes.deadline import wait_until
from infra.local.processes.logbook import LogBook

SECONDS_MAX = 10.0

# Says its process id, then what it thinks of SIGINT; not by `print`, which must not be interrupted by itself.
POLITE = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: (os.write(1, b"interrupted\\n"), sys.exit(7)))
os.write(1, b"%d\\n" % os.getpid())
while True: signal.pause()
"""
STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpid(), flush=True)
while True: signal.pause()
"""
HOLDER = """
import sys, time
from pathlib import Path
from infra.local.processes.child import Child, Program
from infra.local.processes.logbook import LogBook
program = Program("held", [sys.executable, "-c", sys.argv[2]], {}, grace_seconds=0.2)
child = Child(program, LogBook(Path(sys.argv[1])))
time.sleep(60)
"""


@pytest.fixture
def logbook(tmp_path: Path) -> Iterator[LogBook]:
    """Writes below the test's directory, and echoes nothing."""
    book = LogBook(tmp_path, lambda _: None)
    yield book
    book.close()


def _program(source: str, **settings: object) -> Program:
    return Program("program", [sys.executable, "-c", source], {}, **settings)  # type: ignore[arg-type]


def _process(logbook: LogBook) -> psutil.Process:
    wait_until(lambda: bool(logbook.tail("program")), SECONDS_MAX, "program up")
    return psutil.Process(int(logbook.tail("program")))


def test_stop_is_polite_and_the_exit_status_is_the_programs(logbook: LogBook) -> None:
    child = Child(_program(POLITE, stop_signal="INT"), logbook)
    process = _process(logbook)
    child.stop()
    assert child.exit_status() == 7
    assert not process.is_running()
    wait_until(lambda: "interrupted" in logbook.tail("program"), SECONDS_MAX, "last words")


def test_stubborn_program_is_killed_after_its_grace(logbook: LogBook) -> None:
    child = Child(_program(STUBBORN, grace_seconds=0.2), logbook)
    process = _process(logbook)
    child.stop()
    assert child.exit_status() == 128 + signal.SIGKILL
    assert not process.is_running()


def test_end_of_the_program_is_noticed(logbook: LogBook) -> None:
    child = Child(_program("raise SystemExit(3)"), logbook)
    wait_until(lambda: child.exit_status() is not None, SECONDS_MAX, "exit status")
    assert child.exit_status() == 3
    child.stop()


def test_a_killed_supervisor_takes_its_programs_along(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), STUBBORN]) as holder:
        log = tmp_path / "held.log"
        wait_until(lambda: log.exists() and bool(log.read_text()), SECONDS_MAX, "program up")
        held = psutil.Process(int(log.read_text()))
        tether = held.parent()
        assert tether is not None
        holder.kill()
    wait_until(lambda: not held.is_running() and not tether.is_running(), SECONDS_MAX, "both gone")
