"""The terminal client, with a fake API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.arguments import USAGE
from infra.entry import INTERRUPTED
from infra.local import stack_file
from infra.local.client.__main__ import EVERY_ROW, NOT_IMPORTED, SOME_REJECTED, main
from infra.local.client.http import BUSY_WAITS_MAX
from infra.local.client.receipt import REJECTED_ROWS_SHOWN
from infra.project import ROOT

RUN_SECONDS_MAX = 60
EVENT_SECONDS_MAX = 30.0
NOBODY = 65534


class FakeApi(ThreadingHTTPServer):
    """Answers like /api/imports; imports end as its attributes say."""

    daemon_threads = True
    status = "completed"
    outcome = "completed_with_rejected_rows"
    summary = "Completed with 1 rejected row"
    rejected = 1
    error: dict[str, Any] | None = None
    registered: dict[str, Any] | None = None
    uploaded = b""
    polls = 0
    cancelled = False
    cancel_status = 200
    polls_until_the_end = 2
    poll_status = 200
    refusals = 0
    """How many more requests are refused with 429."""
    retry_after = "1"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.reached = threading.Event()
        """Set when the moment that a test waits for has come."""
        self.released = threading.Event()
        """Responses to uploads are sent from then on."""
        self.released.set()

    def handle_error(self, *_: object) -> None:
        """A client that has gone is no error of the fake."""


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi

    def do_PUT(self) -> None:
        assert "Authorization" not in self.headers
        if not self.server.released.is_set():
            self.server.reached.set()
            self.server.released.wait(EVENT_SECONDS_MAX)
        self.server.uploaded = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        if self._is_refused():
            return
        if self.path.endswith("/cancel"):
            self.server.cancelled = True
            problem = {"title": "Conflict", "detail": "The import is already completed."}
            ended = {**self._import("cancelled"), "summary": "Cancelled before any row was written"}
            self._answer(self.server.cancel_status, ended if self.server.cancel_status == 200 else problem)
            return
        self.server.registered = body
        upload = {"method": "PUT", "url": f"{self.server.url}/upload", "headers": {"Content-Type": "text/csv"}}
        self._answer(201, {**self._import("pending"), "upload": upload})

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer secret":
            self._answer(401, {"title": "Unauthorized", "detail": "Send a token."})
        elif "rejected-rows" in self.path:
            limit = int(self.path.partition("limit=")[2])
            rows = [{"line": line, "message": "The name is empty."} for line in range(3, 3 + self.server.rejected)]
            self._answer(200, {"items": rows[:limit]})
        elif self.path.startswith("/api/imports/"):
            if self._is_refused():
                return
            self.server.polls += 1
            is_over = self.server.polls > self.server.polls_until_the_end
            content = self._import(self.server.status if is_over else "processing")
            self._answer(self.server.poll_status, content)
            if self.server.polls > 1:
                self.server.reached.set()
        else:
            self._answer(200, {})

    def _import(self, status: str) -> dict[str, Any]:
        rejected = self.server.rejected
        return {
            "id": "1",
            "status": status,
            "outcome": self.server.outcome,
            "summary": self.server.summary,
            "percent": 50.0,
            "rows": {
                "total": 2 + rejected,
                "created": 1,
                "updated": 1,
                "unchanged": 0,
                "superseded": 0,
                "rejected": rejected,
            },
            "error": self.server.error,
            "warnings": ["w"],
        }

    def _is_refused(self) -> bool:
        if not self.server.refusals:
            return False
        self.server.refusals -= 1
        self._answer(429, {"title": "Too many requests", "detail": "Wait."}, **{"Retry-After": self.server.retry_after})
        return True

    def _answer(self, status: int, content: dict[str, Any], **headers: str) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A running fake; the client finds it by URL and TOKEN."""
    with FakeApi() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("URL", server.url)
        monkeypatch.setenv("TOKEN", "secret")
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """A small file."""
    file = tmp_path / "products.csv"
    file.write_bytes(b"sku,name\r\nA,1\r\n")
    return file


Printed = pytest.CaptureFixture[str]


def test_import_uploads_the_file_follows_the_import_and_prints_the_receipt(
    api: FakeApi, products: Path, capsys: Printed
) -> None:
    assert main(["import", str(products)]) == SOME_REJECTED
    assert api.uploaded == products.read_bytes()
    assert api.registered == {"filename": "products.csv", "size_bytes": 15}
    printed = capsys.readouterr().out
    for expected in ("total 3, created 1", "rows/s", "line 3: The name is empty."):
        assert expected in printed
    assert "more" not in printed


