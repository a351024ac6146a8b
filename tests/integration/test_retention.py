"""Old data ends, and never too early: an import's row goes only after S3 has confirmed that its file is gone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chalicelib.backends.s3 import S3FileStore
from chalicelib.catalogue import products
from chalicelib.importing import rejected_rows
from chalicelib.limits import (
    IMPORT_DETAILS_KEPT_DAYS,
    IMPORTS_KEPT_DAYS,
    JOBS_KEPT_DAYS,
    MESSAGES_KEPT_DAYS,
)
from chalicelib.repair import retention, sweeping, turns
from tests.integration.test_refused_files import refusing

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline

KEY = "uploads/dropped.csv"
EVENT_SECONDS_MAX = 20
OLD, NEW = b"sku,name\nA,old\n", b"sku,name\nA,new\n"
BAD = b"sku,name\nA,one\n,two\n,three\n"
TIMES = (
    "created_at",
    "started_at",
    "attempt_started_at",
    "advanced_at",
    "finished_at",
    "file_gone_at",
    "file_check_at",
)


# --- what time does -----------------------------------------------------------------------------------------------


def pass_days(pipeline: Pipeline, days: int) -> None:
    """Makes everything older, and runs the sweep."""
    moved = ", ".join(f"{each} = {each} - make_interval(days => {days})" for each in TIMES)
    pipeline.sql(f"update import set {moved}")
    for table in ("export", "bulk_delete"):
        pipeline.sql(f"update {table} set finished_at = finished_at - make_interval(days => {days})")
    sweep(pipeline)


def sweep(pipeline: Pipeline) -> None:
    sweeping.sweep(pipeline.backends, event_seconds=0, stalled_seconds=0)


def expire(pipeline: Pipeline, import_id: str | None = None) -> None:
    """Removes the file of one import, or of all, as S3's lifecycle rules do."""
    for row in pipeline.sql("select id, object_key, object_version from import where object_version is not null"):
        if import_id in (None, str(row["id"])):
            pipeline.s3.delete_object(
                Bucket=pipeline.services.bucket, Key=row["object_key"], VersionId=row["object_version"]
            )


def drop_and_finish(pipeline: Pipeline, content: bytes, key: str = KEY) -> str:
    """Imports a file that an S3 client has put into the bucket. Returns the import's id."""
    pipeline.drop(content, key)
    event = pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)
    assert event is not None
    pipeline.deliver("split_upload", event)
    pipeline.upsert_all()
    import_id = pipeline.import_ids()[-1]
    assert pipeline.show(import_id)["status"] == "completed"
    return import_id


def source_of(pipeline: Pipeline, sku: str) -> dict[str, Any]:
    (found,) = pipeline.call("GET", f"/products?sku={sku}").json["items"]
    source: dict[str, Any] = found["source"]
    assert pipeline.call("GET", f"/products/{found['id']}").json["source"] == source
    return source


def kept(pipeline: Pipeline) -> dict[str, int]:
    """How many rows each table has."""
    tables = ("import", "chunk", "rejected_row", "export", "export_part", "bulk_delete")
    counts = ", ".join(f"(select count(*) from {table}) as {table}" for table in tables)
    return pipeline.sql(f"select {counts}")[0]


# --- the row of an import -----------------------------------------------------------------------------------------


def test_an_old_file_that_is_still_stored_is_not_imported_again_as_the_newest(pipeline: Pipeline) -> None:
    """The lifecycle rules are late: the file of the older import is still listed when its row has reached its age."""
    old = drop_and_finish(pipeline, OLD)
    new = drop_and_finish(pipeline, NEW, "uploads/another.csv")
    expire(pipeline, new)

    for days in (1, IMPORTS_KEPT_DAYS, MESSAGES_KEPT_DAYS, 1, 1):
        pass_days(pipeline, days)

    assert pipeline.import_ids() == [old], "the other one has reached its age, and its file is gone"
    assert pipeline.show(old)["file_kept"] is True
    assert pipeline.products()["a"][1] == "new"

    expire(pipeline)
    pass_days(pipeline, 1)
    assert pipeline.show(old)["file_kept"] is False
    pass_days(pipeline, MESSAGES_KEPT_DAYS)
    assert pipeline.import_ids() == []
    for _ in range(2):
        sweep(pipeline)
    assert pipeline.import_ids() == []
    assert pipeline.products()["a"][1] == "new"


