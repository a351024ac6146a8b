"""The file stores under test: ours on an emulator of S3, and the fake of the integration tests.

Each comes with other clients of its bucket, which put and remove objects, and follow links.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import pytest
import requests

from chalicelib.backends.file_store import FileStore
from tests.integration.fakes import Download, MemoryFileStore

HTTP_SECONDS_MAX = 10
MEMORY_GAPS = {
    "signatures": "does not sign its links, which are random: there is nothing to tamper with",
    "part_size": "accepts parts of any size, so that tests need not write 5 MiB for each",
}


class Others(Protocol):
    """What other clients of the bucket do."""

    def put(self, key: str, content: bytes) -> str:
        """Stores a new version; returns it."""

    def remove(self, key: str, version: str | None = None) -> None:
        """Removes one version; without one, hides the object and keeps its versions."""

    def abort(self, key: str, upload_id: str) -> None:
        """Removes a multipart upload."""

    def follow_upload(self, url: str, headers: dict[str, str], content: bytes) -> int:
        """Puts an object by its link. Returns the status of the answer."""

    def follow_download(self, url: str) -> Download:
        """Opens a download's link."""


@dataclass(frozen=True)
class Store:
    """A store under test. `gaps` say what it cannot do, and why."""

    name: str
    files: FileStore
    others: Others
    gaps: dict[str, str]

    def needs(self, ability: str) -> None:
        """Skips the test, with the reason, if the store is known not to support this."""
        if ability in self.gaps:
            pytest.skip(f"{self.name} {self.gaps[ability]}")


@dataclass(frozen=True)
class BucketClients:
    """Other clients of a bucket in S3, with boto3 and plain HTTP."""

    s3: Any
    bucket: str

    def put(self, key: str, content: bytes) -> str:
        return str(self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)["VersionId"])

    def remove(self, key: str, version: str | None = None) -> None:
        named = {"VersionId": version} if version is not None else {}
        self.s3.delete_object(Bucket=self.bucket, Key=key, **named)

    def abort(self, key: str, upload_id: str) -> None:
        self.s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)

    def follow_upload(self, url: str, headers: dict[str, str], content: bytes) -> int:
        return _request("PUT", url, headers, content).status_code

    def follow_download(self, url: str) -> Download:
        answer = _request("GET", url)
        return Download(answer.status_code, dict(answer.headers), answer.content)


class MemoryClients:
    """Other clients of a store in memory."""

    def __init__(self, files: MemoryFileStore) -> None:
        self._files = files
        self.remove, self.abort = files.remove, files.abort
        self.follow_upload, self.follow_download = files.follow_upload, files.follow_download

    def put(self, key: str, content: bytes) -> str:
        return self._files.put(key, content).version


def _request(method: str, url: str, headers: dict[str, str] | None = None, content: bytes = b"") -> requests.Response:
    with requests.Session() as client:
        client.trust_env = False
        return client.request(method, url, data=content, headers=headers, timeout=HTTP_SECONDS_MAX)
