"""An in-memory file store and queues, for tests that need thousands of imports or unusual deliveries.

tests/conformance holds them to the same promises as S3 and SQS.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.backends import Backends
from chalicelib.backends.database import Database
from chalicelib.backends.file_store import CSV_TYPE, PresignedUpload, StoredFile, StoredPart
from chalicelib.backends.queues import Message
from chalicelib.errors import FileGone, UploadGone
from chalicelib.limits import CHUNK_CONCURRENCY, UPLOAD_EXPIRES_SECONDS

BUCKET = "memory"
LINK = "memory:"
"""What links begin with."""


@dataclass(frozen=True)
class Download:
    """What following a link gives: a status of HTTP, headers and content."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class _Promise:
    """What an upload's link was issued for."""

    key: str
    size_bytes: int
    headers: dict[str, str]


class MemoryFileStore:
    """Objects with versions, in a dictionary. Reads name the version, as S3's do.

    `put`, `remove`, `abort`, `follow_upload` and `follow_download` are what other clients of a bucket do.
    """

    bucket = BUCKET

    def __init__(self) -> None:
        self._versions: dict[str, dict[str, tuple[bytes, datetime]]] = {}
        """By key and version, oldest first."""
        self._newest: dict[str, str] = {}
        self._uploads: dict[str, dict[int, tuple[str, bytes]]] = {}
        self._links: dict[str, _Promise | tuple[str, str, str]] = {}

    def presign_upload(self, key: str, size_bytes: int, content_type: str) -> PresignedUpload:
        headers = {"Content-Type": content_type, "If-None-Match": "*"}
        url = self._link(_Promise(key, size_bytes, headers))
        return PresignedUpload(url, headers, datetime.now(UTC) + timedelta(seconds=UPLOAD_EXPIRES_SECONDS))

    def presign_download(self, key: str, version: str, filename: str) -> str:
        return self._link((key, version, filename))

    def find(self, key: str, version: str | None = None) -> StoredFile:
        version = version or self._newest.get(key, "")
        content, modified_at = self._stored(key, version)
        return StoredFile(key, version, len(content), modified_at)

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        return self._stored(key, version)[0][start:end]

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        content, _ = self._stored(key, version)
        for at in range(start, len(content), block_bytes):
            yield content[at : at + block_bytes]

    def write(self, key: str, blocks: Iterable[bytes]) -> StoredFile:
        return self.put(key, b"".join(blocks))

    def begin_parts(self, key: str) -> str:
        upload_id = uuid.uuid4().hex
        self._uploads[upload_id] = {}
        return upload_id

    def write_part(self, key: str, upload_id: str, number: int, data: bytes) -> StoredPart:
        if upload_id not in self._uploads:
            raise UploadGone(f"the upload of {key} was removed")
        etag = uuid.uuid4().hex
        self._uploads[upload_id][number] = (etag, data)
        return {"PartNumber": number, "ETag": etag}

    def finish_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> StoredFile:
        stored = self._uploads.pop(upload_id, None)
        if stored is None:
            if key in self._newest:
                return self.find(key)
            raise UploadGone(f"the upload of {key} was removed")
        numbers = [part["PartNumber"] for part in parts]
        assert numbers == sorted(set(numbers))
        assert all(stored[part["PartNumber"]][0] == part["ETag"] for part in parts), "a part was replaced"
        return self.put(key, b"".join(stored[number][1] for number in numbers))

    def versions_of(self, key: str, limit: int) -> list[StoredFile]:
        return [self.find(key, version) for version in reversed(self._versions.get(key, {}))][:limit]

    def list_versions(
        self, prefix: str, limit: int, key_marker: str | None, version_marker: str | None
    ) -> tuple[list[StoredFile], str | None, str | None]:
        found = [
            (key, version)
            for key in sorted(self._versions, key=str.encode)
            if key.startswith(prefix)
            for version in reversed(self._versions[key])
        ]
        if key_marker and version_marker:
            found = found[found.index((key_marker, version_marker)) + 1 :]
        page = [self.find(key, version) for key, version in found[:limit]]
        return (page, page[-1].key, page[-1].version) if len(found) > limit else (page, None, None)

    # --- what other clients do ---------------------------------------------------------------------------------

    def put(self, key: str, content: bytes) -> StoredFile:
        """Stores a new version."""
        version = uuid.uuid4().hex
        self._versions.setdefault(key, {})[version] = (content, datetime.now(UTC))
        self._newest[key] = version
        return self.find(key)

    def remove(self, key: str, version: str | None = None) -> None:
        """Removes one version; without one, hides the object and keeps its versions."""
        if version is not None:
            self._versions[key].pop(version)
        if version in (None, self._newest.get(key)):
            self._newest.pop(key, None)

    def abort(self, key: str, upload_id: str) -> None:
        """Removes a multipart upload."""
        del self._uploads[upload_id]

    def follow_upload(self, url: str, headers: Mapping[str, str], content: bytes) -> int:
        """Puts an object by its link. Returns the status that S3 would answer with."""
        promise = self._upload_promised_by(url)
        if dict(headers) != promise.headers or len(content) != promise.size_bytes:
            return 403
        if promise.key in self._newest:
            return 412
        self.put(promise.key, content)
        return 200

    def key_of(self, url: str) -> str:
        """The key of the object that an upload's link puts."""
        return self._upload_promised_by(url).key

    def follow_download(self, url: str) -> Download:
        """Opens a download's link."""
        promise = self._links[url.removeprefix(LINK)]
        assert isinstance(promise, tuple)
        key, version, filename = promise
        headers = {"Content-Type": CSV_TYPE, "Content-Disposition": f'attachment; filename="{filename}"'}
        return Download(200, headers, self._stored(key, version)[0])

    def _upload_promised_by(self, url: str) -> _Promise:
        promise = self._links[url.removeprefix(LINK)]
        assert isinstance(promise, _Promise)
        return promise

    def _link(self, promise: _Promise | tuple[str, str, str]) -> str:
        token = uuid.uuid4().hex
        self._links[token] = promise
        return LINK + token

    def _stored(self, key: str, version: str) -> tuple[bytes, datetime]:
        try:
            return self._versions[key][version]
        except KeyError:
            raise FileGone(f"{key} is no longer stored") from None


