"""A database that is too slow for a chunk gets it in smaller pieces; table and receipt are those of a fast one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import fault_points
from chalicelib.errors import TimedOut
from chalicelib.importing import imports, upserting
from chalicelib.limits import CHUNK_BYTES, CUT_PIECES_MAX, CUT_SECONDS
from chalicelib.messages import ChunkMessage
from functions.invocations import InvocationFailed
from tests.support.concurrency import workers
from tests.support.sample_files import assignment_like, reference
from tests.support.slow_database import rows_at_a_time, seconds_per_row

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline

ROWS = 600
TEXT = assignment_like(ROWS)
SLOW = 40
"""How many rows the slow database writes at a time."""
PIECES = 5
"""Of a chunk that is cut to a quarter: the rest of the file does not end at the fourth boundary."""


def _split(pipeline: Pipeline, content: bytes = TEXT.encode()) -> tuple[str, list[Message]]:
    import_id = pipeline.upload(content)
    pipeline.split_next()
    return import_id, pipeline.chunks()


def _parsed(message: Message) -> ChunkMessage:
    return ChunkMessage.model_validate_json(message["Body"])


def _chunks(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.sql(
        "select number, end_byte - start_byte as bytes, created + updated + unchanged + superseded as rows"
        " from chunk order by start_byte"
    )


def _assert_right(pipeline: Pipeline, import_id: str, *, rejected: int = 0) -> None:
    found = pipeline.show(import_id)
    expected = reference(TEXT)
    counts = {"total": ROWS + rejected, "created": len(expected), "rejected": rejected}
    assert (found["status"], {name: found["rows"][name] for name in counts}) == ("completed", counts)
    assert found["rows"]["superseded"] == ROWS - len(expected)
    assert pipeline.products() == expected
    tiles = pipeline.sql("select start_byte, end_byte, number from chunk order by start_byte")
    assert [each["end_byte"] for each in tiles[:-1]] == [each["start_byte"] for each in tiles[1:]]
    [import_] = pipeline.sql("select chunk_count from import")
    assert sorted(each["number"] for each in tiles) == list(range(import_["chunk_count"]))


def test_a_chunk_that_takes_too_long_comes_back_in_smaller_pieces(pipeline: Pipeline) -> None:
    with rows_at_a_time(pipeline.sql, SLOW):
        import_id = pipeline.upload(TEXT.encode())
        pipeline.finish(import_id)

    assert len(_chunks(pipeline)) > ROWS / SLOW / 2
    _assert_right(pipeline, import_id)


def test_a_statement_ends_while_the_worker_can_still_react(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a statement, and the time that is kept for cutting, in a database that is really slow."""
    monkeypatch.setattr("chalicelib.importing.pieces.WRITE_SECONDS_MAX", 0.25)
    monkeypatch.setattr("chalicelib.importing.pace.WRITE_SECONDS_QUICK", 0.1)
    with seconds_per_row(pipeline.sql, 0.001):
        import_id, messages = _split(pipeline)
        for message in messages:
            pipeline.deliver("upsert_chunk", message)
        [noted] = pipeline.sql("select piece_bytes, write_seconds from import")
        pipeline.finish(import_id)

    assert noted["piece_bytes"] < len(TEXT.encode()) / 2
    assert noted["write_seconds"] > 0.25 * CHUNK_BYTES / len(TEXT.encode())
    assert len(_chunks(pipeline)) > 2
    _assert_right(pipeline, import_id)


def test_a_worker_that_has_no_time_left_cuts_before_it_writes(pipeline: Pipeline) -> None:
    """Fetching and parsing took all of it."""
    import_id, [message] = _split(pipeline)
    pipeline.deliver("upsert_chunk", message, seconds=CUT_SECONDS - 1)
    assert (len(_chunks(pipeline)), pipeline.products()) == (PIECES, {})
    assert pipeline.finish(import_id)["status"] == "completed"
    _assert_right(pipeline, import_id)


def test_other_chunks_are_cut_before_they_are_tried(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 6_000)
    tried: list[int] = []
    _, messages = _split(pipeline)
    with rows_at_a_time(pipeline.sql, SLOW):
        pipeline.deliver("upsert_chunk", messages[0])
        pipeline.sql("update import set piece_bytes = 500")
        with fault_points.switched_on(lambda name: tried.append(1) if name == "chunk.after_lock" else None):
            pipeline.deliver("upsert_chunk", messages[1])
    assert tried == [1]
    assert pipeline.sql("select done from chunk where number = 1") == [{"done": True}]
    assert pipeline.sql("select end_byte - start_byte as bytes from chunk where number = 1")[0]["bytes"] <= 500


def test_pieces_grow_again_when_the_database_has_recovered(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 6_000)
    monkeypatch.setattr("chalicelib.importing.pace.CHUNK_BYTES", 6_000)
    import_id, messages = _split(pipeline)
    with rows_at_a_time(pipeline.sql, SLOW):
        pipeline.deliver("upsert_chunk", messages[0])
    [slow] = pipeline.sql("select piece_bytes from import")
    for message in messages[1:]:
        pipeline.deliver("upsert_chunk", message)
        pipeline.upsert_all()
    pipeline.finish(import_id)

    assert slow["piece_bytes"] is not None
    [fast] = pipeline.sql("select piece_bytes, write_seconds < 5 as quick from import")
    assert fast == {"piece_bytes": None, "quick": True}
    assert max(each["bytes"] for each in _chunks(pipeline)) > 5_000
    _assert_right(pipeline, import_id)


