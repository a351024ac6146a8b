"""Consumer of the chunks queue's dead letters: the import fails with a reason."""

from __future__ import annotations

from chalicelib.messages import ChunkMessage
from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("chunks-dead", ChunkMessage)
def handle(message: ChunkMessage, _: SecondsLeft) -> None:
    """Ends the import of a chunk that failed at every try."""
    dead_letters.fail_chunk(backends(), message)
