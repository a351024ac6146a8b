"""The whole import path in one process, on real PostgreSQL, S3 and SQS, driven by the test.

Messages are received here and passed to the functions in the format of Lambda. So a test decides when each message is
delivered, and whether it is delivered twice or not at all. The poller of the local stack has its own tests.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import boto3
import requests
from chalice.config import Config
from chalice.local import LocalGateway

import app as triggers
from chalicelib.access import tokens
from chalicelib.backends import Backends
from functions.composition import backends
from infra.local.testing import Services
from tests.support import emptying
from tests.support.owner import Owner

DEADLINE_SECONDS = 30
INVOCATION_SECONDS = 60
S3_SECONDS = 1
"""How long to wait for the event of an object if there may be none."""
RUNNING = {"pending", "processing"}
Message = dict[str, Any]


class Context:
    """The part of a Lambda context that the functions use."""

    aws_request_id = "test"
    function_name = "test"

    def __init__(self, seconds: float = INVOCATION_SECONDS) -> None:
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._ends_at - time.monotonic()))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the API."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Pipeline:
    """A system that `reset` empties. `sql` and `products` read its database from outside, with plain SQL."""

    services: Services
    token: str
    _percents: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.sqs = boto3.client("sqs")
        self._owner = Owner(self.services.owner_conninfo)

    @property
    def backends(self) -> Backends:
        """Returns the backends that the functions use."""
        return backends()

    # --- HTTP -------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Calls the API as the gateway does, as an administrator unless `Authorization` is given."""
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        gateway = LocalGateway(triggers.app, Config())
        answer = gateway.handle_request(method, path, {name.lower(): value for name, value in sent.items()}, raw)
        return Answer(answer["statusCode"], answer["headers"], answer["body"].encode())

    def show(self, import_id: str) -> dict[str, Any]:
        """Returns one import from the API. Every call checks that progress keeps its promise."""
        answer = self.call("GET", f"/imports/{import_id}")
        assert answer.status == 200, answer.body
        found = cast(dict[str, Any], answer.json)
        assert found["percent"] >= self._percents.get(import_id, 0), "progress went back"
        assert (found["percent"] == 100) == (found["status"] == "completed")
        self._percents[import_id] = found["percent"]
        return found

    # --- files ------------------------------------------------------------------------------------------------

    def register(self, size_bytes: int, **more: Any) -> dict[str, Any]:
        """Registers an upload."""
        answer = self.call("POST", "/imports", {"filename": "products.csv", "size_bytes": size_bytes, **more})
        assert answer.status == 201, answer.body
        return cast(dict[str, Any], answer.json)

    def upload(self, content: bytes, **more: Any) -> str:
        """Registers and uploads a file as a browser does. Returns the import's id."""
        registered = self.register(len(content), **more)
        upload = registered["upload"]
        answer = requests.request(upload["method"], upload["url"], data=content, headers=upload["headers"], timeout=30)
        assert answer.status_code == 200, answer.text
        return str(registered["id"])

    def drop(self, content: bytes, key: str = "uploads/dropped.csv") -> str:
        """Puts a file into the bucket as any S3 client does. Returns its version."""
        put = self.s3.put_object(Bucket=self.services.bucket, Key=key, Body=content)
        return put["VersionId"]

    def run(self, content: bytes, **more: Any) -> dict[str, Any]:
        """Uploads a file and delivers messages until its import has ended."""
        return self.finish(self.upload(content, **more))

    # --- queues -----------------------------------------------------------------------------------------------

    def receive(self, queue: str, wait_seconds: int = 0) -> Message | None:
        """Takes one message off a queue and deletes it: from now on, only the test can deliver it.

        Messages of a function are in the queue when it returns; S3's events for `uploads` arrive a moment later.
        """
        url = self.services.queue_urls[f"product-importer-local-{queue}"]
        answer = self.sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=wait_seconds, AttributeNames=["All"], MaxNumberOfMessages=1
        )
        for message in answer.get("Messages", []):
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return cast(Message, message)
        return None

    def deliver(self, function: str, message: Message, seconds: float = INVOCATION_SECONDS) -> Any:
        """Invokes a function with one message, as Lambda does."""
        record = {
            "messageId": message.get("MessageId", str(uuid.uuid4())),
            "receiptHandle": message.get("ReceiptHandle", "gone"),
            "body": message["Body"],
            "attributes": message.get("Attributes", {"ApproximateReceiveCount": "1"}),
            "messageAttributes": {},
            "md5OfBody": message.get("MD5OfBody", ""),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue",
            "awsRegion": "us-east-1",
        }
        return getattr(triggers, function)({"Records": [record]}, Context(seconds))

    def split_next(self, seconds: float = INVOCATION_SECONDS) -> bool:
        """Delivers the next message of the uploads queue. Returns whether there was one."""
        message = self.receive("uploads", wait_seconds=S3_SECONDS)
        if message is not None:
            self.deliver("split_upload", message, seconds)
        return message is not None

    def chunks(self) -> list[Message]:
        """Takes all waiting chunk messages."""
        taken = []
        while message := self.receive("chunks"):
            taken.append(message)
        return taken

    def upsert_all(self) -> None:
        """Delivers all waiting chunk messages, and those that finished chunks send."""
        while messages := self.chunks():
            for message in messages:
                self.deliver("upsert_chunk", message)

    def finish(self, import_id: str) -> dict[str, Any]:
        """Delivers messages until the import has ended."""
        return self.until(import_id, lambda found: found["status"] not in RUNNING)

    def until(self, import_id: str, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Delivers messages until the import is as wanted."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            found = self.show(import_id)
            if reached(found):
                return found
            self.split_next()
            self.upsert_all()
        raise AssertionError(f"import {import_id} did not reach the wanted state: {self.show(import_id)}")

    def deliver_events(self) -> None:
        """Delivers all messages for the relay and for webhooks, until none is waiting."""
        quiet = False
        while not quiet:
            quiet = True
            for queue, function in (("events", "relay_events"), ("deliveries", "deliver_webhook")):
                while message := self.receive(queue):
                    self.deliver(function, message)
                    quiet = False

    # --- the database, from outside ----------------------------------------------------------------------------

    def sql(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Runs a statement as the owner, bypassing the code of the project."""
        return self._owner.sql(statement, *parameters)

    def products(self) -> dict[str, tuple[str, str, str, bool]]:
        """Returns the catalogue: key → (sku, name, description, active), without tombstones."""
        rows = self.sql("select sku_key, sku, name, description, active from product where not deleted")
        return {row["sku_key"]: (row["sku"], row["name"], row["description"], row["active"]) for row in rows}

    def import_ids(self) -> list[str]:
        """Returns the ids of all imports, oldest first."""
        return [str(row["id"]) for row in self.sql("select id from import order by id")]

    def reset(self) -> None:
        """Empties tables, queues and the bucket."""
        self._percents.clear()
        emptying.empty(self._owner)
        for url in self.services.queue_urls.values():
            self.sqs.purge_queue(QueueUrl=url)
        listed = self.s3.list_object_versions(Bucket=self.services.bucket)
        for version in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
            self.s3.delete_object(Bucket=self.services.bucket, Key=version["Key"], VersionId=version["VersionId"])

    def close(self) -> None:
        """Closes its connections."""
        self._owner.close()


def new_pipeline(services: Services) -> Pipeline:
    """Returns a pipeline on running services, with a new administrator's token."""
    return Pipeline(services, tokens.install(services.owner_conninfo, "tests", ["admin"]))
