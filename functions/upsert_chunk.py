"""Consumer of the `chunks` queue: one chunk, one transaction."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.importing import upserting
from functions.composition import backends
from functions.messages import ChunkBody, each_record


def upsert_chunk(event: SQSEvent) -> None:
    """Writes each chunk's rows into the catalogue."""

    def handle(record: SQSRecord) -> None:
        body = ChunkBody.model_validate_json(record.body)
        upserting.upsert_chunk(backends(), upserting.ChunkMessage(body.import_id, body.chunk, body.attempt))

    each_record(event, "chunks", handle)
