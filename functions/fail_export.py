"""Consumer of the exports queue's dead letters: the export ends with a reason."""

from __future__ import annotations

from chalice.app import SQSEvent, SQSRecord

from chalicelib.repair import dead_letters
from functions.composition import backends
from functions.messages import ExportMessage, each_record


def fail_export(event: SQSEvent) -> None:
    """Ends each export that failed at every try and that nobody advances."""

    def handle(record: SQSRecord) -> None:
        dead_letters.fail_export(backends(), ExportMessage.model_validate_json(record.body).export)

    each_record(event, "exports-dead", handle)
