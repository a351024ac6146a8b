"""Consumer of the `chunks` queue: one chunk, one transaction."""

from __future__ import annotations

from chalicelib.importing import upserting
from chalicelib.messages import ChunkMessage
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("chunks", ChunkMessage)
def handle(message: ChunkMessage, _: SecondsLeft) -> None:
    """Writes a chunk's rows into the catalogue."""
    upserting.upsert_chunk(backends(), message)
