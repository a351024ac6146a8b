"""Recognisable secrets, planted by using everything about webhooks on a running stack, then searched for everywhere.

The search covers each secret in plain form, in hexadecimal and in base64: in every log, every answer, every table, the
messages of every queue, and the files of PostgreSQL and the emulator. The places where a secret belongs are listed and
checked too. A marker that is not secret must be found in the other places: this proves that the search works.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import requests
from psycopg.conninfo import conninfo_to_dict

from chalicelib.backends.sealing import LocalKey
from infra.local.backing import WEBHOOK_KEY_FILE
from infra.local.processes.deadline import wait_until
from infra.local.processes.ports import free_port
from infra.local.testing import READY_PREFIX, RunningStack, running_stack
from tests.support.hook_server import HookServer, Received, Reply, hook_server
from tests.support.secret_forms import signature_of, written_forms
from tests.support.storm import StormyStack

END_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request"}
"""The emulator refuses requests without a signature, but does not check it."""
SKU = "SEEN-EVERYWHERE"
"""Not a secret: where the search does not find it, the search does not work."""
KEPT_ON_PURPOSE = {"stack.json", "passwords.json", WEBHOOK_KEY_FILE}
"""Files in the data directory, readable by their owner only, with the credentials for the stack's own commands."""
AUTHORIZATION = "Bearer canary-4c1f0ae2b9d84e33"
SHOP = "canary-7d1e52aa90c64b1f"


class Client:
    """Calls the API and keeps the answers. `returned` are the secrets that answers are meant to contain."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self.answers: list[bytes] = []
        self.returned: list[str] = []

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        sent = {"Authorization": f"Bearer {self._stack.file.token}", **headers}
        answer = requests.request(method, f"{self._stack.file.url}{path}", json=body, headers=sent, timeout=30)
        seen = f"{answer.status_code} {dict(answer.headers)} {answer.text}"
        content = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        for secret in self._meant(content):
            self.returned.append(secret)
            seen = seen.replace(secret, "…")
        self.answers.append(seen.encode())
        return answer

    @staticmethod
    def _meant(content: Any) -> Iterator[str]:
        if isinstance(content, dict) and "secret" in content:
            yield content["secret"]
        if isinstance(content, dict) and content.get("upload"):
            yield signature_of(content["upload"]["url"])


class QueueReader:
    """Reads every queue repeatedly, through an interface of the emulator that ignores visibility and delay."""

    def __init__(self, stack: RunningStack, queue_urls: list[str]) -> None:
        self._address, self._queue_urls = f"{stack.file.s3_endpoint_url}/_aws/sqs/messages", queue_urls
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> QueueReader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for url in self._queue_urls:
                query = {"QueueUrl": url, "ShowInvisible": "true", "ShowDelayed": "true"}
                answer = requests.get(self._address, params=query, headers=SIGNED, timeout=10)
                assert answer.ok, answer.text
                self.seen.add(answer.content)


def test_secrets_are_only_where_they_belong(tmp_path: Path) -> None:
    waits = {"PARAMETER_EventsVisibilitySeconds": "5", "PARAMETER_DeliveriesVisibilitySeconds": "5"}
    with (
        running_stack(tmp_path, LOG_LEVEL="DEBUG", **waits) as stack,
        hook_server(_echo) as server,
        closing(StormyStack(stack)) as database,
    ):
        client = Client(stack)
        with QueueReader(stack, database.queue_urls()) as queues:
            webhook = _do_everything(client, database, server)
        secrets = {
            **_own_secrets(stack, tmp_path),
            "values of headers": {AUTHORIZATION, AUTHORIZATION.removeprefix("Bearer "), SHOP},
            "returned once": set(client.returned),
            "keys of webhooks": {
                base64.b64decode(each.removeprefix("whsec_")) for each in client.returned if "whsec_" in each
            },
            "signatures": {each.headers["webhook-signature"].split(" ")[0][3:] for each in server.received},
        }
        _check_that_other_users_can_read_nothing(tmp_path)
        tables = dict(_tables(stack.file.owner_conninfo))
        _check_what_is_stored_on_purpose(database, tmp_path, stack, webhook)
    ready = [line for line in stack.output if line.startswith(READY_PREFIX)]
    places: dict[str, bytes] = {
        **{f"table {name}": content for name, content in tables.items()},
        **{f"file {path.relative_to(tmp_path)}": path.read_bytes() for path in _files(tmp_path)},
        "the terminal": "\n".join(line for line in stack.output if line not in ready).encode(),
        "answers": b"\n".join(client.answers),
        "queues": b"\n".join(queues.seen),
    }
    assert len(ready) == 1
    expected_finds = [(SKU, "table event"), (SKU, "table product"), (SKU, "answers")]
    if stack.file.emulator == "localstack":  # Others have no such interface.
        expected_finds.append((webhook["id"], "queues"))
    for marker, place in expected_finds:
        assert marker.encode() in places[place], f"the search did not read {place}"
    assert any(SKU.encode() in content for place, content in places.items() if place.startswith("file postgres"))
    found = [
        f"{kind} in {place}"
        for kind, values in secrets.items()
        for value in values
        for form in written_forms(value)
        for place, content in places.items()
        if form in content
    ]
    assert found == []


def _check_that_other_users_can_read_nothing(data_dir: Path) -> None:
    """PostgreSQL's system user may pass through, but not list: its own directory is closed to others as well."""
    assert data_dir.stat().st_mode & 0o077 in (0, 0o011)
    paths = [path for path in data_dir.rglob("*") if not path.is_symlink()]
    assert {"logs", "emulator", "cache", "postgres", "stack.json"} <= {path.name for path in paths}
    assert [str(path) for path in paths if _mode(path) & 0o077] == []


