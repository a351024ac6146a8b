"""Pages are short whatever they list: the longest texts, in characters that JSON makes longest.

A page ends by bytes as well as by rows, and the links lead to what did not fit. Lambda returns at most 6 MB, which
include the response as a string inside another JSON document.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import events, limits
from chalicelib.catalogue.products import Product
from chalicelib.csvfile.header import read_header
from chalicelib.csvfile.rows import oversized_row
from chalicelib.importing import imports
from chalicelib.webhooks.retry_schedule import ATTEMPTS_MAX
from infra.local.site.gateway import RESPONSE_BYTES_MAX
from tests.integration import gateway

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

GATEWAY_BYTES = 8 * limits.KIB
"""Room for the headers."""
CHARACTERS = ["\x01", '"', "\U0001f528", "ü", "x"]
"""A control character takes six bytes in JSON. Inside a string, a quote takes four, and an emoji may take twelve."""
ITEMS = limits.PAGE_ITEMS_MAX + 1
ERROR_CHARACTERS = 500
"""More than any error of ours has."""
VERSION = 1 << 32
"""Of the first row of the first import."""
SOME_ID = gateway.SOME_ID


def fill_imports(pipeline: Pipeline, character: str) -> str:
    columns = ", ".join(f"“{character * limits.VALUE_CHARACTERS_SHOWN_MAX}…”" for _ in range(limits.COLUMNS_SHOWN_MAX))
    pipeline.sql(
        """insert into import (id, status, operation, filename, bucket, object_key, object_version, size_bytes, header,
             warnings, error_code, error_message, started_at, finished_at)
           select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'failed', n, %s, 'b', n::text, 'v', 1,
             %s, %s, 'x', %s, now(), now()
           from generate_series(1, %s) n""",
        character * limits.FILENAME_CHARACTERS_MAX,
        json.dumps({**read_header(b"sku,name\n", is_whole=True).to_json(), "raw": "x" * limits.KIB}),
        json.dumps([f"Unknown columns were ignored: {columns} and 9,990 more."], ensure_ascii=False),
        character * ERROR_CHARACTERS,
        ITEMS,
    )
    return "/imports"


def fill_rejected_rows(pipeline: Pipeline, character: str) -> str:
    fill_imports(pipeline, character)
    shown = character * limits.VALUE_CHARACTERS_SHOWN_MAX + "…"
    longest = oversized_row(b"", 1).message
    pipeline.sql(
        """insert into rejected_row select %s, n, %s, 'row_too_long', %s, convert_to(repeat(%s, 20000), 'UTF8')
           from generate_series(1, %s) n""",
        SOME_ID,
        shown,
        f"“{shown}” {longest}",
        character,
        ITEMS,
    )
    return f"/imports/{SOME_ID}/rejected-rows"


def fill_products(pipeline: Pipeline, character: str) -> str:
    fill_imports(pipeline, character)
    pipeline.sql(
        """insert into product (sku, sku_key, name, description, active, version, name_version, description_version,
             active_version, content_version)
           select given.sku, sku_key(given.sku), %s, repeat(%s, %s), true, v, v, v, v, v
           from generate_series(1, %s) n, lateral (select %s + n as v) numbered,
             lateral (select %s || n as sku) given""",
        character * limits.NAME_CHARACTERS_MAX,
        character,
        limits.DESCRIPTION_BYTES_MAX // len(character.encode()),
        ITEMS,
        VERSION,
        character * (limits.SKU_CHARACTERS_MAX - 3),
    )
    return "/products"


def fill_webhooks(pipeline: Pipeline, character: str) -> str:
    pipeline.sql(
        """insert into webhook (id, url, description, events, enabled, secret, header_names, disabled_reason, last_at,
             last_status_code, last_milliseconds, last_error, failing_since)
           select ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, %s, %s, %s, false, '\\x00', %s, %s,
             now(), 500, 15000, %s, now()
           from generate_series(1, %s) n""",
        "https://shop.example/".ljust(limits.URL_CHARACTERS_MAX, '"' if character == '"' else "x"),
        character * limits.WEBHOOK_DESCRIPTION_CHARACTERS_MAX,
        ["*", *events.NAMES],
        [str(n).rjust(limits.WEBHOOK_HEADER_NAME_CHARACTERS_MAX, "x") for n in range(limits.WEBHOOK_HEADERS_MAX)],
        "x" * ERROR_CHARACTERS,
        character * ERROR_CHARACTERS,
        limits.WEBHOOKS_MAX,
    )
    return "/webhooks"


def fill_events(pipeline: Pipeline, character: str) -> str:
    moment = datetime.now(UTC)
    product = Product(
        id=1,
        sku=character * limits.SKU_CHARACTERS_MAX,
        sku_key="",
        name=character * limits.NAME_CHARACTERS_MAX,
        description=character * (limits.DESCRIPTION_BYTES_MAX // len(character.encode())),
        active=True,
        content_version=1,
        created_at=moment,
        updated_at=moment,
    )
    pipeline.sql(
        """insert into event (dedupe_key, type, payload, relayed, position)
           select n::text, 'product.created', %s, true, n from generate_series(1, %s) n""",
        json.dumps(product.event_data()),
        ITEMS,
    )
    return "/events"


def fill_deliveries(pipeline: Pipeline, character: str) -> str:
    fill_webhooks(pipeline, character)
    fill_events(pipeline, character)
    pipeline.sql(
        """insert into delivery (webhook_id, event_id, status, attempts, finished_at, last_status_code,
             last_milliseconds, last_error)
           select %s, id, 'failed', 10, now(), 500, 15000, %s from event""",
        SOME_ID,
        character * ERROR_CHARACTERS,
    )
    return f"/webhooks/{SOME_ID}/deliveries"


def fill_exports(pipeline: Pipeline, character: str) -> str:
    pipeline.sql(
        """insert into export (status, filters, estimated_rows, error_code, error_message, finished_at)
           select 'failed', '{}', 1, 'x', %s, now() from generate_series(1, %s) n""",
        character * ERROR_CHARACTERS,
        ITEMS,
    )
    return "/exports"


def fill_bulk_deletes(pipeline: Pipeline, character: str) -> str:
    pipeline.sql(
        """insert into bulk_delete (status, operation, total, error_code, error_message, finished_at)
           select 'failed', n, 1, 'x', %s, now() from generate_series(1, %s) n""",
        character * ERROR_CHARACTERS,
        ITEMS,
    )
    return "/bulk-deletes"


def fill_tokens(pipeline: Pipeline, character: str) -> str:
    pipeline.sql(
        """insert into api_token (name, sha256, scopes, last_used_at, revoked_at, expires_at)
           select 'filled ' || n || %s, sha256(convert_to('filled ' || n, 'UTF8')), '{read}', now(), now(), now()
           from generate_series(1, %s) n""",
        character * (limits.TOKEN_NAME_CHARACTERS_MAX - 10),
        ITEMS,
    )
    return "/tokens"


@pytest.fixture(autouse=True)
def no_filled_tokens(whole_pipeline: Pipeline) -> Iterator[None]:
    """Removes them, because tokens are kept between tests."""
    yield
    whole_pipeline.sql("delete from api_token where starts_with(name, 'filled ')")


FILLED: dict[str, Callable[[Pipeline, str], str]] = {
    "/imports": fill_imports,
    "/imports/{import_id}/rejected-rows": fill_rejected_rows,
    "/products": fill_products,
    "/webhooks": fill_webhooks,
    "/webhooks/{webhook_id}/deliveries": fill_deliveries,
    "/events": fill_events,
    "/exports": fill_exports,
    "/bulk-deletes": fill_bulk_deletes,
    "/tokens": fill_tokens,
}


def test_every_list_is_measured() -> None:
    lists = [each for each in gateway.discovered() if "limit" in each.query.model_fields]
    assert {each.path for each in lists} == set(FILLED)


def pages(pipeline: Pipeline, first: str, link: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every page from the first on, with its size as it was sent."""
    path: str | None = first
    while path is not None:
        answer = pipeline.call("GET", path)
        assert answer.status == 200, answer.body
        yield answer.body, answer.json
        path = answer.json[link] and answer.json[link].removeprefix("/api")


