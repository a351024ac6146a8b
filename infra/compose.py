"""LocalStack and PostgreSQL in Docker: `make up` and `make down`.

    python -m infra.compose up | down

`up` starts what docker-compose.yml describes, waits until it answers, and makes in it the bucket and the queues of
infra/resources.yml, the role of the functions and the schema. Doing it again changes nothing. Passwords are made once
and kept in DATA_DIR/compose.env, which its owner alone can read.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from chalicelib import migrations
from infra.dependencies import ROOT
from infra.local import resources
from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.private_file import write_private
from infra.local.resources import Resources

STAGE = "local"
ROLE = "importer"
ENVIRONMENT_FILE = "compose.env"
PORTS = {"LOCALSTACK_PORT": 4566, "POSTGRES_PORT": 5432}
UP = ("up", "--detach", "--wait")
COMMANDS = {"up": UP, "down": ("down",)}
MEND = """\
If it refuses the password, its volume was made with another one than {kept} holds: `make clean` removes that file,
but not the volume. Bring the file back, or begin with an empty database: docker compose down --volumes
"""


def main(arguments: list[str]) -> int:
    """Runs one of the commands. Returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        sys.stderr.write("usage: python -m infra.compose up|down\n")
        return 2
    kept = kept_settings(Path(os.environ.get("DATA_DIR") or ".local"))
    status = _docker(kept, *COMMANDS[arguments[0]])
    if status == 0 and arguments[0] == "up":
        settings = _parsed(kept)
        forget_personal_settings()
        endpoint = Endpoint(f"http://127.0.0.1:{_port('LOCALSTACK_PORT')}")
        owner = make_conninfo(
            host="127.0.0.1",
            port=_port("POSTGRES_PORT"),
            dbname="importer",
            user="postgres",
            password=settings["POSTGRES_PASSWORD"],
        )
        try:
            made = furnish(endpoint, owner, settings["IMPORTER_PASSWORD"])
        except psycopg.OperationalError as error:
            sys.stderr.write(f"PostgreSQL cannot be used: {error}\n{MEND.format(kept=kept)}")
            return 1
        sys.stdout.write(f"S3 and SQS: {endpoint.url}, bucket {made.bucket}\n")
        sys.stdout.write(f"Run the functions on them: EMULATOR=external AWS_ENDPOINT_URL={endpoint.url} make run\n")
        sys.stdout.write(f"PostgreSQL: 127.0.0.1:{_port('POSTGRES_PORT')}, passwords in {kept}\n")
    return status


def furnish(endpoint: Endpoint, owner_conninfo: str, importer_password: str) -> Resources:
    """Makes the bucket, the queues, the role and the schema, where they are missing."""
    made = resources.create(endpoint, resources.declared({"Stage": STAGE}))
    migrations.ensure_role(owner_conninfo, ROLE, importer_password)
    migrations.migrate(owner_conninfo)
    return made


def kept_settings(directory: Path) -> Path:
    """The file with the passwords, made at the first time."""
    path = directory / ENVIRONMENT_FILE
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        names = ("POSTGRES_PASSWORD", "IMPORTER_PASSWORD")
        write_private(path, "".join(f"{name}={secrets.token_urlsafe()}\n" for name in names))
    return path


def _parsed(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines() if "=" in line)


def _port(name: str) -> int:
    return int(os.environ.get(name) or PORTS[name])


def _docker(kept: Path, *command: str) -> int:
    file = ROOT / "docker-compose.yml"
    try:
        return subprocess.run(  # noqa: S603  our own command
            ["docker", "compose", "--file", str(file), "--env-file", str(kept), *command],  # noqa: S607
            check=False,
        ).returncode
    except FileNotFoundError:
        sys.stderr.write("docker is not installed; `make run` needs none\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
