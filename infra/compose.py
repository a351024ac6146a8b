"""LocalStack and PostgreSQL in Docker: `make up` and `make down`.

    python -m infra.compose up | down

`up` starts what docker-compose.yml describes, waits until it answers, and makes in it the bucket and the queues of
infra/resources.yml, the role of the functions and the schema. Doing it again changes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from chalicelib.backends import migrations
from infra.local import docker
from infra.local.aws import Endpoint, forget_personal_settings
from infra.local.s3_sqs import resources
from infra.local.s3_sqs.resources import Resources
from infra.project import ROOT, data_dir

STAGE = "local"
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
    directory = data_dir()
    kept = docker.environment_file(directory)
    status = _docker(kept, *COMMANDS[arguments[0]])
    return _furnish(directory, kept) if status == 0 and arguments[0] == "up" else status


def _furnish(directory: Path, kept: Path) -> int:
    containers = docker.containers(directory, os.environ)
    assert containers is not None, "its file was made just now"
    forget_personal_settings()
    endpoint = Endpoint(containers.endpoint_url)
    try:
        made = furnish(endpoint, containers.owner_conninfo, containers.role_password)
    except psycopg.OperationalError as error:
        sys.stderr.write(f"PostgreSQL cannot be used: {error}\n{MEND.format(kept=kept)}")
        return 1
    sys.stdout.write(f"S3 and SQS: {endpoint.url}, bucket {made.bucket}\n")
    sys.stdout.write(f"PostgreSQL: 127.0.0.1:{containers.postgres_port}, passwords in {kept}\n")
    sys.stdout.write("Run the functions on them: make run DOCKER=1\n")
    return 0


def furnish(endpoint: Endpoint, owner_conninfo: str, importer_password: str) -> Resources:
    """Makes the bucket, the queues, the role and the schema, where they are missing."""
    made = resources.create(endpoint, resources.declared({"Stage": STAGE}))
    migrations.ensure_role(owner_conninfo, docker.ROLE, importer_password)
    migrations.migrate(owner_conninfo)
    return made


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
