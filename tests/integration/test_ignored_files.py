"""A folder that is copied into the bucket with all its junk: the products are imported, the junk is not, visibly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalicelib.repair import sweeping

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

EVENT_SECONDS_MAX = 20
GOOD = [f"{place}{number}.csv" for place in ("", "spring/") for number in range(4)] + ["products.txt", "data"]
JUNK = {
    ".DS_Store": b"\0\0\0\1Bud1",
    "spring/.DS_Store": b"\0\0\0\1Bud1",
    "._0.csv": b"\0\5\x16\7",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "desktop.ini": b"[.ShellClassInfo]",
    "~$products.xlsx": b"\5Anna",
    ".~lock.0.csv#": b",anna,laptop",
    "README.md": b"# Our products",
    "5.csv.part": b"sku,na",
    "_SUCCESS": b"",
}


def imports_of(pipeline: Pipeline) -> list[dict[str, Any]]:
    answer = pipeline.call("GET", "/imports?limit=200")
    return list(answer.json["items"])


def split(pipeline: Pipeline, events: int = 1) -> None:
    """Handles this many events of S3, which may be late on a busy machine."""
    for _ in range(events):
        event = pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)
        assert event is not None
        pipeline.deliver("split_upload", event)


def ignored(pipeline: Pipeline) -> dict[str, Any]:
    """The one import, which was ignored."""
    (found,) = imports_of(pipeline)
    assert (found["status"], found["error"]["code"], found["error"]["retryable"]) == (
        "cancelled",
        "file_ignored",
        False,
    )
    return found


def test_a_synced_folder_imports_its_products_and_shows_what_was_ignored(pipeline: Pipeline) -> None:
    for number, name in enumerate(GOOD):
        pipeline.drop(b"sku,name\nS%d,x\n" % number, f"uploads/{name}")
    for name, content in JUNK.items():
        pipeline.drop(content, f"uploads/{name}")

    split(pipeline, events=len(GOOD) + len(JUNK))
    pipeline.upsert_all()

    found = imports_of(pipeline)
    assert len(found) == len(GOOD) + len(JUNK)
    ended = {each["filename"]: (each["status"], (each["error"] or {}).get("code")) for each in found}
    assert ended == {
        **{Path(name).name: ("completed", None) for name in GOOD},
        **{Path(name).name: ("cancelled", "file_ignored") for name in JUNK},
    }
    assert len(pipeline.products()) == len(GOOD)
    types = pipeline.sql("select type, count(*) from event group by type")
    assert types == [{"type": "import.completed", "count": len(GOOD)}]
    places = "select count(*), max(operation) - min(operation) + 1 as places from import where operation is not null"
    assert pipeline.sql(places) == [{"count": len(GOOD), "places": len(GOOD)}], (
        "an ignored file takes no place in the acceptance order"
    )


def test_an_ignored_file_is_recorded_once(pipeline: Pipeline) -> None:
    pipeline.drop(b"x", "uploads/.DS_Store")
    event = pipeline.receive("uploads", wait_seconds=EVENT_SECONDS_MAX)
    assert event is not None

    for _ in range(2):
        sweeping.sweep(pipeline.backends, event_seconds=0, stalled_seconds=0)
        pipeline.deliver("split_upload", event)
    pipeline.deliver("fail_upload", event)

    assert ignored(pipeline)["filename"] == ".DS_Store"
    assert pipeline.receive("uploads") is None
    assert pipeline.sql("select 1 from event") == []


def test_an_ignored_file_cannot_be_retried_or_cancelled(pipeline: Pipeline) -> None:
    pipeline.drop(b"x", "uploads/Thumbs.db")
    split(pipeline)

    path = f"/imports/{ignored(pipeline)['id']}"

    assert pipeline.call("POST", f"{path}/retry").json["code"] == "import_not_failed"
    assert pipeline.call("POST", f"{path}/cancel").json["code"] == "import_ended"


def test_a_newer_version_of_an_ignored_file_is_ignored_too_and_delays_nothing(pipeline: Pipeline) -> None:
    for _ in range(2):
        pipeline.drop(b"x", "uploads/.DS_Store")
    split(pipeline, events=2)

    assert [each["error"]["code"] for each in imports_of(pipeline)] == ["file_ignored"] * 2


def test_a_file_that_a_user_registered_is_imported_whatever_its_name(pipeline: Pipeline) -> None:
    import_id = pipeline.upload(b"sku,name\nA,one\n", filename="readme.txt")

    assert pipeline.finish(import_id)["status"] == "completed"


def test_an_empty_data_file_fails_and_its_next_version_is_imported(pipeline: Pipeline) -> None:
    pipeline.drop(b"", "uploads/products.csv")
    split(pipeline)
    assert [each["error"]["code"] for each in imports_of(pipeline)] == ["file_empty"]

    pipeline.drop(b"sku,name\nA,one\n", "uploads/products.csv")
    split(pipeline)
    pipeline.upsert_all()

    assert pipeline.products()["a"][1] == "one"


def test_a_folder_with_content_is_shown_as_ignored(pipeline: Pipeline) -> None:
    pipeline.drop(b"sku,name\nA,one\n", "uploads/spring/")
    split(pipeline)

    assert "ends with a slash" in ignored(pipeline)["error"]["message"]