def test_a_file_behind_a_delete_marker_is_still_stored(pipeline: Pipeline) -> None:
    """It is listed, so it would be imported again; and a person can bring it back by deleting the marker."""
    import_id = drop_and_finish(pipeline, OLD)
    pipeline.s3.delete_object(Bucket=pipeline.services.bucket, Key=KEY)

    for days in (1, IMPORTS_KEPT_DAYS, MESSAGES_KEPT_DAYS):
        pass_days(pipeline, days)

    assert pipeline.show(import_id)["file_kept"] is True


def test_a_refusal_of_s3_is_no_confirmation(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    import_id = drop_and_finish(pipeline, OLD)
    monkeypatch.setattr(S3FileStore, "find", refusing("uploads/"))

    for days in (1, IMPORTS_KEPT_DAYS, MESSAGES_KEPT_DAYS):
        pass_days(pipeline, days)

    assert pipeline.show(import_id)["file_kept"] is True


def test_a_cancelled_registration_is_kept_while_a_version_of_its_key_is_stored(pipeline: Pipeline) -> None:
    """Its upload arrived after it was cancelled, behind delete markers: it has a version that no row knows."""
    registered = pipeline.register(len(OLD))
    (row,) = pipeline.sql("select object_key from import")
    pipeline.call("POST", f"/imports/{registered['id']}/cancel")
    version = pipeline.drop(OLD, row["object_key"])
    pipeline.s3.delete_object(Bucket=pipeline.services.bucket, Key=row["object_key"])
    pipeline.drop(b"", row["object_key"] + "x/")

    for days in (1, IMPORTS_KEPT_DAYS, MESSAGES_KEPT_DAYS):
        pass_days(pipeline, days)
    assert pipeline.import_ids() == [registered["id"]]
    assert pipeline.products() == {}

    pipeline.s3.delete_object(Bucket=pipeline.services.bucket, Key=row["object_key"], VersionId=version)
    for days in (1, MESSAGES_KEPT_DAYS):
        pass_days(pipeline, days)
    assert pipeline.import_ids() == []


def test_a_page_of_delete_markers_is_no_confirmation(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    registered = pipeline.register(len(OLD))
    (row,) = pipeline.sql("select object_key from import")
    pipeline.call("POST", f"/imports/{registered['id']}/cancel")
    pipeline.drop(OLD, row["object_key"])
    for _ in range(3):
        pipeline.s3.delete_object(Bucket=pipeline.services.bucket, Key=row["object_key"])
    monkeypatch.setattr("chalicelib.repair.retention.KEY_VERSIONS_MAX", 2)

    sweep(pipeline)

    assert pipeline.show(registered["id"])["file_kept"] is True


def test_an_upload_that_arrives_after_its_cancelled_import_was_checked_keeps_the_row(pipeline: Pipeline) -> None:
    registered = pipeline.register(len(OLD))
    (row,) = pipeline.sql("select object_key from import")
    pipeline.call("POST", f"/imports/{registered['id']}/cancel")
    sweep(pipeline)
    assert pipeline.show(registered["id"])["file_kept"] is False
    pipeline.drop(OLD, row["object_key"])

    pass_days(pipeline, IMPORTS_KEPT_DAYS)

    assert pipeline.show(registered["id"])["file_kept"] is True
    assert pipeline.products() == {}


def test_a_file_of_another_bucket_is_not_looked_for_in_this_one(pipeline: Pipeline) -> None:
    import_id = drop_and_finish(pipeline, OLD)
    expire(pipeline)
    pipeline.sql("update import set bucket = 'another'")

    for days in (1, IMPORTS_KEPT_DAYS, MESSAGES_KEPT_DAYS):
        pass_days(pipeline, days)

    assert pipeline.show(import_id)["file_kept"] is True


def test_an_import_is_kept_until_no_message_about_its_file_can_exist(pipeline: Pipeline) -> None:
    drop_and_finish(pipeline, OLD)
    pass_days(pipeline, IMPORTS_KEPT_DAYS)
    expire(pipeline)
    pass_days(pipeline, 1)

    pass_days(pipeline, MESSAGES_KEPT_DAYS - 1)
    assert kept(pipeline)["import"] == 1
    pass_days(pipeline, 1)
    assert kept(pipeline)["import"] == 0


def test_an_ignored_file_is_not_imported_or_recorded_again_while_it_is_stored(pipeline: Pipeline) -> None:
    pipeline.drop(b"x", "uploads/Thumbs.db")
    sweep(pipeline)
    (import_id,) = pipeline.import_ids()

    for days in (1, IMPORTS_KEPT_DAYS, MESSAGES_KEPT_DAYS):
        pass_days(pipeline, days)
    assert pipeline.import_ids() == [import_id]

    expire(pipeline)
    for days in (1, MESSAGES_KEPT_DAYS, 1):
        pass_days(pipeline, days)
    assert pipeline.import_ids() == []


# --- provenance ---------------------------------------------------------------------------------------------------


def test_a_product_still_says_that_it_comes_from_a_file_that_is_no_longer_kept(pipeline: Pipeline) -> None:
    import_id = drop_and_finish(pipeline, OLD)
    edited = pipeline.call("POST", "/products", {"sku": "B", "name": "edited"})
    assert edited.status == 201
    known = {"kind": "import", "import_id": import_id, "filename": "dropped.csv", "line": 2}
    sweep(pipeline)
    assert source_of(pipeline, "A") == {**known, "file_kept": True}

    expire(pipeline)
    pass_days(pipeline, 1)
    assert source_of(pipeline, "A") == {**known, "file_kept": False}

    pass_days(pipeline, IMPORTS_KEPT_DAYS)
    assert kept(pipeline)["import"] == 0
    assert source_of(pipeline, "A") == {**known, "import_id": None, "filename": None, "file_kept": False}
    assert source_of(pipeline, "B") == {"kind": "edit"}


# --- chunks and rejected rows -------------------------------------------------------------------------------------


def test_the_details_of_an_import_end_and_its_receipt_stays(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 16)
    before = pipeline.run(BAD)
    path = f"/imports/{before['id']}"
    assert kept(pipeline)["chunk"] > 1
    pass_days(pipeline, IMPORT_DETAILS_KEPT_DAYS - 1)
    assert pipeline.show(before["id"])["details_kept"] is True
    (row_before,) = pipeline.call("GET", "/imports").json["items"]

    pass_days(pipeline, 2)

    after = pipeline.show(before["id"])
    same = {"percent", "rows", "bytes", "outcome", "summary", "status", "bytes_per_second", "rows_per_second"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["details_kept"] is False
    (row_after,) = pipeline.call("GET", "/imports").json["items"]
    assert {name: row_after[name] for name in same} == {name: row_before[name] for name in same}
    assert kept(pipeline) == {**kept(pipeline), "import": 1, "chunk": 0, "rejected_row": 0}
    assert pipeline.sql("select 1 from import where header is not null") == []
    for what in ("rejected-rows", "rejected-rows.csv", "throughput"):
        answer = pipeline.call("GET", f"{path}/{what}")
        assert (answer.status, answer.json["code"]) == (410, "details_not_kept"), what
        assert "30 days" in answer.json["detail"]


def test_the_percentage_of_a_cancelled_import_stays(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 16)
    import_id = pipeline.upload(BAD)
    pipeline.split_next()
    pipeline.deliver("upsert_chunk", pipeline.chunks()[0])
    pipeline.call("POST", f"/imports/{import_id}/cancel")
    before = pipeline.show(import_id)
    assert 0 < before["percent"] < 100

    pass_days(pipeline, IMPORT_DETAILS_KEPT_DAYS + 1)

    after = pipeline.show(import_id)
    assert (after["percent"], after["rows"], after["bytes"]) == (before["percent"], before["rows"], before["bytes"])
    assert kept(pipeline)["chunk"] == 0


def test_an_import_that_can_be_retried_keeps_its_details_as_long_as_its_file(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 16)
    import_id = pipeline.upload(BAD)
    pipeline.split_next()
    first, *others = pipeline.chunks()
    pipeline.deliver("upsert_chunk", first)
    pipeline.deliver("fail_chunk", others[0])
    pass_days(pipeline, IMPORTS_KEPT_DAYS)
    assert pipeline.call("POST", f"/imports/{import_id}/retry").status == 202
    while pipeline.split_next():
        pass
    pipeline.deliver("fail_chunk", pipeline.chunks()[0])
    assert pipeline.show(import_id)["error"]["retryable"] is True

    expire(pipeline)
    pass_days(pipeline, IMPORT_DETAILS_KEPT_DAYS + 1)
    sweep(pipeline)

    assert pipeline.show(import_id)["details_kept"] is False
    assert pipeline.show(import_id)["error"]["retryable"] is False
    retried = pipeline.call("POST", f"/imports/{import_id}/retry")
    assert (retried.status, retried.json["code"]) == (409, "file_gone")


def test_tombstones_go_once_the_file_of_a_failed_import_is_gone(pipeline: Pipeline) -> None:
    """An import that can be retried keeps every later tombstone. Without a file, it could never be retried."""
    pipeline.upload(OLD)
    pipeline.split_next()
    (message,) = pipeline.chunks()
    pipeline.deliver("fail_chunk", message)
    created = pipeline.call("POST", "/products", {"sku": "A", "name": "by hand"}).json
    pipeline.call("DELETE", f"/products/{created['id']}")
    pipeline.sql("update product set updated_at = now() - interval '2 hours'")
    sweep(pipeline)
    assert pipeline.sql("select 1 from product") != []

    expire(pipeline)
    for _ in range(2):
        pass_days(pipeline, 1)

    assert pipeline.sql("select 1 from product") == []
    pipeline.deliver("upsert_chunk", message)
    assert pipeline.sql("select 1 from product") == []


def test_a_csv_of_rejected_rows_that_are_removed_while_it_is_written_is_refused(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read in several transactions, so the file might lack the last of them."""
    monkeypatch.setattr("chalicelib.importing.rejected_rows.REJECTED_ROWS_PER_READ", 1)
    import_id = pipeline.run(BAD)["id"]
    pipeline.sql("update import set finished_at = now() - interval '31 days'")
    page = rejected_rows.page
    reads: list[int | None] = []

    def page_then_remove(*given: Any, **more: Any) -> Any:
        found = page(*given, **more)
        reads.append(more["after"])
        if len(reads) == 1:
            removing = threading.Thread(target=lambda: pipeline.sql("update import set details_kept = false"))
            removing.start()
            removing.join()
        return found

    monkeypatch.setattr(rejected_rows, "page", page_then_remove)

    assert pipeline.call("GET", f"/imports/{import_id}/rejected-rows.csv").status == 410
    assert len(reads) > 1


# --- exports and bulk deletes -------------------------------------------------------------------------------------


def finished_export(pipeline: Pipeline) -> tuple[str, Message]:
    """Returns its id, and its message."""
    export: str = pipeline.call("POST", "/exports", {}).json["id"]
    message = pipeline.receive("exports")
    assert message is not None
    pipeline.deliver("export_products", message)
    assert pipeline.call("GET", f"/exports/{export}").json["status"] == "completed"
    return export, message


def finished_bulk_delete(pipeline: Pipeline) -> tuple[str, Message]:
    """Returns its id, and its message."""
    bulk_delete: str = pipeline.call("POST", "/bulk-deletes", {"confirm": "DELETE ALL"}).json["id"]
    message = pipeline.receive("bulk-deletes")
    assert message is not None
    pipeline.deliver("bulk_delete_products", message)
    assert pipeline.call("GET", f"/bulk-deletes/{bulk_delete}").json["status"] == "completed"
    return bulk_delete, message


def test_exports_and_bulk_deletes_end_and_running_ones_do_not(pipeline: Pipeline) -> None:
    export, _ = finished_export(pipeline)
    bulk_delete, _ = finished_bulk_delete(pipeline)
    running = pipeline.call("POST", "/exports", {}).json["id"]
    pipeline.sql("update export set created_at = now() - interval '1 year'")
    pass_days(pipeline, JOBS_KEPT_DAYS - 1)
    assert kept(pipeline) == {**kept(pipeline), "export": 2, "bulk_delete": 1}

    pass_days(pipeline, 2)

    assert pipeline.call("GET", f"/exports/{export}").status == 404
    assert pipeline.call("GET", f"/bulk-deletes/{bulk_delete}").status == 404
    assert pipeline.call("GET", f"/exports/{running}").json["status"] == "pending"
    assert (pipeline.call("GET", "/exports").json["total"], pipeline.call("GET", "/bulk-deletes").json["total"]) == (
        1,
        0,
    )


# --- late and duplicated messages -----------------------------------------------------------------------------------


def test_late_messages_write_nothing_whatever_has_been_removed(pipeline: Pipeline) -> None:
    """Every message arrives again, twice, and as a dead letter: after the details are gone, and after the rows are."""
    pipeline.drop(OLD)
    event = pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)
    assert event is not None
    pipeline.deliver("split_upload", event)
    (chunk,) = pipeline.chunks()
    pipeline.deliver("upsert_chunk", chunk)
    _, deletion = finished_bulk_delete(pipeline)
    (import_id,) = pipeline.import_ids()
    again = {"Body": f'{{"continue_import": "{import_id}"}}'}
    drop_and_finish(pipeline, NEW, "uploads/another.csv")
    _, export = finished_export(pipeline)
    catalogue = pipeline.products()
    content = pipeline.sql("select * from product")

    def deliver_again() -> None:
        for _ in range(2):
            for function, message in [
                ("split_upload", event), ("split_upload", again), ("fail_upload", event), ("fail_upload", again),
                ("upsert_chunk", chunk), ("fail_chunk", chunk), ("export_products", export), ("fail_export", export),
                ("bulk_delete_products", deletion), ("fail_bulk_delete", deletion),
            ]:  # fmt: skip
                pipeline.deliver(function, message)
            pipeline.upsert_all()
            sweep(pipeline)

    expire(pipeline)
    pass_days(pipeline, IMPORT_DETAILS_KEPT_DAYS + 1)
    assert kept(pipeline) == {**kept(pipeline), "import": 2, "chunk": 0, "export": 0, "bulk_delete": 0}
    deliver_again()
    assert kept(pipeline)["import"] == 2, "nothing is new"

    pass_days(pipeline, IMPORTS_KEPT_DAYS)
    assert kept(pipeline)["import"] == 0
    deliver_again()

    assert pipeline.products() == catalogue == {"a": ("A", "new", "", True)}
    assert pipeline.sql("select * from product") == content
    assert pipeline.sql("select distinct status::text, error_code from import where operation is not null") == [
        {"status": "failed", "error_code": "file_gone"}
    ], "a message about a file whose import is removed can only find that the file is gone"


def test_the_acceptance_order_does_not_start_again(pipeline: Pipeline) -> None:
    """What is imported after the removal of older rows is still newer than what they wrote."""
    drop_and_finish(pipeline, OLD)
    finished_bulk_delete(pipeline)
    drop_and_finish(pipeline, OLD)
    expire(pipeline)
    for days in (1, IMPORTS_KEPT_DAYS):
        pass_days(pipeline, days)
    assert kept(pipeline) == {**kept(pipeline), "import": 0, "bulk_delete": 0}

    drop_and_finish(pipeline, NEW)

    assert pipeline.products()["a"][1] == "new"


# --- the job keeps up ---------------------------------------------------------------------------------------------

FILL = """
    insert into export (status, filters, estimated_rows, finished_at)
    select 'completed', '{}', 0, now() - interval '31 days' from generate_series(1, %(count)s);
    insert into bulk_delete (status, operation, total, finished_at)
    select 'completed', n, 0, now() - interval '31 days' from generate_series(1, %(count)s) n;
    insert into import (status, filename, bucket, object_key, object_version, size_bytes, finished_at, operation)
    select 'completed', 'old', '%(bucket)s', 'uploads/' || n, 'gone' || n, 1, now() - interval '400 days', n
    from generate_series(1, %(count)s) n;
    insert into chunk (import_id, number, start_byte, end_byte, first_line, oversized, regular, done)
    select id, number, 0, 1, 2, false, true, true from import, generate_series(0, 2) number;
    insert into rejected_row (import_id, line, code, message, raw)
    select id, line, 'x', 'x', 'x' from import, generate_series(2, 4) line;
"""


def fill(pipeline: Pipeline, count: int) -> None:
    pipeline.sql(FILL % {"count": count, "bucket": pipeline.services.bucket})


FILL_CHANGES = """
    insert into webhook (url, description, events, enabled, secret)
    values ('http://127.0.0.1:9/', '', '{*}', true, 'x');
    insert into event (id, dedupe_key, type, payload, created_at, relayed, position)
    select uuidv7(interval '-31 days'), n, 'product.updated', '{}', now() - interval '31 days', true, n
    from generate_series(1, %(count)s) n;
    insert into delivery (webhook_id, event_id, status) select webhook.id, event.id, 'delivered' from webhook, event;
    insert into delivery_attempt (delivery_id, number, started_at, milliseconds, request_headers)
    select id, 1, now(), 1, '{}' from delivery;
    insert into idempotency_key (token_id, key, request_sha256, claimed_at)
    select '%(token)s', n, sha256('x'), now() - interval '25 hours' from generate_series(1, %(count)s) n;
"""


def fill_changes(pipeline: Pipeline, count: int) -> None:
    """Creates what this many edits by the API, one of them each a delete, have left after a month."""
    (token,) = pipeline.sql("select id from api_token limit 1")
    pipeline.sql(FILL_CHANGES % {"count": count, "token": token["id"]})
    for number in range(count):
        created = products.create(pipeline.backends, products.Content(f"S{number}", "x"))
        products.delete(pipeline.backends, created.id)
    pipeline.sql("update product set updated_at = now() - interval '2 hours'")


def left(pipeline: Pipeline) -> dict[str, int]:
    """How many old rows of each kind there are."""
    events = "event where created_at < now() - interval '30 days'"
    tables = {each: each for each in ("delivery", "delivery_attempt", "idempotency_key", "product")} | {"event": events}
    counts = ", ".join(f"(select count(*) from {rows}) as {name}" for name, rows in tables.items())
    return {**kept(pipeline), **pipeline.sql(f"select {counts}")[0]}


KINDS = (
    "event",
    "delivery",
    "delivery_attempt",
    "idempotency_key",
    "product",
    "export",
    "bulk_delete",
    "chunk",
    "rejected_row",
)


def in_small_steps(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(turns, "SWEEP_STEP_ROWS_MIN", rows)
    monkeypatch.setattr(turns, "SWEEP_STEP_ROWS_MAX", rows)


def test_one_sweep_removes_many_steps_of_each_kind(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(pipeline, 10)
    fill_changes(pipeline, 10)
    in_small_steps(monkeypatch, 3)

    sweep(pipeline)

    assert {name: left(pipeline)[name] for name in KINDS} == dict.fromkeys(KINDS, 0)


def test_a_sweep_without_time_removes_one_step_of_each_kind_and_looks_for_files(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind has its turn, however slow the others are, and so has what comes after them."""
    fill(pipeline, 10)
    fill_changes(pipeline, 10)
    in_small_steps(monkeypatch, 4)
    monkeypatch.setattr(retention, "SWEEP_REMOVAL_SECONDS", 0)

    counts = []
    for _ in range(3):
        sweep(pipeline)
        counts.append(left(pipeline))

    for name in ("event", "delivery", "delivery_attempt", "idempotency_key", "product", "export", "bulk_delete"):
        assert [each[name] for each in counts] == [6, 2, 0], name
    # Of an import, its rejected rows count, too: one of these has three.
    assert [each["chunk"] for each in counts] == [27, 24, 21]
    assert [each["rejected_row"] for each in counts] == [27, 24, 21]
    assert pipeline.sql("select count(*) from import where file_gone_at is null") == [{"count": 0}]


def test_a_locked_tombstone_is_left_to_the_next_sweep(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the oldest tombstones are read. One that another writer has locked is skipped until a later sweep."""
    fill_changes(pipeline, 3)
    in_small_steps(monkeypatch, 2)
    with psycopg.connect(pipeline.services.owner_conninfo) as other:
        other.execute("select from product order by id limit 1 for update")
        sweep(pipeline)
        assert left(pipeline)["product"] == 2
    sweep(pipeline)
    assert left(pipeline)["product"] == 0


def test_files_are_looked_for_up_to_a_limit_in_each_sweep(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SWEEP_FILES_CHECKED_MAX", 4)
    fill(pipeline, 10)
    for _ in range(3):
        sweep(pipeline)
    assert pipeline.sql("select count(*) from import where file_gone_at is null") == [{"count": 0}]
    pipeline.sql("update import set file_gone_at = now() - interval '14 days', file_check_at = now()")
    imports_left = []
    for _ in range(3):
        sweep(pipeline)
        imports_left.append(kept(pipeline)["import"])
    assert imports_left == [6, 2, 0]


def test_a_file_that_cannot_be_checked_does_not_stop_the_others(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check that fails is the oldest, at every sweep. A bug, or a setting, must not keep everything permanently."""
    fill(pipeline, 2)
    pipeline.sql("update import set finished_at = now() - interval '500 days' where object_key = 'uploads/1'")
    find = S3FileStore.find

    def broken(store: S3FileStore, key: str, version: str | None = None) -> Any:
        if key == "uploads/1":
            raise RuntimeError("broken on purpose")
        return find(store, key, version)

    monkeypatch.setattr(S3FileStore, "find", broken)
    monkeypatch.setattr(retention, "SWEEP_FILES_CHECKED_MAX", 1)
    with pytest.raises(RuntimeError):
        sweep(pipeline)
    sweep(pipeline)

    assert pipeline.sql("select object_key from import where file_gone_at is not null") == [{"object_key": "uploads/2"}]
