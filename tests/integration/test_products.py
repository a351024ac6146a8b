"""Edits and bulk deletes of products: conditions, tombstones, renames, and running imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.catalogue import bulk_deletes, products
from chalicelib.catalogue.products import Changes, Content
from chalicelib.errors import Conflict, NotFound
from chalicelib.repair import sweeping

if TYPE_CHECKING:
    from tests.support.pipeline import Message, Pipeline


def running_import(pipeline: Pipeline, content: bytes) -> tuple[str, list[Message]]:
    """An accepted import whose chunks are not done yet."""
    import_id = pipeline.upload(content)
    assert pipeline.split_next()
    return import_id, pipeline.chunks()


def carry_out(pipeline: Pipeline) -> None:
    while message := pipeline.receive("bulk-deletes"):
        pipeline.deliver("bulk_delete_products", message)


def test_an_edit_during_an_import_survives_it_field_by_field(pipeline: Pipeline) -> None:
    created = products.create(pipeline.backends, Content("A-1", "old", "old text"))
    _, chunks = running_import(pipeline, b"sku,name,description,active\na-1,from file,text from file,no\n")
    products.edit(pipeline.backends, created.id, Changes(name="edited"))

    for message in chunks:
        pipeline.deliver("upsert_chunk", message)

    assert pipeline.products() == {"a-1": ("a-1", "edited", "text from file", False)}


def test_a_product_deleted_during_an_import_stays_deleted(pipeline: Pipeline) -> None:
    created = products.create(pipeline.backends, Content("A", "old"))
    import_id, chunks = running_import(pipeline, b"sku,name\nA,from file\nB,new\n")
    products.delete(pipeline.backends, created.id)

    for message in chunks:
        pipeline.deliver("upsert_chunk", message)

    assert list(pipeline.products()) == ["b"]
    assert pipeline.show(import_id)["rows"] == {
        "total": 2, "created": 1, "updated": 0, "unchanged": 0, "superseded": 1, "rejected": 0,
    }  # fmt: skip


def test_a_deleted_sku_that_comes_back_is_a_new_product_without_old_values(pipeline: Pipeline) -> None:
    created = products.create(pipeline.backends, Content("A", "old", "old text", active=False))
    products.delete(pipeline.backends, created.id)

    ended = pipeline.run(b"sku,name\na,new\n")

    assert ended["rows"]["created"] == 1
    assert pipeline.products() == {"a": ("a", "new", "", True)}
    assert pipeline.sql("select id from product where not deleted")[0]["id"] != created.id
    with pytest.raises(NotFound):
        products.edit(pipeline.backends, created.id, Changes(name="x"))


def test_a_taken_sku_names_the_product_that_holds_it(pipeline: Pipeline) -> None:
    first = products.create(pipeline.backends, Content("Straße", "one"))
    other = products.create(pipeline.backends, Content("B", "two"))

    with pytest.raises(Conflict, match="the SKU Straße belongs to another product") as refused:
        products.create(pipeline.backends, Content("STRAßE", "three"))
    assert refused.value.members == {"product_id": str(first.id), "sku": "Straße"}
    with pytest.raises(Conflict, match="the SKU Straße belongs to another product"):
        products.edit(pipeline.backends, other.id, Changes(sku="straße"))
    assert len(pipeline.products()) == 2


def test_changing_the_case_of_its_own_sku_is_no_conflict(pipeline: Pipeline) -> None:
    created = products.create(pipeline.backends, Content("abc", "one"))

    edited = products.edit(pipeline.backends, created.id, Changes(sku="ABC"))

    assert (edited.id, edited.sku, edited.sku_key) == (created.id, "ABC", "abc")


def test_a_renamed_product_is_not_changed_by_an_older_import(pipeline: Pipeline) -> None:
    created = products.create(pipeline.backends, Content("A", "one", "text", active=False))
    _, chunks = running_import(pipeline, b"sku,name\nA,from file\nB,from file\n")

    renamed = products.edit(pipeline.backends, created.id, Changes(sku="B", name="two"))
    for message in chunks:
        pipeline.deliver("upsert_chunk", message)

    assert (renamed.id, renamed.created_at) == (created.id, created.created_at)
    assert pipeline.products() == {"b": ("B", "two", "text", False)}


def test_a_rename_onto_a_deleted_sku_takes_its_place(pipeline: Pipeline) -> None:
    gone = products.create(pipeline.backends, Content("B", "gone"))
    products.delete(pipeline.backends, gone.id)
    created = products.create(pipeline.backends, Content("A", "one"))

    products.edit(pipeline.backends, created.id, Changes(sku="b"))

    assert pipeline.products() == {"b": ("b", "one", "", True)}


def test_an_edit_that_changes_nothing_keeps_the_content_version(pipeline: Pipeline) -> None:
    created = products.create(pipeline.backends, Content("A", "one"))
    (before,) = pipeline.sql("select name_version from product")

    edited = products.edit(pipeline.backends, created.id, Changes(name="one"))

    assert edited.content_version == created.content_version
    assert edited.updated_at == created.updated_at
    assert pipeline.sql("select name_version from product")[0]["name_version"] > before["name_version"]


def test_an_unknown_product_is_not_found(pipeline: Pipeline) -> None:
    with pytest.raises(NotFound):
        products.edit(pipeline.backends, 12345, Changes(name="x"))
    with pytest.raises(NotFound):
        products.delete(pipeline.backends, 12345)


def test_a_bulk_delete_empties_the_catalogue_at_once_and_ends_older_imports(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name\nA,one\nB,two\n")
    created = products.create(pipeline.backends, Content("C", "three"))
    import_id, chunks = running_import(pipeline, b"sku,name\nD,four\n")

    accepted = bulk_deletes.accept(pipeline.backends)

    assert accepted.total == 3
    with pytest.raises(NotFound):
        products.edit(pipeline.backends, created.id, Changes(name="x"))
    ended = pipeline.show(import_id)
    assert (ended["status"], ended["error"]["code"]) == ("cancelled", "products_deleted")
    for message in chunks:
        pipeline.deliver("upsert_chunk", message)
    carry_out(pipeline)
    assert pipeline.sql("select count(*) from product")[0]["count"] == 0
    finished = pipeline.sql("select status, deleted from bulk_delete")[0]
    assert finished == {"status": "completed", "deleted": 3}
    assert pipeline.sql("select payload->'deleted' as deleted from event where type = 'products.bulk_deleted'") == [
        {"deleted": 3}
    ]


def test_what_is_written_after_a_bulk_delete_stays_and_keeps_no_old_values(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name,description,active\nA,one,text,no\nB,two,text,no\nC,three,,\n")
    bulk_deletes.accept(pipeline.backends)

    created = products.create(pipeline.backends, Content("a", "edited"))
    ended = pipeline.run(b"sku,name\nb,from file\n")
    carry_out(pipeline)

    assert ended["rows"]["created"] == 1
    assert pipeline.products() == {"a": ("a", "edited", "", True), "b": ("b", "from file", "", True)}
    assert created.id not in (1, 2, 3)
    assert pipeline.sql("select deleted from bulk_delete")[0]["deleted"] == 1


def test_a_bulk_delete_continues_in_steps_and_in_new_invocations(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.bulk_deletes.BULK_DELETE_STEP_ROWS", 10)
    pipeline.run(b"sku,name\n" + b"".join(b"S%d,x\n" % number for number in range(55)))
    bulk_deletes.accept(pipeline.backends)

    invocations = 0
    while message := pipeline.receive("bulk-deletes"):
        pipeline.deliver("bulk_delete_products", message, seconds=0)
        invocations += 1

    assert invocations == 6
    assert pipeline.sql("select status, deleted from bulk_delete")[0] == {"status": "completed", "deleted": 55}


def test_the_sweep_wakes_a_bulk_delete_whose_message_was_lost(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name\nA,one\n")
    bulk_deletes.accept(pipeline.backends)
    assert pipeline.receive("bulk-deletes")

    sweeping.sweep(pipeline.backends, stalled_seconds=0)
    carry_out(pipeline)

    assert pipeline.sql("select status, deleted from bulk_delete")[0] == {"status": "completed", "deleted": 1}


def test_a_failed_import_from_before_a_bulk_delete_cannot_be_retried(pipeline: Pipeline) -> None:
    import_id, (message, *_) = running_import(pipeline, b"sku,name\nA,one\n")
    pipeline.deliver("fail_chunk", message)
    bulk_deletes.accept(pipeline.backends)

    answer = pipeline.call("POST", f"/imports/{import_id}/retry")

    assert (answer.status, answer.json["code"]) == (409, "not_retryable")


def test_tombstones_are_removed_when_no_import_can_need_them(pipeline: Pipeline) -> None:
    old = products.create(pipeline.backends, Content("A", "one"))
    products.delete(pipeline.backends, old.id)
    _, chunks = running_import(pipeline, b"sku,name\nB,late\n")
    created = products.create(pipeline.backends, Content("B", "two"))
    products.delete(pipeline.backends, created.id)

    def tombstones() -> list[str]:
        return [row["sku_key"] for row in pipeline.sql("select sku_key from product where deleted order by 1")]

    sweeping.sweep(pipeline.backends)
    assert tombstones() == ["a", "b"], "they are young"
    pipeline.sql("update product set updated_at = now() - interval '2 hours'")
    sweeping.sweep(pipeline.backends)
    assert tombstones() == ["b"], "the running import could bring B back"
    for message in chunks:
        pipeline.deliver("upsert_chunk", message)
    sweeping.sweep(pipeline.backends)
    assert tombstones() == []
    assert pipeline.products() == {}