def test_a_record_that_cannot_be_cut_is_tried_again_and_fails_nothing(pipeline: Pipeline) -> None:
    import_id, [message] = _split(pipeline, b'sku,name,description\nA-1,Hammer,"one\ntwo"\n')
    with rows_at_a_time(pipeline.sql, 0), pytest.raises(InvocationFailed, match=r"^TimedOut: "):
        pipeline.deliver("upsert_chunk", message)
    assert (pipeline.show(import_id)["status"], len(_chunks(pipeline))) == ("processing", 1)

    pipeline.deliver("upsert_chunk", message)

    assert pipeline.show(import_id)["rows"]["created"] == 1


def test_a_chunk_is_cut_into_a_limited_number_of_pieces_at_a_time(pipeline: Pipeline) -> None:
    _, [message] = _split(pipeline)
    pipeline.sql("update import set piece_bytes = 1")
    pipeline.deliver("upsert_chunk", message)
    [first, *others] = _chunks(pipeline)
    assert first["rows"] == 1, "cut until the first piece has the size"
    assert max(each["bytes"] for each in others) > 1
    assert len(others) < 4 * 2 * CUT_PIECES_MAX


def test_a_chunk_that_was_cut_in_the_meantime_is_not_written_whole(pipeline: Pipeline) -> None:
    """One message delivered twice: one worker is about to write the whole chunk when the other one has cut it."""
    import_id, [message] = _split(pipeline)

    def cut(name: str) -> None:
        if name == "chunk.after_copy":
            with fault_points.switched_on(lambda _: None), workers(1) as [other]:
                upserting.upsert_chunk(other, _parsed(message), lambda: CUT_SECONDS - 1)

    with fault_points.switched_on(cut):
        pipeline.deliver("upsert_chunk", message)
    assert (len(_chunks(pipeline)), pipeline.products()) == (PIECES, {})
    pipeline.finish(import_id)
    _assert_right(pipeline, import_id)


@pytest.mark.parametrize("meanwhile", ["done", "cut", "cancelled"])
def test_a_chunk_that_another_worker_has_changed_is_not_cut(pipeline: Pipeline, meanwhile: str) -> None:
    import_id, [message] = _split(pipeline)

    def change(name: str) -> None:
        if name == "chunk.after_fetch":
            with fault_points.switched_on(lambda _: None), workers(1) as [other]:
                if meanwhile == "cancelled":
                    imports.cancel(other, _parsed(message).import_id)
                else:
                    seconds = CUT_SECONDS - 1 if meanwhile == "cut" else 60
                    upserting.upsert_chunk(other, _parsed(message), lambda: seconds)

    with fault_points.switched_on(change):
        pipeline.deliver("upsert_chunk", message, seconds=CUT_SECONDS - 1)
    assert len(_chunks(pipeline)) == (PIECES if meanwhile == "cut" else 1)
    pipeline.upsert_all()
    if meanwhile != "cancelled":
        pipeline.finish(import_id)
        _assert_right(pipeline, import_id)


def test_rejected_rows_keep_their_lines(pipeline: Pipeline) -> None:
    header, *records = TEXT.split("\r\n")
    mixed = [
        each for at, record in enumerate(records) for each in ([record, f"bad {at},,"] if at % 9 == 0 else [record])
    ]
    content = "\r\n".join([header, *mixed]).encode()
    bad = sum(at % 9 == 0 for at in range(len(records)))
    with rows_at_a_time(pipeline.sql, SLOW):
        import_id = pipeline.upload(content)
        pipeline.finish(import_id)

    _assert_right(pipeline, import_id, rejected=bad)
    lines = content.decode().replace("\r\n", "\n").split("\n")
    rejected = pipeline.sql("select line, raw from rejected_row order by line")
    assert [bytes(each["raw"]).decode() for each in rejected] == [lines[each["line"] - 1] for each in rejected]
    assert len(rejected) == bad


@contextmanager
def _another_writer(pipeline: Pipeline, sku_key: str) -> Iterator[None]:
    with workers(1) as [other], other.database.transaction() as transaction:
        transaction.cursor.execute("select from product where sku_key = %s for update", [sku_key])
        yield


def test_a_chunk_that_waits_for_another_writer_is_tried_again_whole(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smaller pieces would wait just as long."""
    pipeline.run(b"sku,name\nA-1,Hammer\n")
    monkeypatch.setattr("chalicelib.importing.pieces.WRITE_SECONDS_MAX", 0.4)
    import_id, [message] = _split(pipeline, b"sku,name\nA-1,Axe\nA-2,Saw\n")
    with _another_writer(pipeline, "a-1"), pytest.raises(InvocationFailed, match=r"^Transient: .*LockNotAvailable"):
        pipeline.deliver("upsert_chunk", message)
    pipeline.deliver("upsert_chunk", message)
    assert pipeline.show(import_id)["rows"]["updated"] == 1
    assert pipeline.sql("select number from chunk where import_id = %s", import_id) == [{"number": 0}]


def test_a_time_out_of_the_database_says_what_it_is(pipeline: Pipeline) -> None:
    def take_too_long() -> None:
        with pipeline.backends.database.transaction() as transaction:
            transaction.run("limit_statements", seconds=0.01)
            transaction.cursor.execute("select pg_sleep(5)")

    with pytest.raises(TimedOut, match="QueryCanceled"):
        take_too_long()
