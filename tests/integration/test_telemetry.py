"""What is logged of an import, a request and a delivery: every line with its ids, every row in exactly one metric."""

from __future__ import annotations

import logging
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator

import pytest

from chalicelib.access import tokens
from chalicelib.backends.database import RollBack
from chalicelib.errors import Transient
from chalicelib.importing import imports
from chalicelib.telemetry import MEASURES, WARNING
from functions.composition import backends
from functions.invocations import InvocationFailed
from tests.support.hook_server import hook_server
from tests.support.log_lines import Line, caught, with_message
from tests.support.pipeline import Pipeline

ROWS = 60_000
CONTENT = b"sku,name\n" + b"".join(b"S-%d,product %d\n" % (each % 50_000, each) for each in range(ROWS)) + b"S-1,\n"


@pytest.fixture
def lines(pipeline: Pipeline) -> Iterator[list[Line]]:
    with caught(level=logging.DEBUG) as found:
        yield found


def test_an_import_can_be_followed_from_its_registration_to_its_end(pipeline: Pipeline, lines: list[Line]) -> None:
    ended = pipeline.run(CONTENT)
    looks = with_message(lines, "request answered")
    of_import = [line for line in lines if line.get("import_id") == ended["id"] and line not in looks]
    story = list(dict.fromkeys(line["message"] for line in of_import))
    assert sorted(story) == [
        "chunk written",
        "file split",
        "import accepted",
        "import completed",
        "import registered",
    ]
    assert story[:3] == ["import registered", "import accepted", "file split"]
    for line in of_import:
        assert {"request_id", "function"} <= set(line)
    for line in with_message(of_import, "chunk written"):
        assert {"chunk", "attempt", "message_id", "receive_count"} <= set(line)
    (completed,) = with_message(of_import, "import completed")
    assert completed["rows"] == ended["rows"]


def test_the_metrics_of_the_chunks_add_up_to_the_receipt(pipeline: Pipeline, lines: list[Line]) -> None:
    ended = pipeline.run(CONTENT)
    written, (split,) = with_message(lines, "chunk written"), with_message(lines, "file split")
    assert sorted(line["chunk"] for line in written) == list(range(len(written)))
    for name in ("created", "updated", "unchanged", "superseded", "rejected"):
        assert sum(line[f"Rows{name.capitalize()}"] for line in written) == ended["rows"][name], name
    assert sum(line["ChunkBytes"] for line in written) == split["SplitBytes"] == len(CONTENT) - len(b"sku,name\n")
    for line in written:
        assert all(line[f"Chunk{stage}Milliseconds"] > 0 for stage in ("Read", "Parse", "Copy", "Write"))
    assert sum(line.get("ImportsCompleted", 0) for line in lines) == 1


def test_a_chunk_that_is_delivered_twice_is_counted_once(pipeline: Pipeline, lines: list[Line]) -> None:
    pipeline.upload(CONTENT)
    pipeline.split_next()
    for message in pipeline.chunks():
        pipeline.deliver("upsert_chunk", message)
        pipeline.deliver("upsert_chunk", message)
    counted = Counter(line["chunk"] for line in with_message(lines, "chunk written"))
    assert set(counted.values()) == {1}
    assert len(with_message(lines, "chunk had nothing to do")) == len(counted)


def test_a_rolled_back_change_is_not_logged(pipeline: Pipeline, lines: list[Line]) -> None:
    import_id = pipeline.upload(b"sku,name\nA,a\n")
    pipeline.split_next()
    with backends().database.transaction() as transaction:
        imports.fail(transaction, uuid.UUID(import_id), "split_failed", "A test.", retryable=True)
        _roll_back()
    assert with_message(lines, "import failed") == []


def test_a_failed_import_says_why_and_is_counted(pipeline: Pipeline, lines: list[Line]) -> None:
    ended = pipeline.run(b"name\nno sku\n")
    (line,) = with_message(lines, "import failed")
    assert (line["import_id"], line["level"], line["ImportsFailed"]) == (ended["id"], "WARNING", 1)
    assert (line["code"], line["reason"]) == (ended["error"]["code"], ended["error"]["message"])


