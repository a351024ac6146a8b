"""Starts and stops LocalStack and PostgreSQL in Docker: `make up` and `make down`.

    python -m infra.compose up | down

`up` starts the containers of docker-compose.yml, waits until they answer, and creates the bucket and the queues of
infra/resources.yml, the roles of the functions and the schema in them. A second `up` changes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg

from chalicelib.backends import migrations
from infra import entry
from infra.arguments import Parser, one_of
from infra.local import docker
from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.s3_sqs import resources
from infra.local.s3_sqs.resources import Resources
from infra.project import ROOT, data_dir

STAGE = "local"
UP = ("up", "--detach", "--wait")
COMMANDS = {"up": UP, "down": ("down",)}
REMEDY = """\
If PostgreSQL refuses the password, its volume was created with another password than the one in {passwords}:
`make clean` removes that file, but not the volume. Restore the file, or start with an empty database:
docker compose down --volumes
"""


def main(arguments: list[str]) -> int:
    """Runs one of the commands. Returns the exit status."""
    parser = Parser(prog="python -m infra.compose", make="make up, or make down")
    parser.add_argument("command", type=one_of([*COMMANDS]))
    chosen = parser.parse_args(arguments).command
    directory = data_dir()
    passwords = docker.environment_file(directory)
    try:
        status = _docker(passwords, *COMMANDS[chosen])
        return _set_up_and_report(directory, passwords) if status == 0 and chosen == "up" else status
    except KeyboardInterrupt:
        raise entry.Interrupted("Containers may be running: make up starts the rest, make down stops all.") from None


def _set_up_and_report(directory: Path, passwords: Path) -> int:
    containers = docker.containers(directory, os.environ)
    assert containers is not None, "environment_file has just created the file"
    forget_personal_settings()
    endpoint = Endpoint(containers.endpoint_url)
    try:
        created = set_up(endpoint, containers.owner_conninfo, containers.passwords)
    except psycopg.OperationalError as error:
        sys.stderr.write(f"PostgreSQL cannot be used: {error}\n{REMEDY.format(passwords=passwords)}")
        return 1
    sys.stdout.write(f"S3 and SQS: {endpoint.url}, bucket {created.bucket}\n")
    sys.stdout.write(f"PostgreSQL: 127.0.0.1:{containers.postgres_port}, passwords in {passwords}\n")
    sys.stdout.write("Run the functions on them: make run DOCKER=1\n")
    return 0


def set_up(endpoint: Endpoint, owner_conninfo: str, passwords: Mapping[str, str]) -> Resources:
    """Creates the bucket, the queues, the roles and the schema where they are missing."""
    created = resources.create(endpoint, resources.declared({"Stage": STAGE}))
    for role, password in passwords.items():
        migrations.ensure_role(owner_conninfo, role, password)
    migrations.migrate(owner_conninfo)
    return created


def _docker(passwords: Path, *command: str) -> int:
    file = ROOT / "docker-compose.yml"
    try:
        return subprocess.run(  # noqa: S603  our own command
            ["docker", "compose", "--file", str(file), "--env-file", str(passwords), *command],  # noqa: S607
            check=False,
        ).returncode
    except FileNotFoundError:
        sys.stderr.write("docker is not installed: install it, or use `make run`, which does not need it\n")
        return 1


if __name__ == "__main__":
    entry.run(main)
