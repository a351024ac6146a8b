"""The log files of the stack: one per program and function, bounded. Warnings and errors also go to the terminal."""

from __future__ import annotations

import logging
import os
import re
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from infra.local.processes.console_line import console_line
from infra.local.processes.private_file import make_private_directory

FILE_BYTES_MAX = 5 * 1024 * 1024
OLD_FILES_MAX = 2
LINE_BYTES_MAX = 64 * 1024
TAIL_LINES = 30
READ_BYTES = 64 * 1024

NOTEWORTHY = re.compile(
    r"\b(WARN(ING)?|ERROR|CRITICAL|FATAL)\b|\"level\": ?\"(warning|error|critical)\"", re.IGNORECASE
)
"""Lines that the terminal shows too, unless a program has a pattern of its own."""


@dataclass
class _Source:
    """One open pipe: the log for its lines, and the start of a line that is not complete yet."""

    name: str
    noteworthy: re.Pattern[str]
    partial: bytes = b""


@dataclass
class _Log:
    handler: RotatingFileHandler
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))


class LogBook:
    """Collects the output of every process of the stack, line by line, in one thread."""

    def __init__(self, directory: Path, echo: Callable[[str], None] | None = None) -> None:
        make_private_directory(directory)
        self._directory = directory
        self._echo = echo or _echo_to_stderr
        self._logs: dict[str, _Log] = {}
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._closing = False
        self._thread = threading.Thread(target=self._collect, name="logbook", daemon=True)
        self._thread.start()

    def pipe(self, name: str, noteworthy: re.Pattern[str] = NOTEWORTHY) -> IO[bytes]:
        """A file to pass to a child process as its output; close it here once the child has started."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        with self._lock:
            self._selector.register(read, selectors.EVENT_READ, _Source(name, noteworthy))
        self._wake()
        return os.fdopen(write, "wb", buffering=0)

    def note(self, name: str, line: str) -> None:
        """Writes a line of the stack itself to a log."""
        self._write(name, line, NOTEWORTHY)

    def tail(self, name: str) -> str:
        """The last lines of a log, for error messages."""
        with self._lock:
            log = self._logs.get(name)
            return "\n".join(log.tail) if log else ""

    def close(self) -> None:
        """Writes what is still in the pipes, then closes all files."""
        self._closing = True
        self._wake()
        self._thread.join()
        self._drain()
        with self._lock:
            for key in list(self._selector.get_map().values()):
                os.close(key.fd)
            self._selector.close()
            os.close(self._wake_write)
            for log in self._logs.values():
                log.handler.close()

    def _wake(self) -> None:
        os.write(self._wake_write, b".")

    def _collect(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(key.fd, READ_BYTES)
                else:
                    self._read(key.fd, key.data)

    def _drain(self) -> None:
        pending = True
        while pending:
            ready = [(key.fd, key.data) for key, _ in self._selector.select(0) if key.data is not None]
            pending = bool(ready)
            for descriptor, source in ready:
                self._read(descriptor, source)

    def _read(self, descriptor: int, source: _Source) -> None:
        arrived = os.read(descriptor, READ_BYTES)
        if not arrived:
            with self._lock:
                self._selector.unregister(descriptor)
            os.close(descriptor)
            if source.partial:
                self._write(source.name, _decoded(source.partial), source.noteworthy)
            return
        *lines, rest = (source.partial + arrived).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            lines.append(rest)
            rest = b""
        source.partial = rest
        for line in lines:
            self._write(source.name, _decoded(line), source.noteworthy)

    def _write(self, name: str, line: str, noteworthy: re.Pattern[str]) -> None:
        with self._lock:
            log = self._logs.get(name)
            if log is None:
                log = self._logs[name] = _Log(self._handler(name))
            log.tail.append(line)
            log.handler.emit(logging.LogRecord(name, logging.INFO, "", 0, line, None, None))
        if noteworthy.search(line):
            self._echo(console_line(name, line))

    def _handler(self, name: str) -> RotatingFileHandler:
        file = self._directory / f"{name}.log"
        return RotatingFileHandler(file, maxBytes=FILE_BYTES_MAX, backupCount=OLD_FILES_MAX, encoding="utf-8")


def _decoded(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")


def _echo_to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
