"""Consumer of the chunks queue's dead letters: the import ends with a reason."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.importing.upserting import ChunkMessage
from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.messages import ChunkBody, each_record


def fail_chunk(event: SQSEvent) -> None:
    """Ends the import of each chunk that failed at every try."""

    def handle(record: SQSRecord) -> None:
        body = ChunkBody.model_validate_json(record.body)
        dead_letters.fail_chunk(backends(), ChunkMessage(body.import_id, body.chunk, body.attempt))

    each_record(event, "chunks-dead", handle)