def number_of_items(pipeline: Pipeline, path: str) -> int:
    if path == "/tokens":  # With those of other tests.
        return int(pipeline.sql("select count(*) as counted from api_token")[0]["counted"])
    return limits.WEBHOOKS_MAX if path == "/webhooks" else ITEMS


def names(page: dict[str, Any]) -> list[Any]:
    return [each["line"] if "line" in each else each["id"] for each in page["items"]]


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("path", FILLED)
def test_a_page_is_short_enough_and_the_following_ones_have_the_rest(
    pipeline: Pipeline, path: str, character: str
) -> None:
    filled = FILLED[path](pipeline, character)
    found = list(pages(pipeline, f"{filled}?limit={limits.PAGE_ITEMS_MAX}", "next"))

    seen = [name for _, page in found for name in names(page)]
    assert len(seen) == len(set(seen)) == number_of_items(pipeline, path)
    for body, page in found:
        assert len(body) <= limits.API_RESPONSE_BYTES_MAX
        assert len(json.dumps(body.decode())) <= RESPONSE_BYTES_MAX - GATEWAY_BYTES
        assert 0 < len(page["items"]) <= limits.PAGE_ITEMS_MAX
    for (body, page), (_, following) in pairwise(found):
        more = json.dumps(following["items"][0], ensure_ascii=False).encode()
        assert len(page["items"]) == limits.PAGE_ITEMS_MAX or len(body) + len(more) > limits.PAGE_BYTES_MAX
    if path != "/events":
        last = found[-1][1]
        earlier = (
            [page for _, page in pages(pipeline, last["prev"].removeprefix("/api"), "prev")] if last["prev"] else []
        )
        assert [name for page in (*reversed(earlier), last) for name in names(page)] == seen


