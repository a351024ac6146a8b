"""A file that S3 stores but refuses to return ends its import at once, with the reason and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.backends.s3 import S3FileStore
from chalicelib.errors import FileRefused
from chalicelib.exporting import exports
from chalicelib.repair import sweeping

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

CONTENT = b"sku,name\nA,one\n"
KEY = "uploads/spring.csv"
EVENT_SECONDS_MAX = 20
ARCHIVED = {"StorageClass": "GLACIER"}
UPLOADERS_KEY = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}


def put(pipeline: Pipeline, key: str = KEY, **how: Any) -> str:
    """Puts a file as an S3 client does. Returns its version."""
    return str(pipeline.s3.put_object(Bucket=pipeline.services.bucket, Key=key, Body=CONTENT, **how)["VersionId"])


def split(pipeline: Pipeline, events: int = 1) -> None:
    """Handles this many events of S3, which may be late on a busy machine."""
    for _ in range(events):
        event = pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)
        assert event is not None
        pipeline.deliver("split_upload", event)


def the_import(pipeline: Pipeline) -> dict[str, Any]:
    (import_id,) = pipeline.import_ids()
    return pipeline.show(import_id)


def failures(pipeline: Pipeline) -> list[str]:
    return [row["type"] for row in pipeline.sql("select type from event")]


def refusing(prefix: str = "") -> Callable[..., Any]:
    def refuse(_: S3FileStore, key: str, *__: object, **___: object) -> Any:
        assert key.startswith(prefix)
        raise FileRefused(f"“{key}” is refused on purpose.", code="file_archived", retryable=True)

    return refuse


def test_an_archived_file_fails_at_once_and_a_retry_imports_it_when_it_is_restored(pipeline: Pipeline) -> None:
    version = put(pipeline, **ARCHIVED)

    split(pipeline)

    failed = the_import(pipeline)
    assert (failed["status"], failed["error"]["code"], failed["error"]["retryable"]) == (
        "failed",
        "file_archived",
        True,
    )
    assert failed["error"]["message"].startswith("“uploads/spring.csv” is in an archive storage class")
    assert failures(pipeline) == ["import.failed"]
    sweeping.sweep(pipeline.backends, stalled_seconds=0, event_seconds=0)
    assert pipeline.receive("uploads") is None, "nothing is sent for it again"

    retried = pipeline.call("POST", f"/imports/{failed['id']}/retry")
    assert (retried.status, retried.json["code"]) == (409, "file_archived")
    assert the_import(pipeline)["status"] == "failed"

    pipeline.s3.restore_object(Bucket=pipeline.services.bucket, Key=KEY, VersionId=version, RestoreRequest={"Days": 1})
    assert pipeline.call("POST", f"/imports/{failed['id']}/retry").status == 202
    assert pipeline.finish(failed["id"])["status"] == "completed"


def test_a_file_with_its_uploaders_key_fails_at_once_and_cannot_be_retried(pipeline: Pipeline) -> None:
    put(pipeline, **UPLOADERS_KEY)

    split(pipeline)

    failed = the_import(pipeline)
    assert (failed["error"]["code"], failed["error"]["retryable"]) == ("file_encrypted", False)
    retried = pipeline.call("POST", f"/imports/{failed['id']}/retry")
    assert (retried.status, retried.json["code"]) == (409, "not_retryable")


@pytest.mark.parametrize("how", [ARCHIVED, UPLOADERS_KEY], ids=["archived", "encrypted"])
def test_a_registered_upload_whose_event_was_lost_fails_with_the_reason(
    pipeline: Pipeline, how: dict[str, str]
) -> None:
    registered = pipeline.register(len(CONTENT))
    put(pipeline, pipeline.sql("select object_key from import")[0]["object_key"], **how)
    assert pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)

    sweeping.sweep(pipeline.backends)
    ended = pipeline.finish(registered["id"])

    assert ended["error"]["code"] in ("file_archived", "file_encrypted")


def test_a_file_that_is_archived_while_it_is_imported_fails_with_the_reason(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = pipeline.upload(CONTENT)
    split(pipeline)
    monkeypatch.setattr(S3FileStore, "read", refusing("uploads/"))

    pipeline.upsert_all()

    assert pipeline.show(import_id)["error"]["code"] == "file_archived"
    assert failures(pipeline) == ["import.failed"]


def test_a_copy_in_utf8_that_is_archived_fails_with_the_reason(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = pipeline.upload(CONTENT.decode().encode("utf-16"))
    split(pipeline)
    monkeypatch.setattr(S3FileStore, "read", refusing("rewritten/"))

    pipeline.upsert_all()

    error = pipeline.show(import_id)["error"]
    assert (error["code"], "rewritten/" in error["message"]) == ("file_archived", True)


def test_the_sweep_ends_a_stalled_import_whose_file_is_refused_instead_of_waking_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = pipeline.upload(CONTENT)
    split(pipeline)
    monkeypatch.setattr(S3FileStore, "find", refusing("uploads/"))

    for _ in range(2):
        sweeping.sweep(pipeline.backends, stalled_seconds=0)

    assert pipeline.show(import_id)["error"]["code"] == "file_archived"
    assert pipeline.receive("uploads") is None
    assert failures(pipeline) == ["import.failed"]


def test_an_exports_file_that_is_refused_has_no_link(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    export = pipeline.call("POST", "/exports", {}).json
    message = pipeline.receive("exports")
    assert message is not None
    pipeline.deliver("export_products", message)
    path = f"/exports/{export['id']}"
    assert pipeline.call("GET", path).json["download"] is not None
    monkeypatch.setattr(S3FileStore, "find", refusing(exports.EXPORTS_PREFIX))

    answer = pipeline.call("GET", path)

    assert (answer.status, answer.json["status"], answer.json["download"]) == (200, "completed", None)