def _mode(path: Path) -> int:
    """The mode of a file; 0 if it is gone: PostgreSQL removes files at any time."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def _do_everything(client: Client, database: StormyStack, server: HookServer) -> dict[str, Any]:
    headers = {"Authorization": AUTHORIZATION, "X-Shop": SHOP}
    wanted = {"url": server.url("/good"), "events": ["*"], "headers": headers}
    good = _twice(client, "/api/webhooks", wanted)
    failing = client.call("POST", "/api/webhooks", {**wanted, "url": server.url("/bad")}).json()
    unreachable = client.call("POST", "/api/webhooks", {**wanted, "url": f"http://127.0.0.1:{free_port()}/"}).json()
    _send_refused_requests(client, good, wanted)
    client.call("POST", "/api/products", {"sku": SKU, "name": "Hammer"})
    _wait(lambda: len(server.received) >= 2)
    client.call("POST", f"/api/webhooks/{good['id']}/rotate-secret")
    client.call("PATCH", f"/api/webhooks/{good['id']}", {"headers": {"Authorization": None, "X-Shop": SHOP}})
    for webhook in (good, failing, unreachable):
        test = _twice(client, f"/api/webhooks/{webhook['id']}/test", None)
        _wait(lambda place=f"/api/deliveries/{test['id']}": _has_ended(client, place))  # type: ignore[misc]
    database.restart_postgres()
    _import(client, database)
    _wait(lambda: any(b"import.completed" in each.body for each in server.received if each.path == "/good"))
    # After the second failure, the next attempt is minutes away: a delayed message waits in the queue.
    _wait(lambda: len([each for each in server.received if each.path == "/bad"]) > 3)
    since = {"since": "2020-01-01T00:00:00Z"}
    for webhook in (good, failing, unreachable):
        path = f"/api/webhooks/{webhook['id']}"
        client.call("POST", f"{path}/redeliver", since)
        client.call("GET", path)
        for delivery in client.call("GET", f"{path}/deliveries").json()["items"]:
            client.call("GET", f"/api/deliveries/{delivery['id']}")
            client.call("POST", f"/api/deliveries/{delivery['id']}/redeliver")
    for path in ("/api/webhooks", "/api/events", "/api/event-types", "/api/imports", "/api/products", "/api/health"):
        client.call("GET", path)
    return good


def _echo(request: Received) -> Reply:
    """Returns the request's headers in the body, as echo servers do."""
    echo = json.dumps({"headers": dict(request.headers)}) + "\n" + "\n".join(map(": ".join, request.headers.items()))
    return Reply(status=200 if request.path == "/good" else 500, body=echo.encode())


