"""The order in which objects in S3 become imports. Among the versions of one key, it is S3's own order.

Events may arrive in any order: of two versions put within milliseconds, the event of the newer one may be handled
first. If the older one then became the newer import, the catalogue would keep the older content. So the versions of the
key are listed, in S3's order, and older ones that no import knows are accepted first. Their own events find these
imports later. The sweep, which accepts files whose event was lost, follows the same order.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.backends import Backends
from chalicelib.backends.file_store import StoredFile
from chalicelib.fault_points import fault_point
from chalicelib.importing import imports
from chalicelib.limits import KEY_VERSIONS_MAX
from chalicelib.messages import UploadMessage
from chalicelib.telemetry import log


@dataclass(frozen=True)
class _KnownObject:
    """An object that an import knows."""

    object_key: str
    object_version: str


def accept(backends: Backends, bucket: str, stored: StoredFile) -> uuid.UUID | None:
    """Returns the import of an object whose event has arrived, like `imports.accept`. Raises Transient.

    Older versions of its key that no import knows are accepted before it, and split by invocations of their own.
    """
    for older_id in accept_unknown(backends, bucket, _older_versions(backends, bucket, stored)):
        log("older version accepted before its event", import_id=older_id)
    with backends.database.transaction() as transaction:
        import_id = imports.accept(transaction, bucket, stored)
        fault_point("accept.before_commit")
    fault_point("accept.after_commit")
    return import_id


def accept_unknown(backends: Backends, bucket: str, listed: Sequence[StoredFile]) -> Iterator[uuid.UUID]:
    """Accepts those of the listed objects that no import knows, in order. Yields the ids of imports that will be split.

    Each is accepted in its own transaction. If another process is accepting an earlier one at this moment, this one
    waits, because both insert the same row; so the order does not depend on which of them inserts it. If this process
    is killed between commit and message, the object's own event, or the sweep, continues the import. Raises Transient.
    """
    for stored in in_order(_unknown(backends, bucket, listed)):
        with backends.database.transaction() as transaction:
            import_id = imports.accept(transaction, bucket, stored)
        fault_point("arrival.after_accept")
        if import_id is not None:
            backends.queues.send("uploads", [UploadMessage(continue_import=import_id)])
            yield import_id


def in_order(listed: Sequence[StoredFile]) -> list[StoredFile]:
    """Orders listed objects by time, the oldest first, but keeps the listed order of the versions of one key.

    S3 lists the newest version of a key first, and gives times in whole seconds. An object that was uploaded in parts
    has the time at which the upload began. So a version counts as no older than those that S3 lists after it.
    """
    times: dict[str, datetime] = {}
    ordered = []
    for each in reversed(listed):
        times[each.key] = max(each.modified_at, times.get(each.key, each.modified_at))
        ordered.append((times[each.key], each.key, each))
    return [each for *_, each in sorted(ordered, key=lambda entry: entry[:2])]


def versions_of(backends: Backends, key: str) -> list[StoredFile]:
    """Returns the newest versions of one key, the newest first: all, unless there are more than KEY_VERSIONS_MAX."""
    return backends.files.versions_of(key, KEY_VERSIONS_MAX)


def _older_versions(backends: Backends, bucket: str, stored: StoredFile) -> list[StoredFile]:
    """Returns the versions that S3 lists after this one. None if this one is known, registered, or no longer stored."""
    with backends.database.transaction() as transaction:
        if transaction.exists(
            "find_expected_object", bucket=bucket, object_key=stored.key, object_version=stored.version
        ):
            return []
    versions = versions_of(backends, stored.key)
    places = [place for place, each in enumerate(versions) if each.version == stored.version]
    return versions[places[0] + 1 :] if places else []


def _unknown(backends: Backends, bucket: str, listed: Sequence[StoredFile]) -> list[StoredFile]:
    if not listed:
        return []
    with backends.database.transaction() as transaction:
        known = transaction.all(
            "known_objects",
            _KnownObject,
            bucket=bucket,
            keys=[each.key for each in listed],
            versions=[each.version for each in listed],
        )
    seen = {(each.object_key, each.object_version) for each in known}
    return [each for each in listed if (each.key, each.version) not in seen]
