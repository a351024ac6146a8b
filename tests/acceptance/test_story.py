"""The main task on the whole running stack, as its users see it: HTTP, S3, worker processes, PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import psycopg
import pytest
import requests

from infra.local.testing import RunningStack, clean_environment, running_stack
from tests.support.concurrency import together
from tests.support.sample_files import assignment_like, reference
from tests.support.sequential_model import Catalogue

END_SECONDS_MAX = 60
POLL_SECONDS = 0.05
ROWS = 30_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def stack(directory: Path) -> Iterator[RunningStack]:
    with running_stack(directory, PARAMETER_ChunksVisibilitySeconds="5") as started:
        yield started


def call(stack: RunningStack, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {stack.file.token}"}
    return requests.request(method, f"{stack.file.url}{path}", json=body, headers=headers, timeout=30)


def upload(stack: RunningStack, content: bytes, filename: str = "products.csv") -> str:
    registered = call(stack, "POST", "/api/imports", {"filename": filename, "size_bytes": len(content)})
    assert registered.status_code == 201, registered.text
    link = registered.json()["upload"]
    put = requests.request(link["method"], link["url"], data=content, headers=link["headers"], timeout=30)
    assert put.status_code == 200, put.text
    return str(registered.json()["id"])


def watch(stack: RunningStack, import_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Follows an import to its end. Returns its last state, and all states seen on the way."""
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + END_SECONDS_MAX
    while time.monotonic() < deadline:
        seen.append(call(stack, "GET", f"/api/imports/{import_id}").json())
        if seen[-1]["status"] not in {"pending", "processing"}:
            return seen[-1], seen
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"the import did not end: {seen[-1]}")


def products(stack: RunningStack) -> Catalogue:
    with psycopg.connect(stack.file.owner_conninfo) as connection:
        rows = connection.execute("select sku_key, sku, name, description, active from product where not deleted")
        return {row[0]: cast(tuple[str, str, str, bool], tuple(row[1:])) for row in rows}


def test_an_assignment_like_file_is_imported_as_python_reads_it(stack: RunningStack) -> None:
    content = assignment_like(ROWS)
    expected = reference(content)

    ended, seen = watch(stack, upload(stack, content.encode()))

    assert ended["status"] == "completed", ended
    assert ended["rows"]["total"] == ROWS
    assert ended["rows"]["created"] == len(expected)
    assert products(stack) == expected
    percents = [each["percent"] for each in seen]
    assert percents == sorted(percents)
    assert all((each["percent"] == 100) == (each["status"] == "completed") for each in seen)


def test_a_file_put_with_a_plain_s3_client_is_imported(stack: RunningStack) -> None:
    content = assignment_like(500, seed=2).replace("sku-", "drop-").replace("SKU-", "DROP-")
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.file.s3_endpoint_url,
        aws_access_key_id=stack.file.aws_access_key_id,
        aws_secret_access_key=stack.file.aws_secret_access_key,
        region_name=stack.file.aws_default_region,
    )
    s3.put_object(Bucket=stack.file.bucket, Key="uploads/a file + more.csv", Body=content.encode())

    deadline = time.monotonic() + END_SECONDS_MAX
    while not (found := [each for each in history(stack) if each["filename"] == "a file + more.csv"]):
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)
    ended, _ = watch(stack, found[0]["id"])

    assert ended["status"] == "completed"
    stored = products(stack)
    assert {key: stored[key] for key in reference(content)} == reference(content)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04" + b"\0" * 26 + b"xl/workbook.xml" + b"\0" * 400, "file_is_xlsx"),
        (b"%PDF-1.7\n", "file_is_pdf"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "file_is_image"),
        (b"sku,price\nA,1\n", "column_missing"),
        (b"sku,name,name\nA,1,2\n", "column_doubled"),
    ],
)
def test_a_file_that_cannot_be_imported_fails_with_the_reason(stack: RunningStack, content: bytes, code: str) -> None:
    before = products(stack)

    ended, _ = watch(stack, upload(stack, content))

    assert (ended["status"], ended["error"]["code"]) == ("failed", code)
    assert products(stack) == before


def test_the_command_line_imports_a_file_and_reports_the_result_by_its_exit_status(
    stack: RunningStack, tmp_path: Path
) -> None:
    files = {
        "good.csv": (b"sku,name\nCLI-1,one\n", 0, "Completed"),
        "half.csv": (b"sku,name\nCLI-1,one\n,two\n", 3, "Completed with 1 rejected row"),
        "none.csv": (b"sku,name\n,two\n", 1, "Nothing was imported: the only row was rejected"),
        "bad.csv": (b"price\n1\n", 1, "Failed before any row was written"),
    }
    windows = "sku,name\nCLI-2,Größe\n".encode("windows-1252")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**clean_environment(), "URL": stack.file.url, "TOKEN": stack.file.token}
        command = [sys.executable, "-m", "infra.local.client", "import", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    for name, (content, status, last_line) in files.items():
        (tmp_path / name).write_bytes(content)
        ended = run(str(tmp_path / name))
        assert (ended.returncode, ended.stdout.splitlines()[-1]) == (status, last_line), ended.stderr
        assert ("The SKU is empty" in ended.stdout) == (name in {"half.csv", "none.csv"})
    (tmp_path / "windows.csv").write_bytes(windows)
    assert run(str(tmp_path / "windows.csv")).returncode == 1
    assert run("--encoding", "windows-1252", str(tmp_path / "windows.csv")).returncode == 0
    assert run(str(tmp_path / "missing.csv")).returncode == 2


def test_a_request_sent_twice_at_once_is_carried_out_once(stack: RunningStack) -> None:
    headers = {"Authorization": f"Bearer {stack.file.token}", "Idempotency-Key": "twice-at-once"}
    body = {"filename": "twice at once.csv", "size_bytes": 5}
    answers: list[requests.Response] = []

    def send() -> None:
        answers.append(requests.post(f"{stack.file.url}/api/imports", json=body, headers=headers, timeout=30))

    together(send, send)
    send()

    assert {each.status_code for each in answers} <= {201, 409}
    assert answers[-1].status_code == 201
    assert len({each.json()["id"] for each in answers if each.status_code == 201}) == 1
    assert [each["filename"] for each in history(stack)].count("twice at once.csv") == 1


def test_a_request_without_a_valid_token_is_refused(stack: RunningStack) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        answer = requests.get(f"{stack.file.url}/api/imports", headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthorized"


def test_foreign_host_names_are_refused(stack: RunningStack) -> None:
    answer = requests.get(f"{stack.file.url}/", headers={"Host": "evil.example"}, timeout=10)
    assert answer.status_code == 421


def test_the_page_is_served_with_a_strict_policy(stack: RunningStack) -> None:
    answer = requests.get(f"{stack.file.url}/", timeout=10)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_token_is_in_no_log(stack: RunningStack, directory: Path) -> None:
    for log in directory.joinpath("logs").rglob("*"):
        if log.is_file():
            assert stack.file.token not in log.read_text("utf-8", "replace"), log


def history(stack: RunningStack) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], call(stack, "GET", "/api/imports").json()["items"])
