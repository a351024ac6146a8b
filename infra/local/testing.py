"""Stacks for tests, each in a directory of its own: the whole stack, or only its PostgreSQL, S3 and SQS.

with backing_services(tmp_path) as services: …         # takes about 3 s: share it within a session
with running_stack(tmp_path, WORKERS="2") as stack: …  # everything, as `make run` starts it
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chalicelib.backends import migrations
from chalicelib.backends.roles import FUNCTION_ROLES
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
TOGETHER = "all_functions"
LOG_LINES_SHOWN = 40
"""How much of each log is shown when a stack does not come up."""


@dataclass(frozen=True)
class Services:
    """PostgreSQL, without our schema, and an emulator with the stage's bucket and queues."""

    owner_conninfo: str
    conninfos: dict[str, str]
    """Of each role of the functions."""
    together_conninfo: str
    """Of a role that may do what all of them may: tests run everything in one process."""
    emulator: str
    """localstack, ministack or external: they differ in what they support."""
    endpoint: Endpoint
    resources: Resources
    environment: dict[str, str]
    """The environment variables of a function, with the role that may do what all of them may."""

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
        """URLs of the queues by their full names."""
        return self.resources.queue_urls


@contextmanager
def backing_services(directory: Path, *, power_may_fail: bool = True, **environment: str) -> Iterator[Services]:
    """Starts PostgreSQL and the emulator, and creates the resources. Keywords set variables of `make run`.

    With power_may_fail=False, PostgreSQL does not wait for the disk.
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
        together = _all_in_one(database)
        yield Services(
            owner_conninfo=database.owner_conninfo,
            conninfos=database.conninfos,
            together_conninfo=together,
            emulator=aws.name,
            endpoint=aws.endpoint,
            resources=created,
            environment={**function_environment(chosen, aws.endpoint, created.bucket), "DATABASE_URL": together},
        )


def _all_in_one(database: Postgres) -> str:
    """Creates the role that is a member of all roles of the functions. Returns its connection string."""
    password = secrets.token_urlsafe()
    migrations.ensure_role(database.owner_conninfo, TOGETHER, password)
    with psycopg.connect(database.owner_conninfo) as connection:
        for role in FUNCTION_ROLES:
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(TOGETHER)))
    return make_conninfo(database.owner_conninfo, user=TOGETHER, password=password)


@dataclass
class RunningStack:
    """A whole stack in its own process. `output` grows while it runs."""

    process: subprocess.Popen[str]
    file: StackFile
    output: list[str]
    directory: Path


def running_stack(directory: Path, **environment: str) -> AbstractContextManager[RunningStack]:
    """Starts `python -m infra.local`, waits for its Ready line, stops it at the end. PORT defaults to a free one."""
    return running_checkout(ROOT, directory, environment)


@contextmanager
def running_checkout(project: Path, directory: Path, environment: Mapping[str, str]) -> Iterator[RunningStack]:
    """The same for another checkout of this project, with the packages of this one."""
    variables = {**clean_environment(), "PORT": str(free_port()), **environment, "DATA_DIR": str(directory)}
    process = start_process([sys.executable, "-m", "infra.local"], variables, project)
    output: list[str] = []
    # Without a reader the pipe fills up, and the stack stalls.
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
    """This process's environment without the settings of a stack."""
    prefixes = ("AWS_", "PG", "PARAMETER_", "MAKE")
    names = {"PORT", "DATA_DIR", "API_TOKEN", "WORKERS", "DATABASE_URL", "STAGE", "FILES_BUCKET", "MFLAGS"}
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes) and name not in names}


def start_process(command: list[str], environment: Mapping[str, str], cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Starts a command as a terminal would: in its own session, with its output readable line by line."""
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
    """Reads the process's output into `output` up to the line with this prefix, and returns the line.

    Raises AssertionError when there is none; it shows the output and the ends of the logs in the stack's `directory`.
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
    """Sends SIGTERM and waits; raises TimeoutExpired, after a kill, when that takes too long. Returns the exit status.

    Another thread must read the output: a process with a full pipe does not stop.
    """
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
    """The last lines of every log, each under its name."""
    for log in sorted(logs.glob("*.log")):
        with log.open(encoding="utf-8", errors="replace") as lines:
            yield f"--- the last lines of {log.name} ---"
            yield from (line.rstrip("\n") for line in deque(lines, LOG_LINES_SHOWN))


def _inherited() -> dict[str, str]:
    """The choice of the emulator: the only setting that tests take from the environment."""
    names = ["EMULATOR"]
    if os.environ.get("EMULATOR") == "external":
        names.append("AWS_ENDPOINT_URL")
    return {name: os.environ[name] for name in names if name in os.environ}


def _silent(_line: str) -> None:
    """Tests do not show the progress of a start."""
