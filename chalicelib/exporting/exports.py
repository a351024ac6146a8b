"""The state of exports: accept, read, download and fail them. `writing` carries them out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.catalogue.jobs import Job
from chalicelib.catalogue.listing import Filters
from chalicelib.errors import FileUnavailable, NotFound, TooMany
from chalicelib.fault_points import fault_point
from chalicelib.importing.progress import percent_of
from chalicelib.limits import (
    DOWNLOAD_EXPIRES_SECONDS,
    EXPORTS_UNFINISHED_PER_TOKEN_MAX,
    UNFINISHED_RETRY_SECONDS,
)
from chalicelib.messages import ExportMessage
from chalicelib.telemetry import WARNING

EXPORTS_PREFIX = "exports/"


@dataclass(frozen=True)
class Export(Job):
    """The state of an export."""

    estimated_rows: int
    """How many rows the catalogue had when the export was accepted, roughly."""
    looked_at: int
    """How many of them have been read so far."""
    exported_rows: int
    """How many of these matched the filters."""
    size_bytes: int
    object_version: str | None
    """The version of the file in S3; None until the export is completed."""

    @property
    def percent(self) -> float:
        """How much of the catalogue has been read, with one decimal; 100 exactly when the export is completed."""
        return percent_of(self.status, self.looked_at, self.estimated_rows)


@dataclass(frozen=True)
class Download:
    """A link to the file. Anyone who has it can open it until `expires_at`."""

    url: str
    expires_at: datetime


def accept(backends: Backends, filters: Filters, token_id: uuid.UUID) -> Export:
    """Creates a pending export and queues it. Raises TooMany when too many of the token's are unfinished, Transient."""
    with backends.database.transaction() as transaction:
        transaction.run("lock_exports")
        unfinished = transaction.value("count_unfinished_exports", int, token_id=token_id)
        if unfinished >= EXPORTS_UNFINISHED_PER_TOKEN_MAX:
            raise TooMany(
                f"{unfinished} exports of this token are not finished yet; wait until one of them is",
                code="too_many_exports",
                retry_after_seconds=UNFINISHED_RETRY_SECONDS,
            )
        accepted = transaction.row("add_export", Export, filters=Jsonb(filters.given()), token_id=token_id)
        transaction.log("export accepted", export_id=accepted.id)
        fault_point("export.before_accept_commit")
    fault_point("export.before_send")
    backends.queues.send("exports", [ExportMessage(export=accepted.id)])
    return accepted


def get(transaction: Transaction, export_id: uuid.UUID) -> Export:
    """Returns one export. Raises NotFound."""
    export = transaction.one("find_export", Export, id=export_id)
    if export is None:
        raise NotFound(f"there is no export {export_id}")
    return export


def count(transaction: Transaction) -> int:
    """Returns the number of exports."""
    return transaction.value("count_exports", int)


def page(
    transaction: Transaction, limit: int, *, above: uuid.UUID | None = None, below: uuid.UUID | None = None
) -> list[Export]:
    """Returns up to `limit` exports, newest first: those next to an id, above or below it, or the newest."""
    if above is not None:
        return transaction.all("exports_above", Export, above=above, limit=limit)[::-1]
    return transaction.all("exports_below", Export, below=below, limit=limit)


def key_of(export_id: uuid.UUID) -> str:
    """Returns the key of the export's file in S3. No other export ever writes there."""
    return f"{EXPORTS_PREFIX}{export_id}.csv"


def download(backends: Backends, export: Export) -> Download | None:
    """Returns a new link to the file; None if there is none yet, or no longer. Raises Transient."""
    if export.object_version is None:
        return None
    key = key_of(export.id)
    try:
        backends.files.find(key, export.object_version)
    except FileUnavailable:
        return None
    url = backends.files.presign_download(key, export.object_version, f"products-{export.id}.csv")
    return Download(url, datetime.now(UTC) + timedelta(seconds=DOWNLOAD_EXPIRES_SECONDS))


def fail(transaction: Transaction, export_id: uuid.UUID, code: str, message: str) -> None:
    """Ends an export with a reason, unless it has already ended. S3 itself removes the unfinished upload."""
    if transaction.run("fail_export", id=export_id, error_code=code, error_message=message):
        transaction.log(
            "export failed",
            level=WARNING,
            export_id=export_id,
            code=code,
            reason=message,
            measured={"ExportsFailed": 1},
        )
