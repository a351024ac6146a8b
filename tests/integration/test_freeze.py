"""A worker that is killed or frozen for real, with SIGKILL and SIGSTOP, in the middle of a chunk."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from chalicelib.catalogue import bulk_deletes
from chalicelib.importing import upserting
from chalicelib.messages import ChunkMessage
from tests.integration.worker_process import thaw, worker_process

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline

DELAY_SECONDS_MAX = 15
CONTENT = b"sku,name\nA,first\nB,second\na,third\nb,fourth\n"
EXPECTED = {"a": ("a", "third", "", True), "b": ("b", "fourth", "", True)}


@pytest.fixture(autouse=True)
def two_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 20)


def started(pipeline: Pipeline) -> tuple[str, list[ChunkMessage]]:
    import_id = pipeline.upload(CONTENT)
    pipeline.split_next()
    messages = [parsed(message) for message in pipeline.chunks()]
    assert len(messages) == 2
    return import_id, messages


def parsed(message: Message) -> ChunkMessage:
    return ChunkMessage.model_validate_json(message["Body"])


def assert_complete(pipeline: Pipeline, import_id: str) -> None:
    found = pipeline.show(import_id)
    assert (found["status"], found["rows"]["created"], found["rows"]["superseded"]) == ("completed", 2, 2)
    assert pipeline.products() == EXPECTED
    assert len(pipeline.sql("select 1 from event")) == 1


@pytest.mark.parametrize("point", ["chunk.inside_copy", "chunk.after_upsert", "chunk.before_commit"])
def test_a_worker_killed_by_the_system_leaves_nothing_half_done(pipeline: Pipeline, point: str) -> None:
    import_id, (first, second) = started(pipeline)

    with worker_process(first, point, signal.SIGKILL):
        assert pipeline.products() == {}
    for message in (second, first):
        upserting.upsert_chunk(pipeline.backends, message)

    assert_complete(pipeline, import_id)


@pytest.mark.parametrize("point", ["chunk.inside_copy", "chunk.after_upsert"])
def test_a_frozen_worker_holds_others_up_for_seconds_only(pipeline: Pipeline, point: str) -> None:
    import_id, (first, second) = started(pipeline)

    with worker_process(first, point, signal.SIGSTOP) as frozen:
        begun = time.monotonic()
        for message in (second, first):
            upserting.upsert_chunk(pipeline.backends, message)
        assert time.monotonic() - begun < DELAY_SECONDS_MAX
        assert_complete(pipeline, import_id)
        thaw(frozen)

    assert_complete(pipeline, import_id)


@pytest.mark.parametrize("point", ["chunk.inside_copy", "chunk.after_upsert"])
def test_a_frozen_worker_holds_a_bulk_delete_up_for_seconds_only(pipeline: Pipeline, point: str) -> None:
    import_id, (first, _) = started(pipeline)

    with worker_process(first, point, signal.SIGSTOP) as frozen:
        begun = time.monotonic()
        bulk_deletes.accept(pipeline.backends)
        assert time.monotonic() - begun < DELAY_SECONDS_MAX
        thaw(frozen)

    assert pipeline.show(import_id)["status"] == "cancelled"
    assert pipeline.products() == {}
