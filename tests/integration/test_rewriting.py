"""Large files that are not in UTF-8 are rewritten by a function of their own; small ones by the splitter."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.limits import INLINE_BYTES_MAX, INLINE_REWRITTEN_BYTES_MAX, KIB
from chalicelib.repair import sweeping

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

CONTENT = "sku,name\n" + "".join(f"S-{number},Bolzen {number} größe\n" for number in range(100))
SMALL_BYTES = 2 * KIB


@pytest.fixture(autouse=True)
def little_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.rewriting.INLINE_BYTES_MAX", SMALL_BYTES)


def waiting(pipeline: Pipeline) -> list[Any]:
    """Takes the messages of the queue `rewrites`."""
    taken = []
    while message := pipeline.receive("rewrites"):
        taken.append(message)
    return taken


def test_a_large_file_is_rewritten_by_a_function_of_its_own(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT.encode("utf-16"))
    pipeline.split_next()
    assert pipeline.sql("select header from import") == [{"header": None}]
    (message,) = waiting(pipeline)
    assert json.loads(message["Body"])["import_id"] == import_id

    pipeline.deliver("rewrite_upload", message)
    pipeline.deliver("rewrite_upload", message)
    ended = pipeline.finish(import_id)

    assert (ended["status"], ended["rows"]["created"]) == ("completed", 100)
    assert pipeline.products()["s-7"][1] == "Bolzen 7 größe"
    assert waiting(pipeline) == []


def test_a_small_file_is_rewritten_at_once(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(gzip.compress(CONTENT.encode()))
    pipeline.split_next()

    assert waiting(pipeline) == []
    assert pipeline.finish(import_id)["rows"]["created"] == 100


def test_a_small_file_that_contains_much_is_not_unpacked_while_other_files_wait(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.rewriting.INLINE_BYTES_MAX", INLINE_BYTES_MAX)
    pipeline.drop(gzip.compress(b"sku,name\n" + b"A,b\n" * (INLINE_REWRITTEN_BYTES_MAX // 4)))
    pipeline.split_next()

    assert len(waiting(pipeline)) == 1
    assert pipeline.sql("select status, header from import") == [{"status": "processing", "header": None}]


def test_a_file_that_cannot_be_rewritten_fails_with_its_reason(pipeline: Pipeline) -> None:
    packed = gzip.compress("".join(f"S-{n * 7919},{n**5}\n" for n in range(2000)).encode())
    import_id = pipeline.upload(packed[: len(packed) // 2])
    pipeline.split_next()
    (message,) = waiting(pipeline)

    pipeline.deliver("rewrite_upload", message)

    assert pipeline.show(import_id)["error"]["code"] == "gzip_truncated"


def test_a_lost_message_is_found_by_the_sweep(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT.encode("utf-16"))
    pipeline.split_next()
    sweeping.sweep(pipeline.backends, stalled_seconds=0)
    assert pipeline.receive("uploads") is None, "its message waits"
    assert len(waiting(pipeline)) == 1

    sweeping.sweep(pipeline.backends, stalled_seconds=0)
    pipeline.split_next()
    for message in waiting(pipeline):
        pipeline.deliver("rewrite_upload", message)

    assert pipeline.finish(import_id)["rows"]["created"] == 100


def test_rewriting_that_failed_at_every_try_ends_the_import_and_retry_completes_it(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(CONTENT.encode("utf-16"))
    pipeline.split_next()
    (message,) = waiting(pipeline)

    pipeline.deliver("fail_rewrite", message)

    error = pipeline.show(import_id)["error"]
    assert (error["code"], error["retryable"]) == ("split_failed", True)
    assert pipeline.call("POST", f"/imports/{import_id}/retry").status == 202
    pipeline.split_next()
    for again in waiting(pipeline):
        pipeline.deliver("rewrite_upload", again)
    assert pipeline.finish(import_id)["rows"]["created"] == 100
