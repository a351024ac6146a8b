"""Consumer of the exports queue's dead letters: the export fails with a reason."""

from __future__ import annotations

from chalicelib.messages import ExportMessage
from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.consumers import SecondsLeft, consumes


@consumes("exports-dead", ExportMessage)
def handle(message: ExportMessage, _: SecondsLeft) -> None:
    """Ends an export that failed at every try and that no other message advances."""
    dead_letters.fail_export(backends(), message.export)
