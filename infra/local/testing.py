"""The stack, or only what is behind the functions, for tests: real PostgreSQL, S3 and SQS, in a directory of its own.

with backing_services(tmp_path) as services: …         # about 3 s: use one for a whole session
with running_stack(tmp_path, WORKERS="2") as stack: …  # everything, as `make run` starts it
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from infra.local import options, stack_file
from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.backing import function_environment, overridden
from infra.local.postgres.server import Postgres
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import free_port
from infra.local.s3_sqs import emulator, resources
from infra.local.s3_sqs.resources import Resources
from infra.local.stack_file import StackFile
from infra.project import ROOT

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
READY_PREFIX = "Ready: "
LOG_LINES_SHOWN = 40
"""Of each log of a stack that did not come up."""


@dataclass(frozen=True)
class Services:
    """PostgreSQL and an emulator with the stage's bucket and queues. No migration has run."""

    owner_conninfo: str
    importer_conninfo: str
    emulator: str
    """localstack, ministack or external: they differ in what they can do."""
    endpoint: Endpoint
    resources: Resources
    environment: dict[str, str]
    """What a function finds in its environment."""

    @property
    def endpoint_url(self) -> str:
        """Where S3 and SQS answer."""
        return self.endpoint.url

    @property
    def bucket(self) -> str:
        """The name of the bucket for files."""
        return self.resources.bucket

    @property
    def queue_urls(self) -> Mapping[str, str]:
        """Addresses of the queues by their full names."""
        return self.resources.queue_urls


@contextmanager
def backing_services(directory: Path, *, power_may_fail: bool = True, **environment: str) -> Iterator[Services]:
    """PostgreSQL, the emulator and the resources; variables as for `make run` (EMULATOR, PARAMETER_…) by keyword.

    Where no power fails, PostgreSQL need not wait for the disk.
    """
    chosen = options.read({**_inherited(), **environment, "DATA_DIR": str(directory)})
    forget_personal_settings()
    with ExitStack() as cleanup:
        logbook = LogBook(directory / "logs")
        cleanup.callback(logbook.close)
        aws = emulator.start(chosen, logbook, _silent)
        cleanup.callback(aws.stop)
        port = chosen.postgres_port or free_port()
        database = Postgres(directory, port, logbook, _silent, power_may_fail=power_may_fail)
        cleanup.callback(database.stop)
        database.wait_ready()
        aws.wait_ready()
        created = resources.create(aws.endpoint, resources.declared(overridden(chosen)))
        yield Services(
            owner_conninfo=database.owner_conninfo,
            importer_conninfo=database.role_conninfo,
            emulator=aws.name,
            endpoint=aws.endpoint,
            resources=created,
            environment=function_environment(chosen, database.role_conninfo, aws.endpoint, created.bucket),
        )


@dataclass
class RunningStack:
    """A whole stack in a process of its own. `output` grows as long as it runs."""

    process: subprocess.Popen[str]
    file: StackFile
    output: list[str]
    directory: Path


@contextmanager
def running_stack(directory: Path, **environment: str) -> Iterator[RunningStack]:
    """Starts `python -m infra.local` and waits for its Ready line; stops it at the end. PORT is free if not set."""
    variables = {**clean_environment(), "PORT": str(free_port()), **environment, "DATA_DIR": str(directory)}
    process = start_process([sys.executable, "-m", "infra.local"], variables)
    output: list[str] = []
    # A stack whose full pipe nobody reads would stand still.
    reader = threading.Thread(target=_read_on, args=(process, output), daemon=True)
    try:
        read_until(process, READY_PREFIX, output, directory)
        reader.start()
        yield RunningStack(process, stack_file.read(directory), output, directory)
    finally:
        stop_process(process)
        if reader.is_alive():
            reader.join()
        _stdout(process).close()


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change a stack's settings."""
    mine = ("AWS_", "PG", "PARAMETER_", "MAKE")
    names = {"PORT", "DATA_DIR", "API_TOKEN", "WORKERS", "DATABASE_URL", "STAGE", "FILES_BUCKET", "MFLAGS"}
    return {name: value for name, value in os.environ.items() if not name.startswith(mine) and name not in names}


def start_process(command: list[str], environment: Mapping[str, str], cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Starts a command as a terminal would: in a session of its own, with its output readable line by line."""
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], prefix: str, output: list[str], directory: Path) -> str:
    """Reads the process's output into `output` up to the line with this prefix, which it returns.

    Raises AssertionError when there is none, with all that is known: also the logs in the stack's `directory`.
    """
    killer = threading.Timer(READY_SECONDS_MAX, process.kill)
    killer.start()
    try:
        for line in _stdout(process):
            output.append(line.rstrip("\n"))
            if line.startswith(prefix):
                return output[-1]
    finally:
        killer.cancel()
    known = "\n".join([*output, *_log_tails(directory / "logs")])
    raise AssertionError(f"no line {prefix!r} within {READY_SECONDS_MAX:g} s (status {process.wait()}):\n{known}")


def stop_process(process: subprocess.Popen[str]) -> int:
    """Sends SIGTERM and waits; kills what does not stop. Returns the exit status. Somebody must read its output."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _stdout(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _read_on(process: subprocess.Popen[str], output: list[str]) -> None:
    output.extend(line.rstrip("\n") for line in _stdout(process))


def _log_tails(logs: Path) -> Iterator[str]:
    """The end of every log there is, each under its name."""
    for log in sorted(logs.glob("*.log")):
        with log.open(encoding="utf-8", errors="replace") as lines:
            yield f"--- the last lines of {log.name} ---"
            yield from (line.rstrip("\n") for line in deque(lines, LOG_LINES_SHOWN))


def _inherited() -> dict[str, str]:
    """The choice of the emulator is the one thing that tests take over from whoever runs them."""
    names = ["EMULATOR"]
    if os.environ.get("EMULATOR") == "external":
        names.append("AWS_ENDPOINT_URL")
    return {name: os.environ[name] for name in names if name in os.environ}


def _silent(_line: str) -> None:
    """Progress of a start is of no interest in tests."""
