"""The HTTP API of bulk deletes: a wish nobody utters by accident, and its progress."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

FIELDS = {"id", "status", "total", "deleted", "percent", "error", "created_at", "finished_at"}
CONFIRMED = {"confirm": "DELETE ALL"}


def import_products(pipeline: Pipeline, count: int) -> None:
    pipeline.run(b"sku,name\n" + b"".join(b"S%d,x\n" % number for number in range(count)))


def look(pipeline: Pipeline, accepted: Answer) -> Answer:
    answer = pipeline.call("GET", f"/bulk-deletes/{accepted.json['id']}")
    assert answer.status == 200, answer.body
    assert set(answer.json) == FIELDS
    return answer


def test_a_bulk_delete_is_accepted_and_can_be_watched_to_its_end(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.catalogue.bulk_deletes.BULK_DELETE_STEP_ROWS", 2)
    import_products(pipeline, 5)

    accepted = pipeline.call("POST", "/bulk-deletes", CONFIRMED)

    assert accepted.status == 202
    assert accepted.headers["Location"] == f"/api/bulk-deletes/{accepted.json['id']}"
    assert accepted.headers["Retry-After"] == "1"
    assert set(accepted.json) == FIELDS
    assert (accepted.json["status"], accepted.json["total"], accepted.json["percent"]) == ("pending", 5, 0)
    assert pipeline.call("GET", "/products").json["total"] == 0, "at once, as far as anybody can see"
    seen = [look(pipeline, accepted).json]
    assert seen[0] == accepted.json
    while message := pipeline.receive("bulk-deletes"):
        pipeline.deliver("bulk_delete_products", message, seconds=0)
        answer = look(pipeline, accepted)
        assert ("Retry-After" in answer.headers) == (answer.json["status"] == "processing")
        seen.append(answer.json)
    assert [(each["status"], each["deleted"], each["percent"]) for each in seen] == [
        ("pending", 0, 0), ("processing", 2, 40), ("processing", 4, 80), ("completed", 5, 100),
    ]  # fmt: skip
    assert all(each["finished_at"] is None for each in seen[:-1])
    assert seen[-1]["finished_at"] > seen[-1]["created_at"]
    assert seen[-1]["finished_at"].endswith("Z")
    assert pipeline.sql("select count(*) from product")[0]["count"] == 0


def test_it_is_at_100_percent_when_products_came_back_before_their_rows_went(pipeline: Pipeline) -> None:
    import_products(pipeline, 2)
    accepted = pipeline.call("POST", "/bulk-deletes", CONFIRMED)
    pipeline.call("POST", "/products", {"sku": "s0", "name": "again"})

    while message := pipeline.receive("bulk-deletes"):
        pipeline.deliver("bulk_delete_products", message)

    ended = look(pipeline, accepted).json
    assert (ended["status"], ended["total"], ended["deleted"], ended["percent"]) == ("completed", 2, 1, 100)
    assert list(pipeline.products()) == ["s0"]


def test_an_empty_catalogue_can_be_emptied(pipeline: Pipeline) -> None:
    accepted = pipeline.call("POST", "/bulk-deletes", CONFIRMED)
    while message := pipeline.receive("bulk-deletes"):
        pipeline.deliver("bulk_delete_products", message)

    ended = look(pipeline, accepted).json
    assert (accepted.json["percent"], ended["percent"], ended["status"]) == (0, 100, "completed")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/confirm"),
        ({"confirm": "delete all"}, "/confirm"),
        ({"confirm": "DELETE ALL "}, "/confirm"),
        ({"confirm": True}, "/confirm"),
        ({"confirm": None}, "/confirm"),
        ({"confirm": ["DELETE ALL"]}, "/confirm"),
        ({**CONFIRMED, "dry_run": True}, "/dry_run"),
        (b"", "/"),
        (b'"DELETE ALL"', "/"),
    ],
)
def test_without_the_exact_words_nothing_is_deleted(pipeline: Pipeline, body: Any, pointer: str) -> None:
    import_products(pipeline, 1)

    answer = pipeline.call("POST", "/bulk-deletes", body)

    assert answer.status == 422
    assert [each["pointer"] for each in answer.json["errors"]] == [pointer]
    assert list(pipeline.products()) == ["s0"]
    assert pipeline.call("GET", "/products").json["total"] == 1


def test_one_that_failed_says_why(pipeline: Pipeline) -> None:
    import_products(pipeline, 1)
    accepted = pipeline.call("POST", "/bulk-deletes", CONFIRMED)
    message = pipeline.receive("bulk-deletes")
    assert message is not None
    pipeline.sql("update bulk_delete set advanced_at = now() - interval '1 day'")
    pipeline.deliver("fail_bulk_delete", message)

    answer = look(pipeline, accepted)

    assert (answer.json["status"], answer.json["percent"]) == ("failed", 0)
    assert answer.json["error"]["code"] == "delete_failed"
    assert "not all of their space is freed" in answer.json["error"]["message"]
    assert "Retry-After" not in answer.headers


def test_one_that_has_not_changed_is_answered_with_304(pipeline: Pipeline) -> None:
    accepted = pipeline.call("POST", "/bulk-deletes", CONFIRMED)
    tag = look(pipeline, accepted).headers["ETag"]

    answer = pipeline.call("GET", f"/bulk-deletes/{accepted.json['id']}", **{"If-None-Match": tag})

    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize("bulk_delete_id", [str(uuid.UUID(int=1)), "1", "x" * 500, "'; drop table product; --", "%00"])
def test_an_unknown_one_is_not_found(pipeline: Pipeline, bulk_delete_id: str) -> None:
    answer = pipeline.call("GET", f"/bulk-deletes/{bulk_delete_id}")

    assert (answer.status, answer.json["code"]) == (404, "not_found")
