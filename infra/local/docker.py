"""What docker-compose.yml describes: where it answers, and with which passwords.

The passwords are made once and kept in DATA_DIR/compose.env, which its owner alone can read. Ports come from the same
variables that docker-compose.yml reads.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from infra.local.processes.ports import LOOPBACK
from infra.local.processes.private_file import write_private

ENVIRONMENT_FILE = "compose.env"
PORTS = {"LOCALSTACK_PORT": 4566, "POSTGRES_PORT": 5432}
DATABASE, OWNER, ROLE = "importer", "postgres", "importer"


@dataclass(frozen=True)
class Containers:
    """LocalStack and PostgreSQL in Docker, whether or not they run."""

    endpoint_url: str
    postgres_port: int
    owner_password: str
    role_password: str

    @property
    def owner_conninfo(self) -> str:
        """libpq connection string of the superuser."""
        return self._conninfo(OWNER, self.owner_password)

    @property
    def role_conninfo(self) -> str:
        """libpq connection string of the functions' role."""
        return self._conninfo(ROLE, self.role_password)

    def _conninfo(self, user: str, password: str) -> str:
        return make_conninfo(host=LOOPBACK, port=self.postgres_port, dbname=DATABASE, user=user, password=password)


def environment_file(directory: Path) -> Path:
    """The file with the passwords, made at the first time."""
    path = directory / ENVIRONMENT_FILE
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        names = ("POSTGRES_PASSWORD", "IMPORTER_PASSWORD")
        write_private(path, "".join(f"{name}={secrets.token_urlsafe()}\n" for name in names))
    return path


def containers(directory: Path, environment: Mapping[str, str]) -> Containers | None:
    """Those of a DATA_DIR; None where `make up` never was. Raises ValueError for a port that is none."""
    path = directory / ENVIRONMENT_FILE
    if not path.exists():
        return None
    kept = dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines() if "=" in line)
    ports = {name: int(environment.get(name) or port) for name, port in PORTS.items()}
    return Containers(
        f"http://{LOOPBACK}:{ports['LOCALSTACK_PORT']}",
        ports["POSTGRES_PORT"],
        kept["POSTGRES_PASSWORD"],
        kept["IMPORTER_PASSWORD"],
    )
