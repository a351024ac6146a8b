"""Queue messages: one type for each, used by senders and consumers alike. They carry ids and references, never rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.backends.file_store import StoredFile
from chalicelib.backends.queues import Message


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


class UploadMessage(Message):
    """A message of the `uploads` queue: an S3 event, S3's test event, or our own request to continue an import."""

    model_config = ConfigDict(populate_by_name=True)

    records: tuple[_S3Record, ...] = Field(default=(), alias="Records")
    continue_import: uuid.UUID | None = None

    def objects(self) -> Iterable[tuple[str, StoredFile]]:
        """Each object of the event, with its bucket. Keys are URL-encoded, and each emulator encodes differently."""
        for record in self.records:
            stored = record.s3.object
            key = unquote_plus(stored.key)
            yield record.s3.bucket.name, StoredFile(key, stored.version, stored.size, datetime.now(UTC))


class RewriteMessage(Message):
    """A message of the `rewrites` queue: the import's file is to be rewritten in UTF-8."""

    import_id: uuid.UUID


class ChunkMessage(Message):
    """A message of the `chunks` queue. `attempt` is the import's attempt at the time of sending."""

    import_id: uuid.UUID
    chunk: int
    attempt: int
    again: bool = False
    """Whether the chunk may have been sent before. Then, if it is done, its message does not send others again."""


class BulkDeleteMessage(Message):
    """A message of the `bulk-deletes` queue."""

    bulk_delete: uuid.UUID


class ExportMessage(Message):
    """A message of the `exports` queue."""

    export: uuid.UUID


class EventsMessage(Message):
    """A message of the `events` queue. It only wakes the relay; the events are in the outbox."""


class ChangesMessage(Message):
    """A message of the `changes` queue. It only wakes indexing; what changed is in the record of changes."""


class TurnMessage(Message):
    """A message of the `deliveries` queue: this webhook may have deliveries due."""

    webhook: uuid.UUID