@pytest.mark.parametrize("path", [path for path in FILLED if "{" not in path and path not in {"/events", "/tokens"}])
def test_a_single_thing_is_short_enough(pipeline: Pipeline, path: str) -> None:
    FILLED[path](pipeline, CHARACTERS[0])
    (first,) = pipeline.call("GET", f"{path}?limit=1").json["items"]
    answer = pipeline.call("GET", f"{path}/{first['id']}")
    assert answer.status == 200
    assert len(answer.body) <= limits.API_RESPONSE_BYTES_MAX


@pytest.mark.parametrize("character", CHARACTERS)
def test_a_delivery_is_short_enough_however_long_the_responses_to_its_attempts_were(
    pipeline: Pipeline, character: str
) -> None:
    fill_deliveries(pipeline, character)
    pipeline.sql(
        """insert into delivery_attempt (delivery_id, number, started_at, milliseconds, status_code, error,
             request_headers, response_body)
           select id, n, now(), 15000, 500, %s, %s, convert_to(repeat(%s, %s), 'UTF8')
           from delivery, generate_series(1, %s) n""",
        character * ERROR_CHARACTERS,
        json.dumps({"x" * limits.WEBHOOK_HEADER_NAME_CHARACTERS_MAX: "x" * limits.WEBHOOK_HEADER_VALUE_CHARACTERS_MAX}),
        character,
        limits.RESPONSE_BYTES_KEPT // len(character.encode()),
        limits.ATTEMPTS_SHOWN_MAX,
    )
    (delivery,) = pipeline.sql("select id from delivery limit 1")
    answer = pipeline.call("GET", f"/deliveries/{delivery['id']}")

    assert len(answer.body) <= limits.API_RESPONSE_BYTES_MAX
    numbers = [each["number"] for each in answer.json["attempts"]]
    assert numbers == list(range(limits.ATTEMPTS_SHOWN_MAX, limits.ATTEMPTS_SHOWN_MAX - len(numbers), -1))
    assert len(numbers) >= ATTEMPTS_MAX


def test_a_list_of_products_has_the_beginning_of_a_long_description(pipeline: Pipeline) -> None:
    most = limits.LIST_TEXT_CHARACTERS_MAX
    texts = {"A": "ä" * most, "B": "ä" * (most + 1), "C": ""}
    for sku, text in texts.items():
        assert pipeline.call("POST", "/products", {"sku": sku, "name": sku, "description": text}).status == 201

    items = pipeline.call("GET", "/products?sort=sku").json["items"]

    shown = [(each["sku"], each["description"], each["description_is_cut"]) for each in items]
    assert shown == [("A", texts["A"], False), ("B", texts["A"], True), ("C", "", False)]
    for each in items:
        whole = pipeline.call("GET", f"/products/{each['id']}").json
        assert whole["description"] == texts[each["sku"]]
        assert "description_is_cut" not in whole


def test_a_list_of_rejected_rows_has_the_beginning_of_a_long_row(pipeline: Pipeline) -> None:
    most = limits.LIST_TEXT_CHARACTERS_MAX
    rows: list[bytes] = [
        b"," + b"a" * (most - 1),
        b"," + b"a" * most,
        b"," + "ü🔨".encode() * (most // 2),
        b"," + "🔨".encode() * 10 * most,
        b"A,\xff" + b"x" * (most - 3),
        b"B,\xff" + b"x" * most,
    ]
    ended = pipeline.run(b"\n".join([b"sku,name", *rows]))
    items: list[dict[str, Any]] = pipeline.call("GET", f"/imports/{ended['id']}/rejected-rows").json["items"]

    whole = [row.decode("utf-8", "replace") for row in rows]
    assert [each["raw"] for each in items] == [row[:most] for row in whole]
    assert [each["raw_is_cut"] for each in items] == [len(row) > most for row in whole]


def test_a_list_of_imports_does_not_read_their_headers(pipeline: Pipeline) -> None:
    """Two hundred of them have more than the memory of the function."""
    fill_imports(pipeline, "x")
    with pipeline.backends.database.transaction() as transaction:
        for found in (imports.page(transaction, 2), imports.page(transaction, 2, above=uuid.UUID(SOME_ID))):
            assert [each.header for each in found] == [None, None]


def test_a_page_before_another_has_the_beginning_of_long_rows_too(pipeline: Pipeline) -> None:
    ended = pipeline.run(b"\n".join([b"sku,name", *[b"," + b"a" * 1_000] * 5]))
    path = f"/imports/{ended['id']}/rejected-rows?limit=2"
    second = pipeline.call("GET", pipeline.call("GET", path).json["next"].removeprefix("/api")).json
    first = pipeline.call("GET", second["prev"].removeprefix("/api")).json
    assert [(each["line"], each["raw_is_cut"]) for each in first["items"]] == [(2, True), (3, True)]