def test_a_failed_invocation_is_logged_and_raised(
    pipeline: Pipeline, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.upload(b"sku,name\nA,a\n")
    pipeline.split_next()
    (message,) = pipeline.chunks()

    def broken(*_: object) -> None:
        raise trouble

    monkeypatch.setattr("chalicelib.importing.upserting.upsert_chunk", broken)
    trouble: Exception = Transient("the database is away")
    with pytest.raises(InvocationFailed, match=r"^Transient: "):
        pipeline.deliver("upsert_chunk", message)
    trouble = ZeroDivisionError("ours")
    with pytest.raises(InvocationFailed, match=r"^ZeroDivisionError: ours$"):
        pipeline.deliver("upsert_chunk", message)

    (again,) = with_message(lines, "failed for now, will be retried")
    assert (again["level"], again["Retries"], again["reason"]) == ("WARNING", 1, "the database is away")
    (fault,) = with_message(lines, "failed unexpectedly")
    assert (fault["level"], fault["Faults"]) == ("ERROR", 1)
    assert fault["exception"].endswith("ZeroDivisionError: ours")
    assert fault["message_id"] == message["MessageId"]


def test_lambda_s_own_line_about_a_failure_has_no_secret(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql://importer:hunter2hunter2@db/importer"

    def away(*_: object) -> None:
        raise Transient(f"could not connect to {address}") from OSError(address)

    monkeypatch.setattr("chalicelib.importing.upserting.upsert_chunk", away)
    pipeline.upload(b"sku,name\nA,a\n")
    pipeline.split_next()
    (message,) = pipeline.chunks()
    with pytest.raises(InvocationFailed) as failed:
        pipeline.deliver("upsert_chunk", message)
    written = "".join(traceback.format_exception(failed.value))
    assert "Transient: could not connect to postgresql://importer:(hidden)@db/importer" in written
    assert "hunter2" not in written


def test_each_request_is_logged_once_with_the_id_in_its_answer(pipeline: Pipeline, lines: list[Line]) -> None:
    answer = pipeline.call("POST", "/products", {"sku": "A", "name": "Hammer"})
    refused = pipeline.call("GET", "/products/0")
    first, second = with_message(lines, "request answered")
    assert first["request_id"] == answer.headers["X-Request-Id"] != refused.headers["X-Request-Id"]
    assert (first["method"], first["route"], first["status"]) == ("POST", "/products", 201)
    assert (second["route"], second["product_id"], second["status"]) == ("/products/{product_id}", "0", 404)
    assert first["caller"] == second["caller"]
    assert first["RequestMilliseconds"] > 0


def test_a_refused_request_is_logged_with_its_code_and_its_caller_but_not_with_what_was_sent(
    pipeline: Pipeline, lines: list[Line]
) -> None:
    reader = tokens.install(pipeline.services.owner_conninfo, "reader", ["read"])
    sent = {"sku": "A", "name": "Hammer", "surprise": 1}
    pipeline.call("POST", "/products", sent, Authorization=f"Bearer {reader}")
    pipeline.call("POST", "/products", sent)
    forbidden, invalid = with_message(lines, "request refused")
    assert (forbidden["status"], forbidden["code"], forbidden["route"]) == (403, "forbidden", "/products")
    assert (invalid["status"], invalid["code"], invalid["route"]) == (422, "invalid", "/products")
    assert forbidden["caller"] != invalid["caller"]
    assert "surprise" not in str(lines)


def test_a_bug_can_be_found_by_the_request_id_that_the_caller_gets(
    pipeline: Pipeline, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.products.create", lambda *_: 1 / 0)
    answer = pipeline.call("POST", "/products", {"sku": "A", "name": "Hammer"})
    assert answer.status == 500
    (fault,) = with_message(lines, "request failed unexpectedly")
    assert fault["request_id"] in answer.json["detail"]
    assert "ZeroDivisionError" in fault["exception"]
    assert "ZeroDivisionError" not in answer.body.decode()


def test_an_authorizer_that_fails_is_a_failed_invocation_and_one_that_refuses_is_not(
    pipeline: Pipeline, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        pipeline.call("GET", "/imports", Authorization="Bearer wrong")
    assert [line["message"] for line in lines] == ["authentication failed"]

    def away(*_: object) -> None:
        raise Transient("the database is away")

    monkeypatch.setattr("chalicelib.access.tokens.identify", away)
    with pytest.raises(InvocationFailed, match=r"^Transient: "):
        pipeline.call("GET", "/imports")
    (line,) = with_message(lines, "failed for now, will be retried")
    assert (line["function"], line["Retries"], line["reason"]) == ("authorize", 1, "the database is away")


def test_an_event_can_be_followed_to_its_receiver(pipeline: Pipeline, lines: list[Line]) -> None:
    with hook_server() as server:
        made = pipeline.call("POST", "/webhooks", {"url": server.url(), "events": ["product.created"]}).json
        pipeline.call("POST", "/products", {"sku": "A", "name": "Hammer"})
        pipeline.deliver_events()
        (relayed,) = with_message(lines, "events relayed")
        assert (relayed["EventsRelayed"], relayed["deliveries"]) == (1, 1)
        (delivered,) = with_message(lines, "webhook delivered")
        assert (delivered["webhook_id"], delivered["event_id"]) == (made["id"], server.received[0].id)
        assert (delivered["status_code"], delivered["try_number"], delivered["DeliveriesFailed"]) == (200, 1, 0)


def test_exports_and_bulk_deletes_are_logged(pipeline: Pipeline, lines: list[Line]) -> None:
    pipeline.run(b"sku,name\nA,a\nB,b\n")
    for path, body, queue, function in (
        ("/exports", {}, "exports", "export_products"),
        ("/bulk-deletes", {"confirm": "DELETE ALL"}, "bulk-deletes", "bulk_delete_products"),
    ):
        assert pipeline.call("POST", path, body).status == 202
        while message := pipeline.receive(queue):
            pipeline.deliver(function, message)
    assert sum(line.get("RowsExported", 0) for line in lines) == 2
    assert sum(line.get("ProductsDeleted", 0) for line in lines) == 2
    assert len(with_message(lines, "export completed")) == len(with_message(lines, "bulk delete completed")) == 1


def test_every_logged_measure_is_declared(pipeline: Pipeline, lines: list[Line]) -> None:
    pipeline.run(CONTENT)
    named = {each["Name"] for line in lines if "_aws" in line for each in _metrics_of(line)}
    assert named
    assert named <= set(MEASURES)
    assert not [line for line in lines if line["level"] == logging.getLevelName(WARNING)]


def _roll_back() -> None:
    raise RollBack


def _metrics_of(line: Line) -> list[dict[str, str]]:
    return [each for directive in line["_aws"]["CloudWatchMetrics"] for each in directive["Metrics"]]