@dataclass(frozen=True)
class Retry:
    """A message that is to become visible again: in which queue, by which receipt handle, after how long."""

    queue: str
    receipt_handle: str
    seconds: int


class RecordingQueues:
    """Keeps what was sent, by queue, and what was asked for; a test delivers the messages."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Mapping[str, Any]]] = {}
        self.retries: list[Retry] = []
        self.removed: list[tuple[str, str]] = []

    def send(self, queue: str, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        self.sent.setdefault(queue, []).extend(json.loads(each.body()) for each in messages)

    def wake(self, queue: str, *, delay_seconds: int = 0) -> None:
        self.send(queue, [Message()], delay_seconds=delay_seconds)

    def wake_soon(self, queue: str) -> None:
        self.wake(queue)

    def count(self, queue: str) -> int:
        return len(self.sent.get(queue, []))

    def retry_after(self, queue: str, receipt_handle: str, seconds: int) -> None:
        self.retries.append(Retry(queue, receipt_handle, seconds))

    def remove(self, queue: str, receipt_handle: str) -> None:
        self.removed.append((queue, receipt_handle))

    def take(self, queue: str) -> list[Mapping[str, Any]]:
        """Takes every message that waits in a queue."""
        return self.sent.pop(queue, [])


def memory_backends(
    database: Database | str,
    files: MemoryFileStore,
    queues: RecordingQueues,
    chunk_concurrency: int = CHUNK_CONCURRENCY,
) -> Backends:
    """Backends on a real database, or on a new connection to one, with these fakes."""
    return Backends(Database(database) if isinstance(database, str) else database, files, queues, chunk_concurrency)