def _twice(client: Client, path: str, body: Any) -> dict[str, Any]:
    """Sends a request twice, as after a lost answer."""
    key = hashlib.sha256(path.encode()).hexdigest()
    first, second = (client.call("POST", path, body, **{"Idempotency-Key": key}) for _ in range(2))
    assert first.ok, first.text
    assert first.json()["id"] == second.json()["id"]
    created: dict[str, Any] = second.json()
    return created


def _send_refused_requests(client: Client, webhook: dict[str, Any], wanted: dict[str, Any]) -> None:
    for fault in (
        {"headers": {"Authorization": f"{AUTHORIZATION}\n"}},
        {"headers": {"Webhook-Id": SHOP}},
        {"headers": {"X-Shop": [SHOP]}},
        {"headers": AUTHORIZATION},
        {"url": f"http://{SHOP}:{SHOP}@127.0.0.1/"},
        {"secret": SHOP},
    ):
        assert client.call("POST", "/api/webhooks", {**wanted, **fault}).status_code == 422
        assert client.call("PATCH", f"/api/webhooks/{webhook['id']}", fault).status_code == 422
    assert client.call("GET", "/api/webhooks", Authorization=f"Basic {SHOP}").status_code == 401


def _import(client: Client, database: StormyStack) -> None:
    """Imports a file as soon as PostgreSQL answers again."""
    content = b"sku,name\nA,one\nB,\n"
    wanted = {"filename": "products.csv", "size_bytes": len(content)}
    database.sql("select 1")
    registered: list[dict[str, Any]] = []

    def register() -> bool:
        answer = client.call("POST", "/api/imports", wanted)
        registered.append(answer.json())
        return answer.status_code == 201

    _wait(register)
    link = registered[-1]["upload"]
    put = requests.request(link["method"], link["url"], data=content, headers=link["headers"], timeout=30)
    assert put.status_code == 200, put.text


def _has_ended(client: Client, place: str) -> bool:
    return bool(client.call("GET", place).json()["status"] != "pending")


def _own_secrets(stack: RunningStack, directory: Path) -> dict[str, set[Any]]:
    conninfos = (stack.file.owner_conninfo, *stack.file.conninfos.values())
    return {
        "the token": {stack.file.token},
        "a password": {str(conninfo_to_dict(each)["password"]) for each in conninfos},
        "the key for webhooks": {(directory / WEBHOOK_KEY_FILE).read_bytes()},
    }


def _tables(conninfo: str) -> Iterator[tuple[str, bytes]]:
    """Every table as text, with bytes in hexadecimal."""
    with psycopg.connect(conninfo) as connection:
        names = connection.execute(
            "select oid::regclass::text from pg_class where relkind = 'r' and relpersistence <> 't' and oid > 16383"
        )
        for (name,) in names.fetchall():
            rows = connection.execute(f"select t::text from {name} t".encode()).fetchall()
            yield name, "\n".join(row[0] for row in rows).encode()


def _files(directory: Path) -> Iterator[Path]:
    return (
        path
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink() and str(path.relative_to(directory)) not in KEPT_ON_PURPOSE
    )


def _check_what_is_stored_on_purpose(
    database: StormyStack, directory: Path, stack: RunningStack, webhook: dict[str, Any]
) -> None:
    """The database holds hashes of tokens, sealed secrets and headers, and the names of headers."""
    digest = hashlib.sha256(stack.file.token.encode()).hexdigest()
    assert [row["digest"] for row in database.sql("select encode(sha256, 'hex') as digest from api_token")] == [digest]
    (row,) = database.sql("select * from webhook where id = %s", webhook["id"])
    key, owner = LocalKey(str(directory / WEBHOOK_KEY_FILE)), f"webhook:{webhook['id']}"
    assert key.open(bytes(row["old_secret"]), owner, "old_secret").decode() == webhook["secret"]
    url = urlsplit(webhook["url"])
    headers = key.open(bytes(row["headers"]), owner, f"headers for http://{url.hostname}:{url.port}")
    assert json.loads(headers) == {"Authorization": AUTHORIZATION, "X-Shop": SHOP}
    assert row["header_names"] == ["Authorization", "X-Shop"]


def _wait(reached: Callable[[], bool]) -> None:
    wait_until(reached, END_SECONDS_MAX, "the expected state")
