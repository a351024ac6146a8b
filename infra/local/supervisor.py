"""The composition root of the local stack: starts everything in order, watches it, stops it in reverse order."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from chalicelib.access import tokens
from chalicelib.backends import migrations
from chalicelib.backends.migrations import MigrationError
from infra.entry import Interrupted
from infra.local import aws, backing, stack_file
from infra.local.errors import MigrationFailed, OptionError, StackBroke, StackError, StackNotRunning
from infra.local.lambda_.event_sources import EventSources
from infra.local.lambda_.triggers import API_FUNCTION
from infra.local.lambda_.zygote_client import ZygoteClient
from infra.local.options import Options
from infra.local.postgres.external import ExternalPostgres
from infra.local.postgres.keeper import PostgresKeeper
from infra.local.postgres.server import Postgres
from infra.local.processes.lock import DirectoryLock
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK, free_port, listen
from infra.local.processes.private_file import create_only_private_files
from infra.local.s3_sqs import emulator, resources
from infra.local.s3_sqs.emulator import Emulator
from infra.local.site.authorizer import Authorizer
from infra.local.site.server import Site, WebServer
from infra.local.site.static_files import StaticFiles
from infra.local.stack_file import StackFile
from infra.project import ROOT

TOKEN_NAME = "local start"  # noqa: S105  a name, not a token
TOKEN_SCOPES = ("admin",)
WATCH_SECONDS = 0.5

Say = Callable[[str], None]
_Database = Postgres | ExternalPostgres


class Supervisor:
    """One run of the stack."""

    def __init__(self, options: Options, say: Say, project: Path = ROOT) -> None:
        self._options = options
        self._say = say
        self._project = project
        self._stop = threading.Event()
        self._checks: list[Callable[[], None]] = []
        self._parent = os.getppid()

    def run(self) -> None:
        """Starts everything, serves until a signal arrives, stops everything. Raises StackError, Interrupted."""
        self._make_data_dir()
        create_only_private_files()
        url = f"http://{LOOPBACK}:{self._options.port}"
        with ExitStack() as cleanup:
            lock = DirectoryLock(self._options.data_dir, url)
            cleanup.callback(lock.release)
            listener = listen(self._options.port)
            cleanup.callback(listener.close)
            self._listen_to_signals()
            aws.forget_personal_settings()
            started = time.monotonic()
            try:
                self._start(url, listener, cleanup)
            except StackError:
                self._check_signal()  # Ctrl-C also reaches programs that run here for a moment, such as initdb.
                raise
            self._say(f"Started in {time.monotonic() - started:.1f} s. Ctrl-C stops everything.")
            self._watch()
            self._say("Stopping …")

    def _make_data_dir(self) -> None:
        """No other user may list the data. Under root, PostgreSQL's system user must be able to pass through."""
        directory = self._options.data_dir
        try:
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
        except OSError as error:
            raise OptionError(f"DATA_DIR={directory} cannot be used: {error.strerror}") from None

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stop.set())
        # Under nohup the stack is meant to outlive its terminal.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, lambda *_: self._stop.set())

    def _start(self, url: str, listener: socket.socket, cleanup: ExitStack) -> None:
        options = self._options
        last = _last(options.data_dir)
        logbook = LogBook(options.data_dir / "logs", self._say)
        cleanup.callback(logbook.close)
        declared = resources.declared(backing.overridden(options))
        # The emulator, PostgreSQL and the zygote start at the same time; the emulator is the slowest.
        s3_and_sqs = emulator.start(options, logbook, self._say, last.emulator_port if last else None)
        cleanup.callback(s3_and_sqs.stop)
        database = self._database(logbook, last)
        cleanup.callback(database.stop)
        bucket = resources.bucket_name(declared)
        environment = backing.function_environment(options, s3_and_sqs.endpoint, bucket)
        own = partial(backing.own_environment, database.conninfos)
        zygote = ZygoteClient(self._project, options.chalice_stage, environment, logbook, own)
        cleanup.callback(zygote.stop)

        database.wait_ready()
        self._check_signal()
        self._migrate(database)
        token = _token(database, options)
        self._check_signal()
        s3_and_sqs.wait_ready()
        self._check_signal()
        created = resources.create(s3_and_sqs.endpoint, declared)
        self._check_signal()
        events = EventSources(zygote, s3_and_sqs.endpoint, options.workers, self._say)
        cleanup.callback(events.stop)
        events.start()
        uploads_to = f"{s3_and_sqs.endpoint.url}/{created.bucket}/"
        files = StaticFiles(self._project / "web")
        authorizer = Authorizer(events.pools[name]) if (name := zygote.wiring.authorizer) else None
        site = Site(options.port, files, events.pools.get(API_FUNCTION), uploads_to, authorizer)
        web = WebServer(site, listener)

        stack = self._stack_file(url, token, database, s3_and_sqs, created.bucket, zygote)
        stack_file.write(options.data_dir, stack)
        cleanup.callback(stack_file.remove, options.data_dir)
        self._checks = list(self._watched(stack, database, s3_and_sqs, zygote))
        web.start()
        cleanup.callback(web.stop)
        self._announce(stack)

    def _migrate(self, database: _Database) -> None:
        try:
            migrated = migrations.advance(database.owner_conninfo)
        except MigrationError as error:
            raise MigrationFailed(str(error)) from error
        for name in migrated.applied:
            self._say(f"Applied the migration {name}")
        for report in migrated.reports:
            self._say(report)

    def _watched(
        self, stack: StackFile, database: _Database, s3_and_sqs: Emulator, zygote: ZygoteClient
    ) -> Iterator[Callable[[], None]]:
        """What the stack checks while it runs, for each process that it cannot do without."""
        yield lambda: self._require("the functions' process", zygote.process.poll())
        if isinstance(database, Postgres):
            yield PostgresKeeper(database, self._say, lambda: self._note_restart(stack, database)).check
        if (emulator_child := s3_and_sqs.child) is not None:
            # It is not restarted: it would have lost every message and file.
            yield lambda: self._require("the emulator", emulator_child.exit_status())

    def _database(self, logbook: LogBook, last: StackFile | None) -> _Database:
        options = self._options
        if options.containers is not None:
            return ExternalPostgres(options.containers)
        port = options.postgres_port or free_port(last.postgres_port if last else None)
        return Postgres(options.data_dir, port, logbook, self._say)

    def _stack_file(
        self, url: str, token: str, database: _Database, s3_and_sqs: Emulator, bucket: str, zygote: ZygoteClient
    ) -> StackFile:
        pids = {"supervisor": os.getpid(), "functions": zygote.process.pid}
        if isinstance(database, Postgres):
            pids["postgres"] = database.pid
        if s3_and_sqs.child is not None:
            pids["emulator"] = s3_and_sqs.child.pid
        return StackFile(
            pid=os.getpid(),
            url=url,
            token=token,
            s3_endpoint_url=s3_and_sqs.endpoint.url,
            bucket=bucket,
            aws_access_key_id=aws.ACCESS_KEY_ID,
            aws_secret_access_key=aws.SECRET_ACCESS_KEY,
            aws_default_region=aws.REGION,
            owner_conninfo=database.owner_conninfo,
            conninfos=database.conninfos,
            emulator=s3_and_sqs.name,
            postgres_port=database.port,
            emulator_port=s3_and_sqs.port,
            pids=pids,
        )

    def _note_restart(self, stack: StackFile, database: Postgres) -> None:
        stack_file.write(self._options.data_dir, replace(stack, pids={**stack.pids, "postgres": database.pid}))

    def _announce(self, stack: StackFile) -> None:
        self._say(f"Ready: {stack.url}/#token={stack.token}")
        self._say(f"S3 endpoint: {stack.s3_endpoint_url} ({stack.emulator})")
        self._say(f"Bucket: {stack.bucket}")

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_SECONDS):
            for check in self._checks:
                check()
            if self._options.stop_with_parent and os.getppid() != self._parent:
                self._say("The process that started the stack has ended, so the stack stops.")
                return

    def _require(self, name: str, exit_status: int | None) -> None:
        if exit_status is not None:
            raise StackBroke(
                f"{name} ended unexpectedly (exit status {exit_status}), so the stack stops: "
                f"see the logs in {self._options.data_dir / 'logs'}"
            )

    def _check_signal(self) -> None:
        if self._stop.is_set():
            raise Interrupted("The stack was stopped before it was ready.")


def _token(database: _Database, options: Options) -> str:
    """The token of this start; the token of the last start is no longer valid."""
    return tokens.install(database.owner_conninfo, TOKEN_NAME, TOKEN_SCOPES, options.api_token)


def _last(directory: Path) -> StackFile | None:
    """The file of a stack that was killed: its ports are tried first, so that open psql sessions can reconnect."""
    try:
        return stack_file.read(directory)
    except (StackNotRunning, ValueError, TypeError):
        return None
