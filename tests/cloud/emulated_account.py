"""An AWS account on this machine: ministack over TLS, with signatures checked and IAM policies enforced.

Functions run as processes of an isolated Python that can import only their unpacked package.
"""

from __future__ import annotations

import http.client
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.aws import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, Endpoint
from infra.local.errors import EmulatorFailed
from infra.local.processes.child import Child, Program
from infra.local.processes.deadline import wait_until
from infra.local.processes.logbook import LogBook
from infra.local.processes.ports import LOOPBACK, free_port
from infra.local.s3_sqs import leftovers
from infra.local.s3_sqs.emulator import ministack_environment
from infra.local.s3_sqs.installation import MINISTACK_CLOUD
from infra.local.s3_sqs.request_guard import HEALTH_PATH
from tests.cloud.certificates import Certificate
from tests.support.silence import silent

LAUNCHER = Path(__file__).with_name("ministack_launcher.py")
LOG_NAME = "ministack"
READY_SECONDS_MAX = 60.0
PROBE_SECONDS_MAX = 5.0
STOP_SECONDS_MAX = 5.0
LOG_LINES_SHOWN = 20
"""How many lines of each function's log are shown."""
BOOKKEEPING = ("START RequestId", "END RequestId", "REPORT RequestId")
"""The beginnings of the lines that Lambda adds for every invocation."""


@dataclass(frozen=True)
class EmulatedAccount:
    """The URL of the account, its certificate, and its log."""

    url: str
    certificate: Certificate
    logbook: LogBook

    def client(self, service: str) -> Any:
        """Returns a client of a service, with the credentials of the account's root."""
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.url,
            verify=str(self.certificate.authority),
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def environment(self) -> dict[str, str]:
        """Returns environment variables with which a process uses the account as its root."""
        return {**Endpoint(self.url).environment(), "AWS_CA_BUNDLE": str(self.certificate.authority)}

    def log_groups(self) -> list[str]:
        """Returns the names of all log groups."""
        pages = self.client("logs").get_paginator("describe_log_groups").paginate()
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    def log_messages(self, group: str) -> list[str]:
        """Returns the messages in a log group, without the lines that Lambda adds for every invocation."""
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        messages = [event["message"].rstrip("\n") for page in pages for event in page["events"]]
        return [message for message in messages if not message.startswith(BOOKKEEPING)]

    def logs(self) -> str:
        """Returns the end of every function's log and of the emulator's log, to find out why a test failed."""
        lines = [f"--- {LOG_NAME} ---", self.logbook.tail(LOG_NAME)]
        for group in self.log_groups():
            if messages := self.log_messages(group):
                lines += [f"--- {group} ---", *messages[-LOG_LINES_SHOWN:]]
        return "\n".join(lines)


@contextmanager
def emulated_account(root: Path, certificate: Certificate, logbook: LogBook) -> Iterator[EmulatedAccount]:
    """Runs an account in the directory `root` until the block ends. Raises EmulatorFailed."""
    if not MINISTACK_CLOUD.is_installed():
        raise EmulatorFailed("The emulator of AWS is not installed: run `make cloud-emulator`.")
    port = free_port()
    child = Child(_program(root, port, certificate), logbook)
    account = EmulatedAccount(f"https://{LOOPBACK}:{port}", certificate, logbook)
    try:
        wait_until(lambda: _is_ready(account, child, port), READY_SECONDS_MAX, "ministack ready")
        yield account
    finally:
        child.stop()
        # A tether that was killed may have left processes running. Each function also has a package of its own there.
        leftovers.clear(root, silent)
        shutil.rmtree(root, ignore_errors=True)


def _program(root: Path, port: int, certificate: Certificate) -> Program:
    temporary = root / "tmp"
    temporary.mkdir(parents=True)
    return Program(
        name=LOG_NAME,
        command=[MINISTACK_CLOUD.python, "-W", "ignore", LAUNCHER],
        environment={
            "PATH": os.defpath,
            "HOME": str(root),
            "TMPDIR": str(temporary),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **ministack_environment(port),
            # Signatures are checked, and the policies of roles are enforced.
            "AUTH": "true",
            # The bucket refuses unencrypted requests.
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(certificate.file),
            "MINISTACK_SSL_KEY": str(certificate.key),
            # The credentials of the account's root; functions get those of their roles.
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            # Functions inherit these. In their environment, this is the only difference from AWS.
            "AWS_ENDPOINT_URL": f"https://{LOOPBACK}:{port}",
            "AWS_CA_BUNDLE": str(certificate.authority),
            "FUNCTIONS_PYTHON": str(_bare_python(root)),
        },
        stop_signal="KILL",  # It has nothing to save.
        grace_seconds=STOP_SECONDS_MAX,
    )


def _bare_python(root: Path) -> Path:
    """Writes a script that runs the interpreter without site-packages, PYTHONPATH or its own directory."""
    interpreter = Path(sys.executable).resolve()
    python = root / "python"
    python.write_text(f'#!/bin/sh\nexec "{interpreter}" -S -I "$@"\n', "utf-8")
    python.chmod(0o755)
    return python


def _is_ready(account: EmulatedAccount, child: Child, port: int) -> bool:
    if child.exit_status() is not None:
        raise EmulatorFailed(f"ministack ended during its start. The end of its log:\n{account.logbook.tail(LOG_NAME)}")
    context = account.certificate.client_context()
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=PROBE_SECONDS_MAX, context=context)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
