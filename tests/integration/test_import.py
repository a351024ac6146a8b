"""The whole path from a file to products, compared with Python's csv module reading the same file."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
import requests

from chalicelib import limits
from chalicelib.backends.database import Transaction
from chalicelib.sql import query
from tests.support.sample_files import assignment_like, reference

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline


def test_an_uploaded_file_becomes_exactly_the_products_that_python_reads(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 8 * limits.KIB)
    content = assignment_like(3000)
    expected = reference(content)

    ended = pipeline.run(content.encode())

    assert ended["status"] == "completed"
    assert ended["percent"] == 100
    assert pipeline.products() == expected
    assert ended["rows"] == {
        "total": 3000,
        "created": len(expected),
        "updated": 0,
        "unchanged": 0,
        "superseded": 3000 - len(expected),
        "rejected": 0,
    }
    assert pipeline.sql("select count(*) from chunk")[0]["count"] > 10


def test_a_file_dropped_with_an_s3_client_is_imported_too(pipeline: Pipeline) -> None:
    content = assignment_like(50)
    pipeline.drop(content.encode(), "uploads/Frühjahr + Sommer 2026.csv")
    pipeline.split_next()

    (import_id,) = pipeline.import_ids()
    ended = pipeline.finish(import_id)

    assert (ended["status"], ended["filename"]) == ("completed", "Frühjahr + Sommer 2026.csv")
    assert pipeline.products() == reference(content)


def test_importing_the_same_file_again_changes_nothing(pipeline: Pipeline) -> None:
    content = assignment_like(200).encode()
    pipeline.run(content)
    before = pipeline.sql(
        "select id, sku, name, description, active, content_version, updated_at from product order by id"
    )

    again = pipeline.run(content)

    assert again["rows"]["unchanged"] == len(before)
    assert (again["rows"]["created"], again["rows"]["updated"]) == (0, 0)
    assert before == pipeline.sql(
        "select id, sku, name, description, active, content_version, updated_at from product order by id"
    )


def test_missing_columns_and_empty_active_cells_keep_stored_values(pipeline: Pipeline) -> None:
    pipeline.run(b"sku,name,description,active\nA,one,text,no\nB,two,text,yes\n")

    pipeline.run(b"sku,name\nA,uno\n")
    pipeline.run(b"sku,name,active\nB,due,\nC,tre,\n")

    assert pipeline.products() == {
        "a": ("A", "uno", "text", False),
        "b": ("B", "due", "text", True),
        "c": ("C", "tre", "", True),
    }


def test_an_empty_active_cell_keeps_the_value_of_an_earlier_row_of_the_file(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"sku,name,active\nA,one,no\na,two,\nB,x,\nb,y,off\n")

    assert pipeline.products() == {"a": ("a", "two", "", False), "b": ("b", "y", "", False)}
    assert ended["rows"]["superseded"] == 2


def test_bad_rows_are_explained_and_the_good_ones_are_imported(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"sku,name,active\nA,one,yes\n,two,\nB,,\nC,three,maybe\nD,x,yes,extra\nE,n\xff,\nF,ok,no")

    assert ended["status"] == "completed"
    assert ended["rows"] == {"total": 7, "created": 2, "updated": 0, "unchanged": 0, "superseded": 0, "rejected": 5}
    page = pipeline.call("GET", f"/imports/{ended['id']}/rejected-rows").json
    assert [(row["line"], row["column"], row["code"]) for row in page["items"]] == [
        (3, "sku", "sku_missing"),
        (4, "name", "name_missing"),
        (5, "active", "active_invalid"),
        (6, None, "too_many_fields"),
        (7, "name", "invalid_utf8"),
    ]
    assert page["items"][2]["raw"] == "C,three,maybe"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"sku,price\nA,1\n", "column_missing", "no name column"),
        (b"sku,name,SKU\nA,n,B\n", "column_doubled", "More than one column could be the sku"),
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml" + b"\0" * 400, "file_is_xlsx", "Excel"),
        (b"PK\x03\x04" + b"\0" * 26 + b"products.csv" + b"\0" * 400, "file_is_zip", "ZIP"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "file_is_pdf", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "file_is_image", "image"),
        (b"n\xe4me,sku\nx,y\n", "header_not_utf8", "UTF-8"),
        (b"sku,na\0me\nA,b\n", "header_nul", "NUL"),
    ],
)
def test_a_file_that_cannot_be_imported_fails_with_a_reason_and_changes_nothing(
    pipeline: Pipeline, content: bytes, code: str, words: str
) -> None:
    pipeline.run(b"sku,name\nkept,kept\n")

    ended = pipeline.run(content)

    assert ended["status"] == "failed"
    assert ended["error"]["code"] == code
    assert words in ended["error"]["message"]
    assert ended["error"]["retryable"] is False
    assert list(pipeline.products()) == ["kept"]
    assert pipeline.sql("select type from event order by id") == [
        {"type": "import.completed"},
        {"type": "import.failed"},
    ]


def test_an_empty_file_dropped_into_the_bucket_fails_with_a_reason(pipeline: Pipeline) -> None:
    pipeline.drop(b"")
    pipeline.split_next()

    assert pipeline.finish(pipeline.import_ids()[0])["error"]["code"] == "file_empty"


def test_a_header_alone_completes_with_no_rows(pipeline: Pipeline) -> None:
    for content in (b"sku,name", b"sku,name\r\n", b"sku,name\n\n\n"):
        ended = pipeline.run(content)
        assert (ended["status"], ended["percent"], ended["rows"]["total"]) == ("completed", 100, 0)


def test_nul_and_invalid_utf8_reject_only_their_own_rows(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"sku,name\nA,o\0ne\nB,t\xc3\x28wo\nC,three\n")

    assert list(pipeline.products()) == ["c"]
    codes = [row["code"] for row in pipeline.sql("select code from rejected_row order by line")]
    assert codes == ["nul_character", "invalid_utf8"]
    assert ended["rows"]["total"] == 3


@pytest.mark.parametrize(
    ("packed", "more"),
    [
        (lambda text: text.encode("utf-16"), {}),
        (lambda text: b"\xef\xbb\xbf" + text.encode(), {}),
        (lambda text: gzip.compress(text.encode()), {}),
        (lambda text: text.encode("cp1252"), {"encoding": "windows-1252"}),
    ],
    ids=["utf-16", "utf-8 with BOM", "gzip", "windows-1252"],
)
def test_other_encodings_give_the_same_products(pipeline: Pipeline, packed: object, more: dict[str, str]) -> None:
    text = 'sku;name;description\r\nÄ-1;Größe;"zwei\nZeilen"\r\nä-1;Größe XL;\r\nB;€ 5;x'
    assert callable(packed)

    ended = pipeline.run(packed(text), **more)

    assert ended["status"] == "completed", ended["error"]
    assert pipeline.products() == {"ä-1": ("ä-1", "Größe XL", "", True), "b": ("B", "€ 5", "x", True)}


def rejected_csv(pipeline: Pipeline, import_id: str) -> requests.Response:
    """Downloads the CSV of rejected rows."""
    answer = pipeline.call("GET", f"/imports/{import_id}/rejected-rows.csv")
    assert answer.status == 303
    return requests.get(answer.headers["Location"], timeout=10)


def test_the_rejected_rows_can_be_fixed_and_uploaded_again(pipeline: Pipeline) -> None:
    first = pipeline.run(b'sku;name;active\r\nA;one;maybe\r\nB;"two; or\n2";yes\r\n;=three;no\r\nC;"four\r\nD;five;on')
    rejected = rejected_csv(pipeline, first["id"])
    assert rejected.headers["Content-Disposition"].startswith("attachment")
    assert rejected.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = rejected.content.split(b"\r\n")
    assert lines[0] == b"rejected_line;rejected_because;sku;name;active"
    assert [line.rpartition(b'";')[2] for line in lines[1:3]] == [b"A;one;maybe", b";=three;no"]
    assert lines[3].endswith(b'That line begins: C;""four";;;')  # In its columns, the quote would swallow what follows.

    fixed = rejected.content.replace(b"maybe", b"yes").replace(b";;=three", b";E;=three")
    second = pipeline.run(fixed.replace(b'four";;;', b'four";C;four;no'))

    assert second["rows"]["created"] == 3
    assert second["warnings"] == []
    fixed_table = pipeline.products()
    pipeline.reset()
    pipeline.run(b'sku;name;active\r\nA;one;yes\r\nB;"two; or\n2";yes\r\nE;=three;no\r\nC;four;no\r\nD;five;on')
    assert fixed_table == pipeline.products(), "the same as the clean file's"
    assert len(fixed_table) == 5


def test_a_row_that_was_cut_is_rejected_again_until_it_is_completed(pipeline: Pipeline) -> None:
    description = "d" * 50_000
    pipeline.run(b"sku,name,description\nA,Hammer," + description.encode())
    too_long = b"A,Hammer," + b"long text " * (limits.RECORD_BYTES_MAX // 10)
    first = pipeline.run(b"sku,name,description\n" + too_long + b"\nB,,no name\n")
    shown = pipeline.call("GET", f"/imports/{first['id']}/rejected-rows").json["items"]
    assert [(row["line"], row["code"], row["raw_is_cut"]) for row in shown] == [
        (2, "row_too_long", True),
        (3, "name_missing", False),
    ]

    fixed = rejected_csv(pipeline, first["id"]).content.replace(b"B,,", b"B,Nail,")
    second = pipeline.run(fixed)

    assert {name: second["rows"][name] for name in ("created", "updated", "rejected")} == {
        "created": 1,
        "updated": 0,
        "rejected": 1,
    }
    assert pipeline.products() == {"a": ("A", "Hammer", description, True), "b": ("B", "Nail", "no name", True)}
    (again,) = pipeline.sql("select line, code, raw from rejected_row where import_id = %s", second["id"])
    assert (again["line"], again["code"]) == (2, "sku_missing")
    assert b"line 2 of the imported file. That line begins: A,Hammer,long text" in again["raw"]

    completed = rejected_csv(pipeline, second["id"]).content.replace(b'",,,', b'",A,Hammer,short')
    assert pipeline.run(completed)["rows"]["updated"] == 1
    assert pipeline.products()["a"] == ("A", "Hammer", "short", True)


def test_rejected_rows_of_a_file_in_another_encoding_are_not_decoded_twice(pipeline: Pipeline) -> None:
    """Their CSV is UTF-8. A byte that has no meaning in the declared encoding stays a reason to reject its row."""
    more = {"encoding": "windows-1252"}
    first = pipeline.run(b"sku;name\nA;Gr\x81n\nB;\nC;Gr\xfcn", **more)
    assert (first["rows"]["created"], first["rows"]["rejected"]) == (1, 2)

    fixed = rejected_csv(pipeline, first["id"]).content.replace(b"B;", "B;Größe".encode())
    second = pipeline.run(fixed, **more)

    assert (second["rows"]["created"], second["rows"]["rejected"]) == (1, 1)
    assert pipeline.products() == {"b": ("B", "Größe", "", True), "c": ("C", "Grün", "", True)}


def test_the_csv_of_rejected_rows_is_complete_over_many_pages(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.rejected_rows.REJECTED_ROWS_PER_READ", 3)
    bad = [f",nameless {number}" for number in range(20)]
    ended = pipeline.run("\n".join(["sku,name", *bad]).encode())
    assert ended["rows"]["rejected"] == 20

    lines = rejected_csv(pipeline, ended["id"]).content.decode().splitlines()

    assert [line.rpartition('",')[2] for line in lines[1:]] == bad


def test_rejected_rows_beyond_the_allowance_are_counted_and_their_csv_says_so(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 10)
    monkeypatch.setattr("chalicelib.importing.upserting.REJECTED_ROWS_STORED_MAX", 5)
    ended = pipeline.run("\n".join(["sku,name", *(f",{number:03}" for number in range(20))]).encode())
    assert ended["rows"]["rejected"] == 20
    assert pipeline.call("GET", f"/imports/{ended['id']}/rejected-rows").json["total"] == 5

    lines = rejected_csv(pipeline, ended["id"]).content.decode().splitlines()

    assert len(lines) == 2 + 5
    assert "15 more rows were rejected" in lines[1]
    again = pipeline.run("\n".join(lines).encode())["rows"]
    assert (again["total"], again["rejected"]) == (6, 6)


STORED_BYTES = """select coalesce(sum(octet_length(column_name) + octet_length(code) + octet_length(message)
  + octet_length(raw)), 0)::bigint as bytes, count(*) as rows from rejected_row"""


def test_a_long_column_name_is_not_stored_again_with_every_rejected_row(pipeline: Pipeline) -> None:
    """A file of 118 KB used to take 315 MB in the database."""
    name = "".join(f"{number:05}" for number in range(20_000)).encode()
    file = b"sku,name," + name + b"\n" + b"a,b,\xff\n" * 3_000
    ended = pipeline.run(file)
    assert ended["rows"]["rejected"] == 3_000

    (stored,) = pipeline.sql(STORED_BYTES)
    assert (stored["rows"], stored["bytes"] <= 8 * len(file)) == (3_000, True), stored
    (shown,) = pipeline.call("GET", f"/imports/{ended['id']}/rejected-rows?limit=1").json["items"]
    assert shown["column"] == name[: limits.VALUE_CHARACTERS_SHOWN_MAX].decode() + "…"


@pytest.mark.parametrize("allowed", [0, 299, 1_000, 5_000])
def test_everything_that_is_stored_of_a_rejected_row_counts(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    """Of an empty name, the message is much longer than the row."""
    monkeypatch.setattr("chalicelib.importing.splitting.CHUNK_BYTES", 50)
    monkeypatch.setattr("chalicelib.importing.upserting.REJECTED_BYTES_STORED_MAX", allowed)
    assert pipeline.run("\n".join(["sku,name", *(f"{n:03}," for n in range(100))]).encode())["rows"]["rejected"] == 100

    (stored,) = pipeline.sql(STORED_BYTES)
    assert stored["bytes"] <= allowed
    assert stored["rows"] == allowed // len(
        "000," + "name" + "name_missing" + "The name is empty. Every product needs a name."
    )


def test_warnings_name_the_columns_that_were_ignored(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"sku,name,colour\nA,b,red\n")

    assert ended["status"] == "completed"
    assert len(ended["warnings"]) == 1
    assert "colour" in ended["warnings"][0]


@pytest.mark.parametrize(
    ("known_rows", "statement"),
    [(-1, "merge_incoming"), (0, "upsert_incoming"), (500, "upsert_incoming"), (50_000, "merge_incoming")],
)
def test_a_catalogue_that_seems_small_is_written_without_a_join(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, known_rows: int, statement: str
) -> None:
    """For example after everything was deleted. A join would read a whole index for every row of a chunk."""
    pipeline.run(b"sku,name\nA,x\n")
    pipeline.sql("alter table product set (autovacuum_enabled = off)")
    pipeline.sql("update pg_class set reltuples = %s, relpages = 1 where oid = 'product'::regclass", known_rows)
    used = []

    def watched(self: Transaction, name: str, kind: type[Any], /, **parameters: Any) -> Any:
        used.append(name)
        return original(self, name, kind, **parameters)

    original = Transaction.row
    monkeypatch.setattr(Transaction, "row", watched)
    try:
        assert pipeline.run(b"sku,name\nA,y\nB,z\n")["status"] == "completed"
    finally:
        pipeline.sql("alter table product reset (autovacuum_enabled)")

    assert [name for name in used if name.endswith("_incoming")] == [statement]


def test_rows_that_inherit_their_switch_are_joined_before_the_planner_may_only_use_nested_loops(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nested loop would compare each row of the chunk that has no value with each row that has one."""
    used = []

    def watched(self: Transaction, name: str, /, **parameters: Any) -> int:
        used.append(name)
        return original(self, name, **parameters)

    original = Transaction.run
    monkeypatch.setattr(Transaction, "run", watched)

    pipeline.run(b"sku,name,active\nA,x,no\nA,y,\n")

    assert used.index("inherit_active") < used.index("lock_in_order")


def test_in_a_large_catalogue_each_row_of_a_chunk_is_looked_up_by_index(pipeline: Pipeline) -> None:
    """The reason for the limit: if the statistics report this many rows, the plan looks up one key at a time."""
    pipeline.run(b"sku,name\nA,x\n")
    pipeline.sql(
        "update pg_class set reltuples = %s, relpages = 1 where oid = 'product'::regclass", limits.MERGE_ROWS_MIN + 1
    )
    with pipeline.backends.database.transaction() as transaction:
        transaction.run("create_incoming")
        transaction.run("lock_in_order")
        statement = f"explain {query('merge_incoming')}".encode()
        plan = transaction.cursor.execute(statement, {"operation": 9, "floor": 0}).fetchall()
    text = "\n".join(row[0] for row in plan)
    assert "Index Cond: (sku_key = excluded.key)" in text, text
    assert "Join Filter" not in text, text
