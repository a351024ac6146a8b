"""The database is restored to an earlier moment, but files and messages are not."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chalicelib.messages import UploadMessage
from chalicelib.repair import sweeping
from infra.local.postgres.server import programs
from tests.support.connected import disconnect
from tests.support.hook_server import hook_server
from tests.support.sample_files import assignment_like, reference

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline

RESTORE_SECONDS_MAX = 60
CONSUMERS = {
    "uploads": "split_upload",
    "rewrites": "rewrite_upload",
    "chunks": "upsert_chunk",
    "bulk-deletes": "bulk_delete_products",
    "exports": "export_products",
    "events": "relay_events",
    "deliveries": "deliver_webhook",
}
DEAD_LETTERS = {
    "uploads": "fail_upload",
    "rewrites": "fail_rewrite",
    "chunks": "fail_chunk",
    "bulk-deletes": "fail_bulk_delete",
    "exports": "fail_export",
}


@pytest.fixture
def backup(pipeline: Pipeline, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """A function that takes a backup with PostgreSQL's own programs and returns a function that restores it."""
    file = tmp_path / "backup"

    def run(program: str, *arguments: str) -> None:
        subprocess.run([programs() / program, *arguments], check=True, timeout=RESTORE_SECONDS_MAX, capture_output=True)

    def restore() -> None:
        disconnect()
        run("pg_restore", "--clean", "--if-exists", "--dbname", pipeline.services.owner_conninfo, str(file))

    def take() -> Callable[[], None]:
        run("pg_dump", "--format=custom", "--file", str(file), "--dbname", pipeline.services.owner_conninfo)
        return restore

    return take


def left_over(pipeline: Pipeline) -> Iterator[tuple[str, Message]]:
    """Yields every message of every queue, with its queue."""
    for queue in CONSUMERS:
        while message := pipeline.receive(queue, wait_seconds=0):
            yield queue, message


def test_files_uploaded_after_the_backup_are_imported_again_in_order(
    pipeline: Pipeline, backup: Callable[[], Callable[[], None]]
) -> None:
    files = [assignment_like(300, seed=seed) for seed in range(5)]
    pipeline.run(files[0].encode())
    restore = backup()

    pipeline.run(files[1].encode())
    # One whose chunks are in the queue, one whose event is, and two with the same name.
    pipeline.upload(files[2].encode())
    assert pipeline.split_next()
    pipeline.upload(files[3].encode())
    pipeline.drop(assignment_like(300, seed=9).encode())
    pipeline.drop(files[4].encode())
    restore()
    assert pipeline.products() == reference(files[0])

    # See docs/operations.md: the queued messages are newer than the database.
    assert {queue for queue, _ in left_over(pipeline)} >= {"uploads", "chunks"}
    sweeping.sweep(pipeline.backends, event_seconds=0)
    for import_id in pipeline.import_ids():
        assert pipeline.finish(import_id)["status"] == "completed"
    expected = reference(files[0])
    for content in (*files[1:4], assignment_like(300, seed=9), files[4]):
        expected |= reference(content)
    assert pipeline.products() == expected


def test_messages_about_things_the_backup_does_not_have_are_dropped(
    pipeline: Pipeline, backup: Callable[[], Callable[[], None]]
) -> None:
    restore = backup()
    import_id = pipeline.upload(assignment_like(10).encode())
    pipeline.split_next()
    pipeline.backends.queues.send("uploads", [UploadMessage(continue_import=uuid.UUID(import_id))])
    assert pipeline.call("POST", "/exports", {}).status == 202
    assert pipeline.call("POST", "/bulk-deletes", {"confirm": "DELETE ALL"}).status == 202
    with hook_server() as receiver:
        wanted = {"url": receiver.url(), "events": ["*"]}
        webhook = pipeline.call("POST", "/webhooks", wanted).json
        assert pipeline.call("POST", f"/webhooks/{webhook['id']}/test").status == 202
        waiting = list(left_over(pipeline))
        assert {queue for queue, _ in waiting} >= {"uploads", "chunks", "bulk-deletes", "exports", "deliveries"}
        restore()

        for queue, message in waiting:
            pipeline.deliver(CONSUMERS[queue], message)
            if queue in DEAD_LETTERS:
                pipeline.deliver(DEAD_LETTERS[queue], message)
        assert receiver.received == []
    assert list(left_over(pipeline)) == []
