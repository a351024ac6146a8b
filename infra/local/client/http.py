"""One import through the HTTP API, from the file on disk to the receipt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn, Protocol

import requests

from infra.entry import Interrupted
from infra.local.client import product_file
from infra.local.client.product_file import FileUnusable, ProductFile
from infra.local.errors import StackError

CONNECT_SECONDS_MAX = 5.0
RESPONSE_SECONDS_MAX = 60.0
UPLOAD_SECONDS_MAX = 600.0
POLL_SECONDS = 0.2
POLL_FAILURES_MAX = 10
"""In a row. A stack under load may fail to answer now and then, but not this often."""
BUSY_WAITS_MAX = 10
"""How often a request is sent again that was refused because the token has sent or started too much."""
BUSY_WAIT_SECONDS_MAX = 60.0
"""The longest wait that a server may ask for."""
TERMINAL = ("completed", "failed", "cancelled")


class ApiError(StackError):
    """The stack refused a request or could not be reached."""


class StackSilent(ApiError):
    """There was no answer, or a server error: the same request may succeed later."""


class Busy(ApiError):
    """The request was refused without an effect, and may be sent again after `wait_seconds`."""

    def __init__(self, message: str, wait_seconds: float) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


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
    outcome: str | None = None
    """How it ended, for programs; None while it runs."""
    summary: str | None = None
    """The same for people."""
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
            outcome=content.get("outcome"),
            summary=content.get("summary"),
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

    def run(self, path: Path, watcher: Watcher, encoding: str | None = None) -> Report:
        """Uploads a file and follows its import to the end. Raises ApiError, FileUnusable, Interrupted."""
        with product_file.opened(path) as file:
            file.notify = watcher.uploading
            import_id = self._send(file, encoding)
        try:
            return self._watch(import_id, watcher)
        except StackSilent as error:
            raise StackSilent(f"{error}. See how the import ends: {self.page_of(import_id)}") from None
        except KeyboardInterrupt:
            raise Interrupted(f"The import continues. Watch it: {self.page_of(import_id)}") from None

    def page_of(self, import_id: str) -> str:
        """The link to the page that shows an import."""
        return f"{self._url}/#/imports/{import_id}"

    def rejected_rows(self, report: Report, count: int) -> list[Mapping[str, Any]]:
        """The first rejected rows."""
        page = self._call("GET", f"/api/imports/{report.id}/rejected-rows?limit={count}")
        return list(page["items"])

    def _send(self, file: ProductFile, encoding: str | None) -> str:
        """Registers and uploads a file; returns the id of its import. If that fails, no import stays behind."""
        try:
            created = self._call("POST", "/api/imports", _registration(file, encoding))
        except KeyboardInterrupt:
            raise Interrupted("Nothing was imported.") from None
        import_id = str(created["id"])
        try:
            self._upload(created["upload"], file)
        except (FileUnusable, ApiError):
            with suppress(ApiError):
                self._cancel(import_id)
            raise
        except KeyboardInterrupt:
            self._end_upload(import_id)
        return import_id

    def _end_upload(self, import_id: str) -> NoReturn:
        """Cancels an import whose upload was interrupted. Raises Interrupted."""
        try:
            result = f"{self._cancel(import_id).summary}."
        except ApiError:
            result = f"The import could not be cancelled. See whether the file had arrived: {self.page_of(import_id)}"
        raise Interrupted(result) from None

    def _cancel(self, import_id: str) -> Report:
        return Report.of(self._call("POST", f"/api/imports/{import_id}/cancel"))

    def _upload(self, upload: Mapping[str, Any], body: ProductFile) -> None:
        try:
            # A session of its own: the token of the other one must not reach S3.
            with requests.Session() as s3:
                s3.trust_env = False
                timeout = (CONNECT_SECONDS_MAX, UPLOAD_SECONDS_MAX)
                answer = s3.request(
                    upload["method"], upload["url"], data=body, headers=upload["headers"], timeout=timeout
                )
        except requests.RequestException as error:
            raise ApiError(f"The upload to S3 failed: {_cause(error)}") from None
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
        """Sends a request; waits and sends it again if it was refused with 429, which means that it had no effect."""
        for _ in range(BUSY_WAITS_MAX):
            try:
                return self._call_once(method, path, body)
            except Busy as error:
                time.sleep(error.wait_seconds)
        return self._call_once(method, path, body)

    def _call_once(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        timeout = (CONNECT_SECONDS_MAX, RESPONSE_SECONDS_MAX)
        try:
            answer = self._http.request(method, self._url + path, json=body, timeout=timeout)
            content = answer.json()
        except requests.RequestException as error:
            raise StackSilent(f"{self._url} does not answer as expected: {_cause(error)}") from None
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StackSilent(f"{self._url} answers {answer.status_code}: {content.get('detail')}")
        if not answer.ok:
            message = f"{content.get('title')} ({answer.status_code}): {_explained(content)}"
            if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                raise Busy(message, _wait_seconds(answer))
            raise ApiError(message)
        return dict(content)


def _registration(file: ProductFile, encoding: str | None) -> dict[str, Any]:
    registration = {"filename": file.name, "size_bytes": file.size}
    return registration if encoding is None else {**registration, "encoding": encoding}


def _wait_seconds(answer: requests.Response) -> float:
    """How long the server asks to wait."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked), BUSY_WAIT_SECONDS_MAX) if asked.isascii() and asked.isdigit() else POLL_SECONDS


def _cause(error: requests.RequestException) -> str:
    """What went wrong, without the names of classes and functions."""
    if isinstance(error, requests.Timeout):
        return "there was no response in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed"
    if isinstance(error, requests.JSONDecodeError):
        return "the response is not JSON"
    return str(error)


def _explained(problem: Mapping[str, Any]) -> str:
    """The detail of a problem, and what it says about each field."""
    fields = [f"{each['pointer'].removeprefix('/')}: {each['message']}" for each in problem.get("errors") or []]
    return "; ".join([str(problem.get("detail")), *fields])


def _text(value: Any) -> str | None:
    """The text of an error or warning, which is text itself or an object with a message."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("detail") or value
    return None if value is None else str(value)
