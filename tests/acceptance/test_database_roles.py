"""On the running stack, every function connects to the database as its own role, with a password that only it has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import psycopg
import pytest
import requests
from psycopg.conninfo import conninfo_to_dict

from chalicelib.backends.roles import FUNCTION_ROLES, ROLES
from chalicelib.messages import (
    BulkDeleteMessage,
    ChangesMessage,
    ChunkMessage,
    EventsMessage,
    ExportMessage,
    RewriteMessage,
    TurnMessage,
    UploadMessage,
)
from infra.local import stack_file
from infra.local.postgres.server import OWNER_KEY
from infra.local.processes.deadline import wait_until
from infra.local.testing import RunningStack, clean_environment, running_stack
from infra.project import ROOT

SEEN_SECONDS_MAX = 60.0
COMMAND_SECONDS_MAX = 60
UNKNOWN = uuid.UUID(int=0)
MESSAGES = {
    "uploads": UploadMessage(continue_import=UNKNOWN),
    "rewrites": RewriteMessage(import_id=UNKNOWN),
    "chunks": ChunkMessage(import_id=UNKNOWN, chunk=0, attempt=1),
    "bulk-deletes": BulkDeleteMessage(bulk_delete=UNKNOWN),
    "exports": ExportMessage(export=UNKNOWN),
    "changes": ChangesMessage(),
    "events": EventsMessage(),
    "deliveries": TurnMessage(webhook=UNKNOWN),
}
"""For each queue, a message about something that the function looks for in the database, and does not find."""
DEAD = ("uploads", "rewrites", "chunks", "bulk-deletes", "exports")
PROCESS = re.compile(r"\tProcess: (\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def stack(directory: Path) -> Iterator[RunningStack]:
    with running_stack(directory) as started:
        yield started


def processes(directory: Path) -> dict[int, str]:
    """The function of each process that has been invoked."""
    logs = {name: directory / "logs" / f"{name}.log" for name in ROLES}
    return {
        int(pid): name for name, log in logs.items() if log.exists() for pid in PROCESS.findall(log.read_text("utf-8"))
    }


def roles_in_use(stack: RunningStack, directory: Path) -> dict[str, set[str]]:
    """The roles as which the processes of each function are connected."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(stack.file.owner_conninfo) as connection:
        sessions = connection.execute(
            "select usename, application_name from pg_stat_activity where application_name like 'product-importer/%'"
        ).fetchall()
    function_of = processes(directory)
    for role, application in sessions:
        if function := function_of.get(int(application.partition("/")[2])):
            found.setdefault(function, set()).add(role)
    return found


def test_every_function_is_connected_as_its_role(stack: RunningStack, directory: Path) -> None:
    headers = {"Authorization": f"Bearer {stack.file.token}"}
    assert requests.get(f"{stack.file.url}/api/products", headers=headers, timeout=30).status_code == 200
    sqs = boto3.client(
        "sqs",
        endpoint_url=stack.file.s3_endpoint_url,
        region_name=stack.file.aws_default_region,
        aws_access_key_id=stack.file.aws_access_key_id,
        aws_secret_access_key=stack.file.aws_secret_access_key,
    )
    for queue in (*MESSAGES, *(f"{name}-dead" for name in DEAD)):
        url = sqs.get_queue_url(QueueName=f"product-importer-local-{queue}")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=MESSAGES[queue.removesuffix("-dead")].model_dump_json())

    expected = {function: {role} for function, role in ROLES.items() if function != "manage_tokens"}
    wait_until(
        lambda: roles_in_use(stack, directory).keys() == expected.keys(), SEEN_SECONDS_MAX, "every function connected"
    )
    assert roles_in_use(stack, directory) == expected


def test_no_process_starts_with_a_password(stack: RunningStack, directory: Path) -> None:
    kept = json.loads((directory / "passwords.json").read_text("utf-8"))
    assert kept.keys() == {OWNER_KEY, *FUNCTION_ROLES}
    assert {str(conninfo_to_dict(each)["password"]) for each in stack.file.conninfos.values()} < set(kept.values())
    for pid in (stack.file.pids["functions"], *processes(directory)):
        environment = repr(psutil.Process(pid).environ())
        assert not [role for role, password in kept.items() if password in environment]


def test_tokens_are_managed_without_the_password_of_the_owner(stack: RunningStack, tmp_path: Path) -> None:
    only = {"token_manager": stack.file.conninfos["token_manager"]}
    stack_file.write(tmp_path, replace(stack.file, owner_conninfo="", conninfos=only))
    command = [sys.executable, "-m", "infra.tokens", "create", "shop"]
    environment = {**clean_environment(), "DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX
    )
    headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
    assert requests.get(f"{stack.file.url}/api/products", headers=headers, timeout=30).status_code == 200


def test_a_data_directory_of_an_earlier_version_gets_passwords_for_new_roles(tmp_path: Path) -> None:
    with running_stack(tmp_path) as before, psycopg.connect(before.file.owner_conninfo) as connection:
        connection.execute("create table survivor as select 42 as answer")
    file = tmp_path / "passwords.json"
    kept = json.loads(file.read_text("utf-8"))
    # What the version before the roles wrote: with this password, it logs in as `importer`.
    file.write_text(json.dumps({"owner": kept["owner"], "role": kept["importer"]}), "utf-8")
    with running_stack(tmp_path) as after:
        with psycopg.connect(after.file.owner_conninfo) as connection:
            assert connection.execute("select answer from survivor").fetchone() == (42,)
        for role, conninfo in after.file.conninfos.items():
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select current_user").fetchone() == (role,)
    assert json.loads(file.read_text("utf-8")).keys() == {OWNER_KEY, *FUNCTION_ROLES}
    assert file.stat().st_mode & 0o777 == 0o600
