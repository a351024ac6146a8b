"""One import through the HTTP API, from the file on disk to the receipt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Protocol

import requests

from infra.local.errors import StackError

CONNECT_SECONDS_MAX = 5.0
RESPONSE_SECONDS_MAX = 60.0
UPLOAD_SECONDS_MAX = 600.0
POLL_SECONDS = 0.2
POLL_FAILURES_MAX = 10
"""In a row. A stack under load may fail to answer now and then, but not this often."""
UPLOAD_READ_BYTES = 1024 * 1024
TERMINAL = ("completed", "failed", "cancelled")


class ApiError(StackError):
    """The stack refused a request or could not be reached."""


class StackSilent(ApiError):
    """There was no answer, or a server error: the same request may succeed later."""


class Watcher(Protocol):
    """Receives the progress of an import."""

    def uploading(self, sent_bytes: int, size_bytes: int) -> None:
        """This much of the file is in S3."""

    def importing(self, report: Report) -> None:
        """This much of the file is in the database."""


@dataclass(frozen=True)
class Report:
    """An import as the API describes it."""

    id: str
    status: str
    percent: float
    rows: Mapping[str, int]
    error: str | None
    rows_per_second: float | None = None
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Report:
        """From the API's JSON."""
        return cls(
            id=content["id"],
            status=content["status"],
            percent=float(content["percent"]),
            rows=content["rows"],
            error=_text(content.get("error")),
            rows_per_second=content.get("rows_per_second"),
            warnings=[text for text in map(_text, content.get("warnings") or []) if text],
        )


class ImportClient:
    """A client of /api/imports."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._http = requests.Session()
        # Proxies and .netrc files of the user do not apply to a stack on this machine.
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {token}"

    def answers(self) -> bool:
        """Whether a stack answers."""
        try:
            self._call("GET", "/api/health")
        except ApiError:
            return False
        return True

    def run(self, file: Path, watcher: Watcher) -> Report:
        """Uploads a file and follows its import to the end. Raises ApiError."""
        size = file.stat().st_size
        created = self._call("POST", "/api/imports", {"filename": file.name, "size_bytes": size})
        with file.open("rb") as stream:
            self._upload(created["upload"], _Watched(stream, size, watcher))
        return self._watch(str(created["id"]), watcher)

    def rejected_rows(self, report: Report, count: int) -> list[Mapping[str, Any]]:
        """The first rejected rows."""
        page = self._call("GET", f"/api/imports/{report.id}/rejected-rows?limit={count}")
        return list(page["items"])

    def _upload(self, upload: Mapping[str, Any], body: _Watched) -> None:
        try:
            # A session of its own: the token of the other one must not reach S3.
            with requests.Session() as s3:
                s3.trust_env = False
                timeout = (CONNECT_SECONDS_MAX, UPLOAD_SECONDS_MAX)
                answer = s3.request(
                    upload["method"], upload["url"], data=body, headers=upload["headers"], timeout=timeout
                )
        except requests.RequestException as error:
            raise ApiError(f"The upload to S3 failed: {error}") from None
        if not answer.ok:
            raise ApiError(f"S3 refused the upload ({answer.status_code}): {answer.text[:500]}")

    def _watch(self, import_id: str, watcher: Watcher) -> Report:
        failures = 0
        while True:
            try:
                report = Report.of(self._call("GET", f"/api/imports/{import_id}"))
                failures = 0
            except StackSilent:
                failures += 1
                if failures > POLL_FAILURES_MAX:
                    raise
            else:
                watcher.importing(report)
                if report.status in TERMINAL:
                    return report
            time.sleep(POLL_SECONDS)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        timeout = (CONNECT_SECONDS_MAX, RESPONSE_SECONDS_MAX)
        try:
            answer = self._http.request(method, self._url + path, json=body, timeout=timeout)
            content = answer.json()
        except requests.RequestException as error:
            raise StackSilent(f"{self._url} does not answer as expected: {error}") from None
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StackSilent(f"{self._url} answers {answer.status_code}: {content.get('detail')}")
        if not answer.ok:
            raise ApiError(f"{content.get('title')} ({answer.status_code}): {content.get('detail')}")
        return dict(content)


class _Watched:
    """A file that reports how much of it was read. It has a length, so requests sends it as one stream."""

    def __init__(self, stream: IO[bytes], size: int, watcher: Watcher) -> None:
        self._stream = stream
        self._size = size
        self._watcher = watcher

    def __len__(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        """Reads like a file, but in larger pieces than http.client asks for."""
        piece = self._stream.read(max(count, UPLOAD_READ_BYTES) if count >= 0 else -1)
        self._watcher.uploading(self._stream.tell(), self._size)
        return piece

    def __iter__(self) -> _Watched:
        return self

    def __next__(self) -> bytes:
        piece = self.read(UPLOAD_READ_BYTES)
        if not piece:
            raise StopIteration
        return piece


def _text(value: Any) -> str | None:
    """The text of an error or warning, which is text itself or an object with a message."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail") or value
    return None if value is None else str(value)
