"""An export's life: accepted, carried out by `exporting`, ended.

pending ──first step──▶ processing ──complete──▶ completed
   │                        │
   └──────────fail──────────┴──────────────────▶ failed
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from chalicelib.backends import Backends
from chalicelib.backends.database import Transaction
from chalicelib.backends.file_store import FileGone
from chalicelib.catalogue.listing import Filters
from chalicelib.errors import Conflict, NotFound
from chalicelib.fault_points import fault_point
from chalicelib.limits import DOWNLOAD_EXPIRES_SECONDS, EXPORTS_UNFINISHED_MAX, UNFINISHED_PERCENT_MAX
from chalicelib.messages import ExportMessage
from chalicelib.telemetry import WARNING

EXPORTS_PREFIX = "exports/"
RUNNING = ("pending", "processing")


@dataclass(frozen=True)
class Download:
    """A link to the file that anybody can open until `expires_at`."""

    url: str
    expires_at: datetime


def accept(backends: Backends, filters: Filters) -> DictRow:
    """A pending export, which a function will carry out. Raises Conflict when too many are waiting, Transient."""
    with backends.database.transaction() as transaction:
        counted = transaction.one("count_unfinished_exports")
        if counted is not None and counted["total"] >= EXPORTS_UNFINISHED_MAX:
            message = f"{counted['total']} exports are not finished yet; wait until one of them is"
            raise Conflict(message, code="too_many_exports")
        accepted = transaction.one("add_export", filters=Jsonb(filters.given()))
        assert accepted is not None
        transaction.tell("export accepted", export_id=accepted["id"])
        fault_point("export.before_accept_commit")
    fault_point("export.before_send")
    backends.queues.send("exports", [ExportMessage(export=accepted["id"])])
    return accepted


def get(transaction: Transaction, export_id: uuid.UUID) -> DictRow:
    """One export. Raises NotFound."""
    found = transaction.one("find_export", id=export_id)
    if found is None:
        raise NotFound(f"there is no export {export_id}")
    return found


def key_of(export_id: uuid.UUID) -> str:
    """Where its file is stored. No other export ever writes there."""
    return f"{EXPORTS_PREFIX}{export_id}.csv"


def percent(found: DictRow) -> float:
    """How much of the catalogue has been looked at; 100 exactly when the export is completed."""
    if found["status"] == "completed":
        return 100.0
    if not found["estimated_rows"]:
        return 0.0
    return float(min(found["looked_at"] * 1000 // found["estimated_rows"] / 10, UNFINISHED_PERCENT_MAX))


def download(backends: Backends, found: DictRow) -> Download | None:
    """A new link to the file of a completed export; None as long as, or as soon as, there is none. Raises Transient."""
    if found["status"] != "completed":
        return None
    key, version = key_of(found["id"]), found["object_version"]
    try:
        backends.files.find(key, version)
    except FileGone:
        return None
    expires_at = datetime.now(UTC) + timedelta(seconds=DOWNLOAD_EXPIRES_SECONDS)
    return Download(backends.files.presign_download(key, version, f"products-{found['id']}.csv"), expires_at)


def fail_because(backends: Backends, export_id: uuid.UUID, code: str, message: str) -> None:
    """Ends an export with a reason, unless it has ended. S3 itself removes the unfinished upload. Raises Transient."""
    with backends.database.transaction() as transaction:
        fail(transaction, export_id, code, message)


def fail(transaction: Transaction, export_id: uuid.UUID, code: str, message: str) -> None:
    """The same in the caller's transaction."""
    if transaction.run("fail_export", id=export_id, error_code=code, error_message=message):
        transaction.tell(
            "export failed",
            level=WARNING,
            export_id=export_id,
            code=code,
            reason=message,
            measured={"ExportsFailed": 1},
        )