@pytest.mark.parametrize(
    ("status", "outcome", "expected"),
    [
        ("completed", "completed", EVERY_ROW),
        ("completed", "completed_with_rejected_rows", SOME_REJECTED),
        ("completed", "nothing_imported", NOT_IMPORTED),
        ("failed", "failed", NOT_IMPORTED),
        ("cancelled", "cancelled", NOT_IMPORTED),
        ("cancelled", "ignored", NOT_IMPORTED),
    ],
)
def test_the_exit_status_and_the_last_line_say_how_the_import_ended(
    api: FakeApi, products: Path, capsys: Printed, status: str, outcome: str, expected: int
) -> None:
    api.status, api.outcome, api.summary = status, outcome, f"This is the summary of {outcome}"
    api.error = {"code": "x", "message": "The column sku is missing."} if status == "failed" else None
    assert main(["import", str(products)]) == expected
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"This is the summary of {outcome}"
    assert (lines[-2] == "The column sku is missing.") == (status == "failed")


@pytest.mark.parametrize(("rejected", "more"), [(5, None), (6, "1"), (1245, "1,240")])
def test_it_says_how_many_more_rows_were_rejected_and_where_they_are(
    api: FakeApi, products: Path, capsys: Printed, rejected: int, more: str | None
) -> None:
    api.rejected = rejected
    main(["import", str(products)])
    printed = capsys.readouterr().out
    assert printed.count("The name is empty.") == REJECTED_ROWS_SHOWN
    assert (f"  … and {more} more: {api.url}/#/imports/1\n" in printed) == (more is not None)


def test_the_encoding_is_sent(api: FakeApi, products: Path) -> None:
    main(["import", "--encoding", "Windows-1252", "--", str(products)])
    assert api.registered is not None
    assert api.registered["encoding"] == "windows-1252"


