"""The containers of docker-compose.yml: their ports and passwords.

The passwords are created once and kept in DATA_DIR/compose.env, which only its owner can read. The ports come from the
same variables that docker-compose.yml reads.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from chalicelib.backends.roles import FUNCTION_ROLES
from infra.local.processes.ports import LOOPBACK
from infra.local.processes.private_file import write_private

ENVIRONMENT_FILE = "compose.env"
PORTS = {"LOCALSTACK_PORT": 4566, "POSTGRES_PORT": 5432}
DATABASE, OWNER = "importer", "postgres"
OWNER_PASSWORD = "POSTGRES_PASSWORD"  # noqa: S105  the name of a variable, which docker-compose.yml reads
PASSWORD_NAMES = {role: f"{role.upper()}_PASSWORD" for role in FUNCTION_ROLES}
"""The variable with the password of each role."""


@dataclass(frozen=True)
class Containers:
    """LocalStack and PostgreSQL in Docker, whether or not they run."""

    endpoint_url: str
    postgres_port: int
    owner_password: str
    passwords: Mapping[str, str]
    """Of each role of the functions."""

    @property
    def owner_conninfo(self) -> str:
        """libpq connection string of the superuser."""
        return self._conninfo(OWNER, self.owner_password)

    @property
    def conninfos(self) -> dict[str, str]:
        """libpq connection string of each role of the functions."""
        return {role: self._conninfo(role, password) for role, password in self.passwords.items()}

    def _conninfo(self, user: str, password: str) -> str:
        return make_conninfo(host=LOOPBACK, port=self.postgres_port, dbname=DATABASE, user=user, password=password)


def environment_file(directory: Path) -> Path:
    """The file with the passwords. Created on first use; the passwords of new roles are added."""
    path = directory / ENVIRONMENT_FILE
    kept = path.read_text("utf-8") if path.exists() else ""
    missing = {OWNER_PASSWORD, *PASSWORD_NAMES.values()} - set(_variables(kept))
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
        whole = f"{kept}\n" if kept and not kept.endswith("\n") else kept
        write_private(path, whole + "".join(f"{name}={secrets.token_urlsafe()}\n" for name in sorted(missing)))
    return path


def containers(directory: Path, environment: Mapping[str, str]) -> Containers | None:
    """The containers of a DATA_DIR; None before the first `make up` of this version.

    Raises ValueError when a port is not a number.
    """
    path = directory / ENVIRONMENT_FILE
    passwords = _variables(path.read_text("utf-8")) if path.exists() else {}
    if not {OWNER_PASSWORD, *PASSWORD_NAMES.values()} <= set(passwords):
        return None
    ports = {name: int(environment.get(name) or port) for name, port in PORTS.items()}
    return Containers(
        f"http://{LOOPBACK}:{ports['LOCALSTACK_PORT']}",
        ports["POSTGRES_PORT"],
        passwords[OWNER_PASSWORD],
        {role: passwords[name] for role, name in PASSWORD_NAMES.items()},
    )


def _variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
