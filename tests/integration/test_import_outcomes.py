"""The outcome of an import, as the API shows it and as its event says it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import limits
from chalicelib.importing import imports

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

FILES = [
    (b"sku,name\nA,one\nB,two\n", "completed", "Completed"),
    (b"sku,name\nA,one\nA,two\n", "completed", "Completed"),
    (b"sku,name\nA,one\nB,\n", "completed_with_rejected_rows", "Completed with 1 rejected row"),
    (b"sku,name\nA,\nB,\n", "nothing_imported", "Nothing was imported: all 2 rows were rejected"),
    (b"sku,name\n", "nothing_imported", "Nothing was imported: the file has no rows"),
    (b"sku,price\nA,1\n", "failed", "Failed before any row was written"),
]


@pytest.mark.parametrize(("content", "outcome", "summary"), FILES)
def test_the_api_and_the_event_say_how_an_import_ended(
    pipeline: Pipeline, content: bytes, outcome: str, summary: str
) -> None:
    ended = pipeline.run(content)

    assert said(ended) == (outcome, summary)
    assert [said(each["payload"]) for each in pipeline.sql("select payload from event")] == [(outcome, summary)]


def test_an_import_of_products_that_are_unchanged_is_completed(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name\nA,one\n")
    assert said(pipeline.run(b"sku,name\nA,one\n")) == ("completed", "Completed")


@pytest.mark.parametrize("ending", ["fail", "cancel"])
def test_an_import_that_ends_early_counts_the_rows_of_its_committed_chunks(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", limits.KIB)
    import_id = pipeline.upload(b"sku,name\n" + b"".join(b"SKU-%d,name\n" % row for row in range(500)))
    assert said(pipeline.show(import_id)) == (None, None)
    pipeline.split_next()
    first, *_ = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)
    assert said(pipeline.show(import_id)) == (None, None)

    verb = end(pipeline, import_id, ending)

    written = len(pipeline.products())
    assert 1 < written < 500
    assert said(pipeline.show(import_id))[1] == f"{verb} after {written} rows were written"


def end(pipeline: Pipeline, import_id: str, ending: str) -> str:
    """Ends an import early; returns the verb of its summary."""
    if ending == "cancel":
        imports.cancel(pipeline.backends, uuid.UUID(import_id))
        return "Cancelled"
    with pipeline.backends.database.transaction() as transaction:
        imports.fail(transaction, uuid.UUID(import_id), "stalled", "It has stalled.", retryable=True)
    return "Failed"


def said(content: dict[str, Any]) -> tuple[str | None, str | None]:
    """The outcome and the summary of an import, or of the data of an event."""
    return content["outcome"], content["summary"]
