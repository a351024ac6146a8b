"""A running stack under attack: kills its processes, sends extra messages, and reads its database."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
from psycopg.rows import dict_row

from infra.local.testing import RunningStack

LOOK_SECONDS = 0.05
BUSY_LOOK_SECONDS = 0.002
BUSY_SECONDS_MAX = 20.0
_STARTED = re.compile(r"START RequestId: (\S+)\tProcess: (\d+)")
_ENDED = re.compile(r"(?:REPORT RequestId: |\[ERROR\] )(\S+)")


def aws_environment(stack: RunningStack) -> dict[str, str]:
    """Returns the environment variables with which a process uses the stack's S3 and SQS."""
    return {
        "AWS_ENDPOINT_URL": stack.file.s3_endpoint_url,
        "AWS_ACCESS_KEY_ID": stack.file.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": stack.file.aws_secret_access_key,
        "AWS_DEFAULT_REGION": stack.file.aws_default_region,
    }


class StormyStack:
    """The stack, and counts of what was done to it. `chance` chooses which process is killed."""

    def __init__(self, stack: RunningStack, chance: random.Random | None = None) -> None:
        self.stack, self.chance = stack, chance or random.Random()
        self.killed = self.restarted = self.sent = 0
        names = stack.file
        client = {
            "endpoint_url": names.s3_endpoint_url,
            "aws_access_key_id": names.aws_access_key_id,
            "aws_secret_access_key": names.aws_secret_access_key,
            "region_name": names.aws_default_region,
        }
        self._sqs = boto3.client("sqs", **client)  # type: ignore[call-overload]
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._logs: dict[str, _Log] = {}

    def sql(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Queries the database; retries while it is down."""
        deadline = time.monotonic() + BUSY_SECONDS_MAX
        while True:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self.stack.file.owner_conninfo, row_factory=dict_row, autocommit=True
                    )
                cursor = self._connection.execute(statement.encode(), parameters)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_SECONDS)

    def send(self, queue: str, message: dict[str, Any]) -> None:
        """Sends a message that the stack has not sent, or sends one again."""
        url = self._sqs.get_queue_url(QueueName=f"product-importer-local-{queue}")["QueueUrl"]
        self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))
        self.sent += 1

    def queue_urls(self) -> list[str]:
        """Returns the URLs of all queues."""
        urls: list[str] = self._sqs.list_queues()["QueueUrls"]
        return urls

    def restart_postgres(self) -> None:
        """Shuts PostgreSQL down immediately: it breaks all connections, and recovers at the next start."""
        pid = int((self.stack.directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGQUIT)
        self.restarted += 1

    def kill_busy(self, function: str, seconds: float) -> bool:
        """Kills a process of this function in the middle of an invocation. Returns whether one was found in this time.

        The process is suspended first and checked again, so that none is killed that has just finished.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            pids = self.busy(function)
            # The process may end between the check and the kill; then the loop looks for another one.
            with suppress(psutil.NoSuchProcess):
                if pids:
                    worker = psutil.Process(self.chance.choice(pids))
                    worker.suspend()
                    if worker.pid in self.busy(function):
                        worker.kill()
                        self.killed += 1
                        return True
                    worker.resume()
            time.sleep(BUSY_LOOK_SECONDS)
        return False

    def busy(self, function: str) -> list[int]:
        """Returns the processes of a function that have started an invocation and not ended it."""
        if function not in self._logs:
            self._logs[function] = _Log(self.stack.directory / "logs" / f"{function}.log")
        return self._logs[function].busy()

    def deadlocks(self) -> int:
        """Returns the number of deadlocks, from the log: PostgreSQL loses its own count in a crash."""
        log = (self.stack.directory / "logs" / "postgres.log").read_text("utf-8", "replace")
        return log.count("deadlock detected")

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()


class _Log:
    """The log of a function. Each read continues where the last one ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._under_way: dict[str, int] = {}

    def busy(self) -> list[int]:
        for line in self._new_lines():
            if started := _STARTED.search(line):
                self._under_way[started[1]] = int(started[2])
            elif ended := _ENDED.search(line):
                self._under_way.pop(ended[1], None)
        return list(self._under_way.values())

    def _new_lines(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as log:
            if self._offset > log.seek(0, os.SEEK_END):
                self._offset = 0  # The log was full and was started again.
            log.seek(self._offset)
            whole, newline, _ = log.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        return whole.decode("utf-8", "replace").splitlines()
