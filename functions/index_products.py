"""Consumer of the `changes` queue: updates the search index, which filtered lists use."""

from __future__ import annotations

from chalicelib.catalogue import search_index
from chalicelib.messages import ChangesMessage
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("changes", ChangesMessage)
def handle(_: ChangesMessage, seconds_left: SecondsLeft) -> None:
    """Indexes every change that has not been indexed."""
    search_index.index_changes(backends(), seconds_left)
