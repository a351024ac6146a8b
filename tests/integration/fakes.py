"""In-memory stand-ins for the file store and the queues, for tests that need thousands of imports or odd deliveries."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from chalicelib.backends import Backends
from chalicelib.backends.database import Database
from chalicelib.backends.file_store import FileGone, Files, PresignedUpload, StoredFile, StoredPart, UploadGone
from chalicelib.backends.queues import Message, Queues

BUCKET = "memory"
LINK = "memory:"
"""What an upload's link begins with; behind it stands the key."""


class MemoryFiles:
    """Objects with versions, in a dictionary. Reads name the version, as S3's do."""

    bucket = BUCKET

    def __init__(self) -> None:
        self._contents: dict[tuple[str, str], bytes] = {}
        self._newest: dict[str, str] = {}
        self._uploads: dict[str, dict[int, tuple[str, bytes]]] = {}

    def presign_upload(self, key: str, size_bytes: int, content_type: str) -> PresignedUpload:
        return PresignedUpload(f"{LINK}{key}", {"Content-Type": content_type}, datetime.now(UTC))

    def put(self, key: str, content: bytes) -> StoredFile:
        version = uuid.uuid4().hex
        self._contents[key, version] = content
        self._newest[key] = version
        return self.find(key)

    def find(self, key: str, version: str | None = None) -> StoredFile:
        version = version or self._newest.get(key, "")
        return StoredFile(key, version, len(self._content(key, version)), datetime.now(UTC))

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        return self._content(key, version)[start:end]

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        content = self._content(key, version)
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

    def list_versions(
        self, prefix: str, limit: int, key_marker: str | None, version_marker: str | None
    ) -> tuple[list[StoredFile], str | None, str | None]:
        """One page holds everything here."""
        found = [self.find(key, version) for key, version in self._contents if key.startswith(prefix)]
        return found[:limit], None, None

    def _content(self, key: str, version: str) -> bytes:
        try:
            return self._contents[key, version]
        except KeyError:
            raise FileGone(f"{key} is no longer stored") from None


class RecordingQueues:
    """Keeps what was sent, by queue; a test decides what becomes of it."""

    def __init__(self) -> None:
        self.sent: dict[str, list[Mapping[str, Any]]] = {}

    def send(self, queue: str, messages: Sequence[Message], *, delay_seconds: int = 0) -> None:
        self.sent.setdefault(queue, []).extend(json.loads(each.body()) for each in messages)

    def wake(self, queue: str) -> None:
        self.send(queue, [Message()])

    def retry_after(self, queue: str, receipt_handle: str, seconds: int) -> None:
        """Nothing comes again by itself here."""

    def take(self, queue: str) -> list[Mapping[str, Any]]:
        return self.sent.pop(queue, [])


def memory_backends(database: Database | str, files: MemoryFiles, queues: RecordingQueues) -> Backends:
    """Backends on a real database, or a new connection to one, and these stand-ins."""
    real = Database(database) if isinstance(database, str) else database
    return Backends(real, cast(Files, files), cast(Queues, queues))
