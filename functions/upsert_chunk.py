"""Consumer of the `chunks` queue: one chunk in one transaction."""

from __future__ import annotations

from chalicelib.importing import upserting
from chalicelib.messages import ChunkMessage
from functions.composition import backends
from functions.consumers import SecondsLeft
from functions.work import works_on


@works_on("chunks", ChunkMessage)
def handle(message: ChunkMessage, seconds_left: SecondsLeft) -> None:
    """Writes the rows of a chunk into the catalogue, or as many as can be written in time."""
    upserting.upsert_chunk(backends(), message, seconds_left)
