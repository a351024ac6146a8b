"""The HTTP API of single products: fields, conditions, and where the content comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import limits
from chalicelib.backends import Backends
from chalicelib.catalogue import bulk_deletes, products
from chalicelib.catalogue.products import Changes
from chalicelib.errors import PreconditionFailed
from tests.support.concurrency import together, workers

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Pipeline

FIELDS = {"id", "sku", "name", "description", "active", "created_at", "updated_at", "source"}
RACES = 30


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The body of a problem answer."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    content: dict[str, Any] = answer.json
    return content


def pointers(answer: Answer) -> list[str]:
    """What is wrong in an invalid request."""
    return [each["pointer"] for each in problem(answer, 422, "invalid")["errors"]]


def create(pipeline: Pipeline, sku: str = "A-1", name: str = "one", **more: Any) -> Answer:
    answer = pipeline.call("POST", "/products", {"sku": sku, "name": name, **more})
    assert answer.status == 201, answer.body
    return answer


def path_of(answer: Answer) -> str:
    return f"/products/{answer.json['id']}"


# --- create and read --------------------------------------------------------------------------------------------------


def test_a_created_product_is_answered_as_it_is_read_later(pipeline: Pipeline) -> None:
    created = create(pipeline, "A-1", "Ünïcode", description="text\r\n with  spaces ", active=False)
    read = pipeline.call("GET", path_of(created))

    assert created.headers["Location"] == f"/api{path_of(created)}"
    assert set(created.json) == FIELDS
    assert isinstance(created.json["id"], str)
    assert (created.json["sku"], created.json["name"], created.json["active"]) == ("A-1", "Ünïcode", False)
    assert created.json["description"] == "text\r\n with  spaces "
    assert created.json["source"] == {"kind": "edit"}
    assert created.json["created_at"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(created.json["created_at"])).total_seconds()) < 60
    assert (read.status, read.json, read.headers["ETag"]) == (200, created.json, created.headers["ETag"])


def test_description_is_empty_and_active_is_true_unless_given(pipeline: Pipeline) -> None:
    created = create(pipeline)

    assert (created.json["description"], created.json["active"]) == ("", True)


def test_sku_and_name_are_trimmed_of_unicode_white_space_and_descriptions_are_not(pipeline: Pipeline) -> None:
    created = create(pipeline, "\u3000\x1c A 1 \u2028", "\u00a0 one\t", description=" x ")

    assert (created.json["sku"], created.json["name"], created.json["description"]) == ("A 1", "one", " x ")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x"}, "/sku"),
        ({"sku": "x"}, "/name"),
        ({"sku": "", "name": "x"}, "/sku"),
        ({"sku": " \u3000\x1f\u0085", "name": "x"}, "/sku"),
        ({"sku": "x", "name": "\u00a0"}, "/name"),
        ({"sku": "x" * (limits.SKU_CHARACTERS_MAX + 1), "name": "x"}, "/sku"),
        ({"sku": "x", "name": "x" * (limits.NAME_CHARACTERS_MAX + 1)}, "/name"),
        ({"sku": "x", "name": "x", "description": "ä" * (limits.DESCRIPTION_BYTES_MAX // 2 + 1)}, "/description"),
        ({"sku": "a\0b", "name": "x"}, "/sku"),
        ({"sku": "x", "name": "a\0"}, "/name"),
        ({"sku": "x", "name": "x", "description": "\0"}, "/description"),
        ({"sku": "x", "name": "x", "active": "yes"}, "/active"),
        ({"sku": "x", "name": "x", "active": 1}, "/active"),
        ({"sku": 5, "name": "x"}, "/sku"),
        ({"sku": "x", "name": "x", "description": None}, "/description"),
        ({"sku": "x", "name": "x", "id": "5"}, "/id"),
        (b'{"sku": "x", "name": "\\ud800"}', "/name"),
        (b'{"sku": "x", "name": "\xed\xa0\x80"}', "/"),
        (b"[]", "/"),
        (b"null", "/"),
    ],
)
def test_an_invalid_field_is_refused_with_a_pointer(pipeline: Pipeline, body: object, pointer: str) -> None:
    created = create(pipeline)

    assert pointers(pipeline.call("POST", "/products", body)) == [pointer]
    assert pointers(pipeline.call("PUT", path_of(created), body)) == [pointer]
    if not isinstance(body, dict) or body.keys() >= {"sku", "name"}:
        assert pointers(pipeline.call("PATCH", path_of(created), body)) == [pointer]
    assert pipeline.products() == {"a-1": ("A-1", "one", "", True)}


def test_the_longest_values_are_accepted(pipeline: Pipeline) -> None:
    sku, name = " " + "😀" * limits.SKU_CHARACTERS_MAX, "é" * limits.NAME_CHARACTERS_MAX + " "
    description = "ä" * (limits.DESCRIPTION_BYTES_MAX // 2)

    created = create(pipeline, sku, name, description=description)

    read = pipeline.call("GET", path_of(created)).json
    assert (read["sku"], read["name"], read["description"]) == (sku.strip(), name.strip(), description)


@pytest.mark.parametrize(
    "product_id", ["0", "7", "-1", "+1", "01", "1.0", "x", "１", "9" * 18, "9" * 19, "9" * 500, "%00", "'; drop table"]
)
def test_an_impossible_id_is_not_found(pipeline: Pipeline, product_id: str) -> None:
    create(pipeline)

    for method, body in (("GET", None), ("PUT", {"sku": "x", "name": "x"}), ("PATCH", {"name": "x"}), ("DELETE", None)):
        problem(pipeline.call(method, f"/products/{product_id}", body), 404, "not_found")
    assert len(pipeline.products()) == 1


# --- change and delete ------------------------------------------------------------------------------------------------


def test_put_replaces_everything(pipeline: Pipeline) -> None:
    created = create(pipeline, description="text", active=False)

    put = pipeline.call("PUT", path_of(created), {"sku": "B", "name": "two"})

    assert put.status == 200
    assert (put.json["id"], put.json["created_at"]) == (created.json["id"], created.json["created_at"])
    assert pipeline.products() == {"b": ("B", "two", "", True)}
    assert pipeline.call("GET", path_of(created)).json == put.json


@pytest.mark.parametrize(
    "changes",
    [
        {"sku": " a-1 "},
        {"sku": "other"},
        {"name": "two"},
        {"description": ""},
        {"description": "x"},
        {"active": True},
        {},
    ],
)
def test_patch_writes_only_the_given_fields(pipeline: Pipeline, changes: dict[str, Any]) -> None:
    created = create(pipeline, description="text", active=False)

    patched = pipeline.call("PATCH", path_of(created), changes)

    expected = {**created.json, **changes, "sku": changes.get("sku", "A-1").strip()}
    assert patched.status == 200
    assert {**patched.json, "updated_at": None} == {**expected, "updated_at": None}
    assert pipeline.call("GET", path_of(created)).json == patched.json
    assert len(pipeline.products()) == 1


@pytest.mark.parametrize("field", ["sku", "name", "description", "active"])
def test_no_field_can_be_null(pipeline: Pipeline, field: str) -> None:
    created = create(pipeline)

    assert pointers(pipeline.call("PATCH", path_of(created), {field: None})) == [f"/{field}"]


def test_a_deleted_product_is_gone(pipeline: Pipeline) -> None:
    created = create(pipeline)

    deleted = pipeline.call("DELETE", path_of(created))

    assert (deleted.status, deleted.body) == (204, b"")
    for method, body in (("GET", None), ("PUT", {"sku": "x", "name": "x"}), ("PATCH", {"name": "x"}), ("DELETE", None)):
        problem(pipeline.call(method, path_of(created), body), 404, "not_found")
    assert create(pipeline).json["id"] != created.json["id"], "a SKU that comes back is another product"


def test_rows_that_a_bulk_delete_has_not_removed_yet_are_invisible(pipeline: Pipeline) -> None:
    created = create(pipeline)
    bulk_deletes.accept(pipeline.backends)

    assert pipeline.sql("select count(*) from product")[0]["count"] == 1
    problem(pipeline.call("GET", path_of(created)), 404, "not_found")
    assert pipeline.call("GET", "/products").json == {
        "items": [], "total": 0, "total_is_estimate": False, "next": None, "prev": None, "search_index": "behind",
    }  # fmt: skip


def test_a_taken_sku_is_answered_with_the_product_that_has_it(pipeline: Pipeline) -> None:
    holder = create(pipeline, "Straße-É", "one")
    other = create(pipeline, "B", "two")

    for answer in (
        pipeline.call("POST", "/products", {"sku": "STRAßE-e\u0301", "name": "x"}),
        pipeline.call("PUT", path_of(other), {"sku": "straße-é", "name": "x"}),
        pipeline.call("PATCH", path_of(other), {"sku": " STRAßE-É "}),
    ):
        content = problem(answer, 409, "sku_taken")
        assert content["product_id"] == holder.json["id"]
        assert "Straße-É" in content["detail"]
    assert pipeline.call("GET", path_of(other)).json == other.json


# --- conditions -------------------------------------------------------------------------------------------------------


def test_the_tag_depends_on_the_content_not_on_who_wrote_last(pipeline: Pipeline) -> None:
    created = create(pipeline, "A", "one")
    same = pipeline.call("PATCH", path_of(created), {"name": "one"})
    imported = pipeline.run(b"sku,name\nA,one\n")
    read = pipeline.call("GET", path_of(created))
    changed = pipeline.call("PATCH", path_of(created), {"name": "two"})
    back = pipeline.call("PATCH", path_of(created), {"name": "one"})

    assert imported["rows"]["unchanged"] == 1
    assert created.headers["ETag"] == same.headers["ETag"] == read.headers["ETag"]
    assert created.json == same.json == read.json
    assert len({each.headers["ETag"] for each in (created, changed, back)}) == 3
    assert changed.json["updated_at"] > created.json["updated_at"]


def test_a_reader_who_already_has_the_content_is_answered_with_304(pipeline: Pipeline) -> None:
    created = create(pipeline)
    tag = created.headers["ETag"]

    def status(if_none_match: str) -> int:
        return pipeline.call("GET", path_of(created), **{"If-None-Match": if_none_match}).status

    assert [status(known) for known in (tag, f"W/{tag}", f'"x", {tag}', "*")] == [304] * 4
    assert [status(other) for other in ('"x"', tag.strip('"'), "", '"*"')] == [200] * 4
    unchanged = pipeline.call("GET", path_of(created), **{"If-None-Match": tag})
    assert (unchanged.body, unchanged.headers["ETag"]) == (b"", tag)


WRITES = [("PUT", {"sku": "B", "name": "two"}), ("PATCH", {"name": "two"}), ("PATCH", {"sku": "B"}), ("DELETE", None)]


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_a_write_with_the_tag_of_older_content_is_refused(pipeline: Pipeline, method: str, body: Any) -> None:
    created = create(pipeline)
    other = create(pipeline, "other")
    now = pipeline.call("PATCH", path_of(created), {"description": "newer"})
    old, current = created.headers["ETag"], now.headers["ETag"]

    refused = [old, f"W/{current}", other.headers["ETag"], "", "nonsense", current.strip('"'), '"*"', f'{old}, "x"']
    for if_match in refused:
        answer = pipeline.call(method, path_of(created), body, **{"If-Match": if_match})
        assert "read it again" in problem(answer, 412, "precondition_failed")["detail"]
    assert pipeline.call("GET", path_of(created)).json == now.json


@pytest.mark.parametrize(("method", "body"), WRITES)
@pytest.mark.parametrize("form", ["{}", "*", ' "x", W/"y",{} '])
def test_a_write_with_the_tag_of_the_current_content_is_done(
    pipeline: Pipeline, method: str, body: Any, form: str
) -> None:
    created = create(pipeline)

    answer = pipeline.call(method, path_of(created), body, **{"If-Match": form.format(created.headers["ETag"])})

    assert answer.status == (204 if method == "DELETE" else 200)


@pytest.mark.parametrize(("method", "body"), WRITES)
def test_a_write_that_excludes_the_current_content_is_refused(pipeline: Pipeline, method: str, body: Any) -> None:
    """If-None-Match on a write. `*` excludes every existing product, and no route creates a product at a given id."""
    created = create(pipeline)
    tag = created.headers["ETag"]

    for if_none_match in ("*", tag, f"W/{tag}", f'"x", {tag}'):
        refused = pipeline.call(method, path_of(created), body, **{"If-None-Match": if_none_match})
        problem(refused, 412, "precondition_failed")
        both = {"If-Match": tag, "If-None-Match": if_none_match}
        problem(pipeline.call(method, path_of(created), body, **both), 412, "precondition_failed")
    assert pipeline.call("GET", path_of(created)).json == created.json

    done = pipeline.call(method, path_of(created), body, **{"If-Match": tag, "If-None-Match": '"x"'})
    assert done.status == (204 if method == "DELETE" else 200)


def test_a_condition_on_a_deleted_product_is_not_found(pipeline: Pipeline) -> None:
    created = create(pipeline)
    pipeline.call("DELETE", path_of(created))

    for if_match in (created.headers["ETag"], "*"):
        problem(pipeline.call("DELETE", path_of(created), **{"If-Match": if_match}), 404, "not_found")


def test_of_two_writers_who_read_the_same_content_exactly_one_is_refused(pipeline: Pipeline) -> None:
    created = create(pipeline, name="a")
    product_id = int(created.json["id"])
    refused: list[str] = []

    def append(worker: Backends, letter: str, read: dict[str, Any]) -> None:
        try:
            products.edit(worker, product_id, Changes(name=read["name"] + letter), frozenset({read["content_version"]}))
        except PreconditionFailed:
            refused.append(letter)

    with workers(2) as (one, other):
        for _ in range(RACES):
            (read,) = pipeline.sql("select content_version, name from product where id = %s", product_id)
            together(partial(append, one, "b", read), partial(append, other, "c", read))

    name = pipeline.call("GET", path_of(created)).json["name"]
    assert sorted(name[1:] + "".join(refused)) == sorted("bc" * RACES)
    assert len(refused) == RACES


# --- source -----------------------------------------------------------------------------------------------------------


def test_the_source_is_the_line_of_the_import_that_last_changed_the_content(pipeline: Pipeline) -> None:
    first = pipeline.run(b'sku,name\nA,"one\nmore"\nB,two\n', filename="first.csv")
    second = pipeline.run(b"sku,name\nC,three\nA,other\nB,two\n", filename="März 2.csv")
    found = {each["sku"]: each for each in pipeline.call("GET", "/products").json["items"]}

    of_b = {"kind": "import", "import_id": first["id"], "filename": "first.csv", "line": 4, "file_kept": True}
    assert found["A"]["source"] == {
        "kind": "import", "import_id": second["id"], "filename": "März 2.csv", "line": 3, "file_kept": True,
    }  # fmt: skip
    assert found["B"]["source"] == of_b, "the second file did not change it"
    product = pipeline.call("GET", f"/products/{found['B']['id']}").json
    assert {**product, "description_is_cut": False} == found["B"]
    untouched = pipeline.call("PATCH", f"/products/{found['B']['id']}", {"name": "two"})
    assert untouched.json["source"] == of_b
    edited = pipeline.call("PATCH", f"/products/{found['B']['id']}", {"name": "edited"})
    assert edited.json["source"] == {"kind": "edit"}