def test_a_refusal_is_printed(api: FakeApi, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> None:
    monkeypatch.setenv("TOKEN", "other")
    assert main(["import", str(products)]) == NOT_IMPORTED
    assert "Unauthorized (401): Send a token." in capsys.readouterr().err


# --- files that cannot be imported --------------------------------------------------------------------------------


def refusal(capsys: Printed, path: Path, problem: str) -> None:
    """Checks that a file is refused with one line that says how to call the command."""
    assert main(["import", str(path)]) == USAGE
    assert capsys.readouterr().err == f"'{path}' {problem}. Example: make import FILE=products.csv\n"


def test_a_missing_file_is_wrong_usage(api: FakeApi, tmp_path: Path, capsys: Printed) -> None:
    refusal(capsys, tmp_path / "none.csv", "does not exist")


def test_a_directory_a_pipe_and_a_device_are_not_files(api: FakeApi, tmp_path: Path, capsys: Printed) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    refusal(capsys, tmp_path, "is a directory")
    refusal(capsys, tmp_path / "pipe.csv", "is a pipe or a device, not a file")
    refusal(capsys, Path(os.devnull), "is a pipe or a device, not a file")


def test_an_empty_file_is_refused_before_it_is_sent(api: FakeApi, tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "empty.csv").touch()
    refusal(capsys, tmp_path / "empty.csv", "is empty: it needs a line with the names of the columns, and rows")
    assert api.registered is None


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(api: FakeApi, tmp_path: Path, capsys: Printed) -> None:
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    refusal(capsys, loop, "cannot be read: Too many levels of symbolic links")
    refusal(capsys, tmp_path / ("x" * 300), "cannot be read: File name too long")
    with another_user(tmp_path):
        refusal(capsys, tmp_path / "secret.csv", "cannot be read: Permission denied")


@contextmanager
def another_user(directory: Path) -> Iterator[None]:
    """Creates secret.csv, and becomes a user who may not read it."""
    secret = directory / "secret.csv"
    secret.write_bytes(b"sku,name\n")
    secret.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_file_whose_name_cannot_be_printed_is_imported(api: FakeApi, tmp_path: Path) -> None:
    name = os.fsdecode(b"m\xe4rz\n\x1b[31m.csv")
    (tmp_path / name).write_bytes(b"sku,name\nA,1\n")
    assert main(["import", str(tmp_path / name)]) == SOME_REJECTED
    assert api.registered is not None
    assert api.registered["filename"] == "m\ufffdrz\ufffd\ufffd[31m.csv"


@pytest.mark.parametrize("change", ["shrinks", "grows", "is written again"])
def test_a_file_that_changes_during_the_upload_is_not_imported(
    api: FakeApi, tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The file is changed after its first piece was read, before S3 has all of it."""
    file = tmp_path / "changing.csv"
    file.write_bytes(b"x" * 3_000_000)
    seen: list[int] = []

    def reading(_view: object, sent: int, _size: int) -> None:
        if not seen:
            if change == "shrinks":
                os.truncate(file, 1_500_000)
            elif change == "grows":
                with file.open("ab") as stream:
                    stream.write(b"more")
            else:
                os.utime(file, (1, 1))
        seen.append(sent)

    monkeypatch.setattr("infra.local.client.view.ImportView.uploading", reading)
    refusal(capsys, file, "changed while it was uploaded, so nothing was imported: wait until it is complete")
    assert max(seen) < 3_000_000
    assert len(api.uploaded) < 3_000_000
    assert api.cancelled


# --- limits of the token --------------------------------------------------------------------------------------------


def test_a_refused_request_is_sent_again_after_the_wait_that_the_server_asks_for(api: FakeApi, products: Path) -> None:
    api.refusals = 2
    began = time.monotonic()
    assert main(["import", str(products)]) == SOME_REJECTED
    assert time.monotonic() - began >= 2
    assert api.uploaded == products.read_bytes()


@pytest.mark.parametrize("asked", ["0", "soon", "-1", "1e9", ""])
def test_a_request_that_is_refused_again_and_again_ends_the_command(
    api: FakeApi, products: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setattr("infra.local.client.http.POLL_SECONDS", 0)
    api.refusals, api.retry_after = 1_000, asked
    assert main(["import", str(products)]) == NOT_IMPORTED
    assert capsys.readouterr().err == "Too many requests (429): Wait.\n"
    assert api.refusals == 1_000 - 1 - BUSY_WAITS_MAX


# --- Ctrl-C -------------------------------------------------------------------------------------------------------


def interrupted(api: FakeApi, file: Path) -> str:
    """Runs an import in a process of its own, interrupts it when the fake is reached; returns what it printed."""
    command = [sys.executable, "-m", "infra.local.client", "import", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert api.reached.wait(EVENT_SECONDS_MAX)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=RUN_SECONDS_MAX)
    assert process.returncode == INTERRUPTED
    return printed


def test_ctrl_c_during_the_upload_cancels_the_import(api: FakeApi, products: Path) -> None:
    api.released.clear()
    assert interrupted(api, products) == "Interrupted. Cancelled before any row was written.\n"
    assert api.cancelled


def test_ctrl_c_during_an_upload_that_cannot_be_cancelled_links_to_the_import(api: FakeApi, products: Path) -> None:
    api.released.clear()
    api.cancel_status = 409
    printed = interrupted(api, products)
    assert printed.startswith("Interrupted. The import could not be cancelled.")
    assert printed.endswith(f" {api.url}/#/imports/1\n")


def test_ctrl_c_after_the_upload_says_that_the_import_continues(api: FakeApi, products: Path) -> None:
    api.polls_until_the_end = 1_000_000
    assert interrupted(api, products) == f"Interrupted. The import continues. Watch it: {api.url}/#/imports/1\n"
    assert not api.cancelled


def test_a_stack_that_falls_silent_is_named_with_the_link_to_the_import(
    api: FakeApi, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setattr("infra.local.client.http.POLL_SECONDS", 0)
    api.poll_status = 503
    assert main(["import", str(products)]) == NOT_IMPORTED
    printed = capsys.readouterr().err
    assert printed == f"{api.url} answers 503: None. See how the import ends: {api.url}/#/imports/1\n"


# --- no stack -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["import", "FILE"], ["demo"], ["psql"]])
def test_without_a_stack_an_error_says_how_to_start_one(
    tmp_path: Path, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed, command: list[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main([str(products) if each == "FILE" else each for each in command]) == USAGE
    assert "make run" in capsys.readouterr().err


def test_a_killed_stack_is_not_taken_for_a_running_one(
    tmp_path: Path, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    gone = stack_file.StackFile(1, "http://127.0.0.1:9", "t", "", "", "", "", "", "", {}, "localstack", 1, None, {})
    stack_file.write(tmp_path, gone)
    assert (tmp_path / stack_file.NAME).stat().st_mode & 0o777 == 0o600
    assert main(["import", str(products)]) == USAGE
    assert "does not answer at http://127.0.0.1:9" in capsys.readouterr().err
