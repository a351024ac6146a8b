"""Consumer of the `exports` queue: writes products into a CSV file in S3, part by part."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.exporting import writing
from functions.composition import backends
from functions.messages import ExportMessage, each_record, seconds_left_of


def export_products(event: SQSEvent) -> None:
    """Writes parts for as long as the invocation lasts, then hands over to the next one."""
    seconds_left = seconds_left_of(event)

    def handle(record: SQSRecord) -> None:
        message = ExportMessage.model_validate_json(record.body)
        writing.carry_out(backends(), message.export, seconds_left)

    each_record(event, "exports", handle)
