"""Removes old data, the oldest first: each sweep for a limited time. What one sweep leaves, the next one finds.

Events, idempotency keys, tombstones, exports and bulk deletes are removed some time after they have ended. An import is
removed in three steps, because its row is more than history:

- **Its details** go first: its chunks, its header and its rejected rows. The sums of the chunks stay in its row. An
  import that can be retried keeps its details.
- **Its file** is looked for in S3 once a day. When S3 confirms that it is gone, the import says so, and cannot be
  retried.
- **Its row** goes last, and only if S3 confirms once more that the file is gone. The sweep takes an object that no row
  knows for a new file: without the row, an old file that is still stored would be imported as the newest. Lifecycle
  rules may remove objects days late, so their age proves nothing.

Late messages find no chunk, and write nothing. One about a file whose import is removed could only fail, because the
file is gone; the row is kept until no such message can exist.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial

from chalicelib.access import idempotency
from chalicelib.backends import Backends
from chalicelib.backends.database import RollBack
from chalicelib.errors import FileGone, FileRefused
from chalicelib.limits import (
    EVENTS_KEPT_DAYS,
    FILE_CHECK_SECONDS,
    IMPORT_DETAILS_KEPT_DAYS,
    IMPORTS_KEPT_DAYS,
    JOBS_KEPT_DAYS,
    KEY_VERSIONS_MAX,
    MESSAGES_KEPT_DAYS,
    SWEEP_FILES_CHECKED_MAX,
    SWEEP_REMOVAL_SECONDS,
    TOMBSTONE_SECONDS_MIN,
)
from chalicelib.repair.turns import take_turns


@dataclass(frozen=True)
class _OldImport:
    """An import whose details are to be removed."""

    id: uuid.UUID


@dataclass(frozen=True)
class _CheckedImport:
    """An import whose file is to be looked for."""

    id: uuid.UUID
    object_key: str
    object_version: str | None
    """None if it ended before its object was seen in S3."""
    is_gone: bool
    """Whether S3 has already confirmed once that the file is gone."""


def remove_old_data(backends: Backends) -> None:
    """Does one round. What needs S3 comes last. Raises Transient."""
    kinds = (remove_tombstones, _remove_events, _remove_keys, _remove_bulk_deletes, _remove_exports, _remove_details)
    take_turns([partial(kind, backends) for kind in kinds], SWEEP_REMOVAL_SECONDS)
    _check_files(backends)


def remove_tombstones(backends: Backends, limit: int) -> bool:
    """Removes tombstones that no running or retryable import can still need."""
    with backends.database.transaction() as transaction:
        transaction.run("lock_barrier")  # A migration that closes it may change what versions mean.
        return transaction.run("purge_tombstones", age_seconds=TOMBSTONE_SECONDS_MIN, limit=limit) == limit


def _remove_events(backends: Backends, limit: int) -> bool:
    """Removes events, with the log of their deliveries."""
    with backends.database.transaction() as transaction:
        return transaction.run("prune_events", days=EVENTS_KEPT_DAYS, limit=limit) == limit


def _remove_keys(backends: Backends, limit: int) -> bool:
    return idempotency.prune(backends.database, limit) == limit


def _remove_bulk_deletes(backends: Backends, limit: int) -> bool:
    """Removes bulk deletes. A late message about one of them, or about an export, finds nothing, and is finished."""
    with backends.database.transaction() as transaction:
        return transaction.run("prune_bulk_deletes", days=JOBS_KEPT_DAYS, limit=limit) == limit


def _remove_exports(backends: Backends, limit: int) -> bool:
    with backends.database.transaction() as transaction:
        return transaction.run("prune_exports", days=JOBS_KEPT_DAYS, limit=limit) == limit


def _remove_details(backends: Backends, limit: int) -> bool:
    """Removes the details of old imports, each in a transaction of its own, so that no reader sees a part of them.

    An import counts as a row, and each of its rejected rows as one more.
    """
    with backends.database.transaction() as transaction:
        old = transaction.all("imports_to_prune", _OldImport, days=IMPORT_DETAILS_KEPT_DAYS, limit=limit)
    rows = 0
    for import_ in old:
        rows += 1 + _remove_details_of(backends, import_.id)
        if rows >= limit:
            return True
    return False


def _remove_details_of(backends: Backends, import_id: uuid.UUID) -> int:
    """Returns how many rejected rows it has removed."""
    rows = 0  # It stays 0 when the transaction is rolled back.
    with backends.database.transaction() as transaction:
        if not transaction.run("remove_chunks", id=import_id):
            raise RollBack
        rows = transaction.run("remove_all_rejected_rows", id=import_id)
        transaction.log("details of an old import removed", import_id=import_id, rejected_rows=rows)
    return rows


def _check_files(backends: Backends) -> None:
    """Asks S3 for the files of imports that have ended. Of old ones, whose file is gone, it removes the row."""
    with backends.database.transaction() as transaction:
        due = transaction.all(
            "claim_files_to_check",
            _CheckedImport,
            bucket=backends.files.bucket,
            seconds=FILE_CHECK_SECONDS,
            limit=SWEEP_FILES_CHECKED_MAX,
        )
    for import_ in due:
        if not _may_be_stored(backends, import_):
            _handle_gone(backends, import_)
        elif import_.is_gone:
            with backends.database.transaction() as transaction:
                transaction.run("note_file_back", id=import_.id)


def _handle_gone(backends: Backends, import_: _CheckedImport) -> None:
    kept = {"days": IMPORTS_KEPT_DAYS, "message_days": MESSAGES_KEPT_DAYS}
    with backends.database.transaction() as transaction:
        if not import_.is_gone:
            transaction.run("note_file_gone", id=import_.id, **kept)
        elif transaction.run("remove_import", id=import_.id, **kept):
            transaction.log("old import removed", import_id=import_.id)


def _may_be_stored(backends: Backends, import_: _CheckedImport) -> bool:
    """Returns False only if S3 confirms that the object is gone: not if it refuses to answer. Raises Transient."""
    if import_.object_version is None:
        return _may_have_versions(backends, import_.object_key)
    try:
        backends.files.find(import_.object_key, import_.object_version)
    except FileGone:
        return False
    except FileRefused:
        return True
    return True


def _may_have_versions(backends: Backends, key: str) -> bool:
    """Whether any version of a key is stored: an upload that arrived after its import had ended, for example.

    A page of the listing may be full of delete markers, with a version after them.
    """
    listed, next_key, _ = backends.files.list_versions(key, KEY_VERSIONS_MAX, None, None)
    return next_key == key or any(each.key == key for each in listed)
