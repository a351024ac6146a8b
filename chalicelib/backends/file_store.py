"""The file store as the domain sees it: objects with versions. `s3.py` implements it.

Every read names a version, so that a replaced object never mixes into what is being read. Every read raises
FileUnavailable: FileGone if the object is not stored, FileRefused if the store refuses to return it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

CSV_TYPE = "text/csv; charset=utf-8"

StoredPart = dict[str, Any]
"""A part of a multipart upload, in the form that the store wants back at the end. It can be kept as JSON."""


@dataclass(frozen=True)
class StoredFile:
    """One version of one object. `size_bytes` and `modified_at` come from the store."""

    key: str
    version: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class PresignedUpload:
    """How a client may put one object: with exactly these headers, until `expires_at`."""

    url: str
    headers: dict[str, str]
    expires_at: datetime
    method: str = "PUT"


class FileStore(Protocol):
    """One bucket. Every method may raise Transient."""

    @property
    def bucket(self) -> str:
        """The name of the bucket."""

    def presign_upload(self, key: str, size_bytes: int, content_type: str) -> PresignedUpload:
        """A link for one PUT of exactly `size_bytes`. It cannot replace an object that already exists."""

    def presign_download(self, key: str, version: str, filename: str) -> str:
        """A link that downloads one version of a CSV under a file name. It is a secret until it expires."""

    def find(self, key: str, version: str | None = None) -> StoredFile:
        """An object's newest version, or the one that is named, if it can be read. Raises FileUnavailable."""

    def read(self, key: str, version: str, start: int, end: int) -> bytes:
        """Bytes start..end (half-open) of one version. Raises FileUnavailable."""

    def blocks(self, key: str, version: str, start: int, block_bytes: int) -> Iterator[bytes]:
        """One version from `start` to its end, in blocks. Raises FileUnavailable."""

    def write(self, key: str, blocks: Iterable[bytes]) -> StoredFile:
        """Streams blocks into a new version of an object, holding a few parts in memory."""

    def begin_parts(self, key: str) -> str:
        """Begins an object that several processes may write, part by part. Returns the id of the upload."""

    def write_part(self, key: str, upload_id: str, number: int, data: bytes) -> StoredPart:
        """Stores a part, numbered from 1 to 10,000; all but the last have at least 5 MiB. Raises UploadGone."""

    def finish_parts(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> StoredFile:
        """Creates the object from these parts, in ascending order. Raises UploadGone.

        May be repeated: an object at the key of a finished upload is its result. Therefore only for keys that nothing
        else writes.
        """

    def versions_of(self, key: str, limit: int) -> list[StoredFile]:
        """The newest `limit` (≤ 1000) versions of one object, the newest first, in the store's own order."""

    def list_versions(
        self, prefix: str, limit: int, key_marker: str | None, version_marker: str | None
    ) -> tuple[list[StoredFile], str | None, str | None]:
        """Up to `limit` (≤ 1000) object versions after the markers, and the next page's markers, None at the end.

        In the order of their keys; those of one key as in `versions_of`.
        """
