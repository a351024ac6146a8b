"""A program outside Python that the stack runs: PostgreSQL, the emulator. Always on a tether (see tether.py)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.processes.logbook import NOTEWORTHY, LogBook

TETHER = Path(__file__).with_name("tether.py")
TETHER_MARGIN_SECONDS = 5.0
"""How much longer than the program's grace the tether itself may take."""


@dataclass(frozen=True)
class Program:
    """What to run and how to end it. `grace_seconds` lie between the polite signal and the kill."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    stop_signal: str = "TERM"
    grace_seconds: float = 10.0
    user: str | None = None
    group: int | None = None
    noteworthy: re.Pattern[str] = NOTEWORTHY
    """Which lines of its output are shown on the terminal too."""


class Child:
    """A running program. What it prints goes to the log book under the program's name."""

    def __init__(self, program: Program, logbook: LogBook) -> None:
        self.program = program
        output = logbook.pipe(program.name, program.noteworthy)
        try:
            self._tether = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(program.environment),
                start_new_session=True,
            )
        finally:
            output.close()

    @property
    def pid(self) -> int:
        """The process id of the tether."""
        return self._tether.pid

    def exit_status(self) -> int | None:
        """The status the program ended with (128 + n for signal n); None while it runs."""
        return self._tether.poll()

    def stop(self) -> None:
        """Lets go of the line and waits until the program is gone; forceful when it takes too long."""
        assert self._tether.stdin is not None
        self._tether.stdin.close()
        try:
            self._tether.wait(self.program.grace_seconds + TETHER_MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._tether.kill()
            self._tether.wait()

    def _command(self) -> list[str | Path]:
        program = self.program
        command: list[str | Path] = [sys.executable, "-S", "-E", TETHER]
        command += ["--signal", program.stop_signal, "--grace", str(program.grace_seconds)]
        if program.user is not None:
            command += ["--user", program.user, "--group", str(program.group)]
        return [*command, "--", *program.command]
