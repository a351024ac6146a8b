"""What queue messages look like, validated at the edge. They carry ids and references, never rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote_plus

from chalice.app import CloudWatchEvent, SQSEvent, SQSRecord
from pydantic import BaseModel, ConfigDict, Field

from chalicelib.backends.file_store import StoredFile
from chalicelib.errors import NotFound, Transient
from chalicelib.limits import RETRY_FACTOR, RETRY_SECONDS_MAX, RETRY_SECONDS_MIN
from chalicelib.telemetry import WARNING, tell
from functions.composition import backends


class _Bucket(BaseModel):
    name: str


class _Object(BaseModel):
    key: str
    size: int = 0
    version: str = Field(default="null", alias="versionId")


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _S3Record(BaseModel):
    s3: _S3


class UploadMessage(BaseModel):
    """A message of the `uploads` queue: an S3 event, S3's test event, or our own word to go on with an import."""

    model_config = ConfigDict(populate_by_name=True)

    records: list[_S3Record] = Field(default=[], alias="Records")
    continue_import: uuid.UUID | None = None

    def objects(self) -> Iterable[tuple[str, StoredFile]]:
        """Each object the event tells of, with its bucket. Keys come URL-encoded, differently from each emulator."""
        for record in self.records:
            found = record.s3.object
            key = unquote_plus(found.key)
            yield record.s3.bucket.name, StoredFile(key, found.version, found.size, datetime.now(UTC))


class ChunkBody(BaseModel):
    """A message of the `chunks` queue."""

    import_id: uuid.UUID
    chunk: int
    attempt: int


class BulkDeleteMessage(BaseModel):
    """A message of the `bulk-deletes` queue."""

    bulk_delete: uuid.UUID


class TurnMessage(BaseModel):
    """A message of the `deliveries` queue: this webhook may have something due."""

    webhook: uuid.UUID


class ExportMessage(BaseModel):
    """A message of the `exports` queue."""

    export: uuid.UUID


def seconds_left_of(event: SQSEvent | CloudWatchEvent) -> Callable[[], float]:
    """Tells how long the invocation may still take."""
    # Chalice declares the Lambda context as a dict; it is an object.
    context = cast(Any, event.context)
    return lambda: float(context.get_remaining_time_in_millis()) / 1000


def each_record(event: SQSEvent, queue: str, handle: Callable[[SQSRecord], None]) -> None:
    """Handles the records of an event; batches have one record, so raising fails exactly that one.

    A record that failed on a transient error is tried again soon, not after the queue's long visibility time-out. One
    about something that is not there is done with: rows are committed before messages about them are sent, so the
    database has been restored to an earlier moment.
    """
    for record in event:
        try:
            handle(record)
        except NotFound as error:
            tell("a message is about what is not there", level=WARNING, reason=error.message)
        except Transient:
            received = int(record.to_dict()["attributes"]["ApproximateReceiveCount"])
            wait = min(RETRY_SECONDS_MIN * RETRY_FACTOR ** (received - 1), RETRY_SECONDS_MAX)
            with suppress(Transient):  # Best effort: without it the message comes back later.
                backends().queues.retry_after(queue, record.receipt_handle, wait)
            raise
