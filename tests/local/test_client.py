"""The terminal client, against a made-up API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.local import stack_file
from infra.local.client.__main__ import COMPLETED, NOT_COMPLETED, USAGE, main

ROWS = {"total": 3, "created": 1, "updated": 1, "unchanged": 0, "superseded": 0, "rejected": 1}


class FakeApi(ThreadingHTTPServer):
    """Answers like /api/imports; the import ends as `outcome` says."""

    outcome = "completed"
    error: str | None = None
    uploaded = b""
    polls = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeApi

    def do_PUT(self) -> None:
        assert "Authorization" not in self.headers
        self.server.uploaded = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        upload = {"method": "PUT", "url": f"{self.server.url}/upload", "headers": {"Content-Type": "text/csv"}}
        self._answer(201, {**self._import("pending"), "size": body["size_bytes"], "upload": upload})

    def do_GET(self) -> None:
        if self.headers["Authorization"] != "Bearer secret":
            self._answer(401, {"title": "Unauthorized", "detail": "Send a token."})
        elif "rejected-rows" in self.path:
            self._answer(200, {"items": [{"line": 3, "message": "The name is empty."}]})
        elif self.path.startswith("/api/imports/"):
            self.server.polls += 1
            self._answer(200, self._import(self.server.outcome if self.server.polls > 2 else "processing"))
        else:
            self._answer(200, {})

    def _import(self, status: str) -> dict[str, Any]:
        return {
            "id": "1",
            "status": status,
            "percent": 50.0,
            "rows": ROWS,
            "error": self.server.error,
            "warnings": ["w"],
        }

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silence."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A running fake, which the client finds by URL and TOKEN."""
    with FakeApi() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("URL", server.url)
        monkeypatch.setenv("TOKEN", "secret")
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """A small file."""
    file = tmp_path / "products.csv"
    file.write_bytes(b"sku,name\r\nA,1\r\n")
    return file


def test_import_uploads_watches_and_prints_the_receipt(
    api: FakeApi, products: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(products)]) == COMPLETED
    assert api.uploaded == products.read_bytes()
    said = capsys.readouterr().out
    for expected in ("completed: total 3, created 1", "rows/s", "line 3: The name is empty."):
        assert expected in " ".join(said.split())


def test_failure_is_told_by_reason_and_exit_status(
    api: FakeApi, products: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.outcome, api.error = "failed", "The column sku is missing."
    assert main(["import", str(products)]) == NOT_COMPLETED
    assert "The column sku is missing." in capsys.readouterr().out


def test_refusals_are_told(
    api: FakeApi, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN", "other")
    assert main(["import", str(products)]) == NOT_COMPLETED
    assert "Unauthorized (401): Send a token." in capsys.readouterr().err


def test_missing_file_is_wrong_usage(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "nothing.csv"]) == USAGE
    assert "no such file: 'nothing.csv'" in capsys.readouterr().err


def test_without_a_stack_it_says_how_to_start_one(
    tmp_path: Path, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert main(["import", str(products)]) == USAGE
    assert "make run" in capsys.readouterr().err


def test_a_stack_that_was_killed_is_not_taken_for_a_running_one(
    tmp_path: Path, products: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    gone = stack_file.StackFile(1, "http://127.0.0.1:9", "t", "", "", "", "", "", "", "", "localstack", 1, None, {})
    stack_file.write(tmp_path, gone)
    assert (tmp_path / stack_file.NAME).stat().st_mode & 0o777 == 0o600
    assert main(["import", str(products)]) == USAGE
    assert "does not answer at http://127.0.0.1:9" in capsys.readouterr().err
