"""Consumer of the `exports` queue: writes products into a CSV file in S3, part by part."""

from __future__ import annotations

from chalicelib.exporting import writing
from chalicelib.messages import ExportMessage
from functions.composition import backends
from functions.consumers import SecondsLeft
from functions.work import works_on


@works_on("exports", ExportMessage)
def handle(message: ExportMessage, seconds_left: SecondsLeft) -> None:
    """Writes parts for as long as the invocation lasts, then hands over to the next one."""
    writing.carry_out(backends(), message.export, seconds_left)
