"""Requests with many errors or values: neither the response, nor the memory, grows with the square of the body."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from typing import Any, cast

import pytest
from chalice.app import MultiDict, Request
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Invalid
from chalicelib.limits import (
    BODY_BYTES_MAX,
    BODY_VALUES_MAX,
    DESCRIPTION_BYTES_MAX,
    KIB,
    POINTER_CHARACTERS_MAX,
    PROBLEM_ERRORS_MAX,
)
from chalicelib.webhooks import own_headers
from functions.api import request_parsing
from functions.api.bulk_delete_models import NewBulkDelete
from functions.api.export_models import NewExport
from functions.api.problems import problem_of
from functions.api.product_models import WholeProduct
from functions.api.request_parsing import UnsupportedMediaType, read_body, read_parameters
from functions.api.webhook_models import NewWebhook, WebhookChanges

RESPONSE_BYTES_MAX = 64 * KIB
MEMORY_PER_BYTE_MAX = 100
"""Python needs some 50 bytes for each of many small strings. Repeated pointers needed 5,000 for each byte of a body."""
JSON = "application/json"
NUL, HALF = "\0", "\ud800"
MOST = BODY_VALUES_MAX - 10
"""As many errors as a body has room for."""


class FakeRequest:
    """The parts of a request that are parsed."""

    def __init__(
        self, raw: bytes = b"", query: MultiDict | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.raw_body = raw
        self.query_params = query
        self.headers = {"content-type": JSON, **(headers or {})}


def refused(content: Any, model: type[Any] = NewExport, memory_per_byte: int = MEMORY_PER_BYTE_MAX) -> Invalid:
    """The error of a body. Checks that the response is short, and the memory in proportion to the body."""
    raw = json.dumps(content, separators=(",", ":")).encode()
    assert len(raw) <= BODY_BYTES_MAX
    tracemalloc.start()
    try:
        with pytest.raises(Invalid) as caught:
            read_body(cast(Request, FakeRequest(raw)), model)
        response = problem_of(caught.value).body
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(response) <= RESPONSE_BYTES_MAX
    assert peak <= memory_per_byte * len(raw) + BODY_BYTES_MAX
    return caught.value


@pytest.mark.parametrize(
    ("key_characters", "count", "bad"), [(40_000, 1_000, NUL), (500_000, 5_000, HALF), (900_000, MOST, NUL)]
)
def test_a_long_key_is_not_repeated_for_every_error_inside_it(key_characters: int, count: int, bad: str) -> None:
    error = refused({"a" * key_characters: [bad] * count})

    first, last = error.errors[0], error.errors[-1]
    assert first.pointer == "/" + "a" * (POINTER_CHARACTERS_MAX - 1) + "…"
    assert last.pointer == first.pointer
    assert len(error.errors) == PROBLEM_ERRORS_MAX
    assert error.message.startswith(
        f"the request body has {count:,} errors, of which the first {PROBLEM_ERRORS_MAX} are listed. aaa"
    )


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ([NUL] * MOST, MOST),
        ({f"{number}{NUL}": 1 for number in range(MOST)}, MOST),
        ([[[[{"x" * 1_000: {"y": [NUL] * MOST}}]]]], MOST),
    ],
)
def test_strings_that_cannot_be_stored_are_counted_and_the_first_are_listed(content: Any, count: int) -> None:
    error = refused(content)
    assert f"has {count:,} errors" in error.message
    assert len(error.errors) == PROBLEM_ERRORS_MAX


def test_pointers_lead_to_each_string_and_are_complete_while_they_are_short() -> None:
    error = refused({"a/b": ["fine", NUL, {"c~d": HALF}], f"e{NUL}": {"f": NUL}, "g": "fine"})
    assert [(each.pointer, each.message.split()[0]) for each in error.errors] == [
        ("/a~1b/1", "Contains"),
        ("/a~1b/2/c~0d", "Contains"),
        ("/", "The"),
        (f"/e{NUL}/f", "Contains"),
    ]
    assert error.message.startswith("the request body has 4 errors. a~1b/1: Contains a NUL character.")


def test_a_string_in_place_of_an_object_is_named_by_the_root() -> None:
    error = refused(NUL)
    assert [each.pointer for each in error.errors] == ["/"]


def test_unknown_fields_with_short_or_long_names_are_counted() -> None:
    error = refused({f"{number:06}": 1 for number in range(MOST)})
    assert f"has {MOST:,} errors, of which the first {PROBLEM_ERRORS_MAX} are listed" in error.message

    long = refused({"n" * 900_000: 1})
    assert len(long.errors[0].pointer) == POINTER_CHARACTERS_MAX + len("…")


@pytest.mark.parametrize("model", [NewWebhook, WebhookChanges])
def test_wrong_headers_of_a_webhook_are_counted(model: type[Any]) -> None:
    headers = {f"{number:06} ": 1 for number in range(MOST)}
    error = refused({"url": "https://shop.example", "events": ["*"], "headers": headers}, model)
    assert len(error.errors) == PROBLEM_ERRORS_MAX


@pytest.mark.parametrize("value", [[], {}, 0, "x", {"a": 1}, [[]], NUL])
def test_a_body_of_very_many_values_is_refused_before_it_is_parsed(value: Any) -> None:
    error = refused({"sku": [value] * (BODY_BYTES_MAX // 12)}, memory_per_byte=25)
    assert "Has more than 10,000 values." in error.message
    assert [each.pointer for each in error.errors] == ["/"]


def counted(content: Any) -> int:
    """The values inside a value. An empty list or object counts as one that has a value."""
    if isinstance(content, list):
        return max(1, len(content)) + sum(map(counted, content))
    if isinstance(content, dict):
        return max(1, len(content)) + sum(map(counted, content.values()))
    return 0


TEXT = st.text(alphabet='",[]{}\\:xü', max_size=12)
CONTENT = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)


@given(CONTENT, st.booleans())
def test_values_are_counted_as_they_are_nested_and_strings_are_not_read(content: Any, ascii_only: bool) -> None:
    raw = json.dumps(content, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_parsing, "BODY_VALUES_MAX", 10)
        with pytest.raises(Invalid) as caught:
            read_body(cast(Request, FakeRequest(raw)), NewBulkDelete)
    assert ("Has more than 10 values" in caught.value.message) == (counted(content) >= 10)


def test_a_long_text_may_contain_what_separates_values() -> None:
    for text in (",", "[", "{", '","', "\\", '\\"', '\\\\",{'):
        description = text * (DESCRIPTION_BYTES_MAX // len(text))
        raw = json.dumps({"sku": "A", "name": "x", "description": description}).encode()
        assert read_body(cast(Request, FakeRequest(raw)), WholeProduct).description == description


def test_a_header_without_a_value_to_keep_is_named_by_its_beginning() -> None:
    with pytest.raises(Invalid) as caught:
        own_headers.merged({"x" * 900_000: None}, {})
    assert len(problem_of(caught.value).body) < RESPONSE_BYTES_MAX


def test_a_key_that_appears_twice_is_refused_however_long_it_is() -> None:
    key = "k" * 400_000
    with pytest.raises(Invalid, match="same key twice") as caught:
        read_body(cast(Request, FakeRequest(f'{{"{key}":1,"{key}":2}}'.encode())), NewExport)
    assert len(problem_of(caught.value).body) < RESPONSE_BYTES_MAX


@pytest.mark.parametrize("value", ["x", NUL])
def test_unknown_parameters_are_counted_and_their_names_are_shortened(value: str) -> None:
    names = [f"{number:06}" + "n" * 300 for number in range(3_000)]
    request = FakeRequest(query=MultiDict({name: [value, value] for name in names}))
    with pytest.raises(Invalid) as caught:
        read_parameters(cast(Request, request), NewExport)

    assert len(caught.value.errors) == PROBLEM_ERRORS_MAX
    assert len(problem_of(caught.value).body) < RESPONSE_BYTES_MAX
    assert caught.value.errors[0].pointer == names[0][:POINTER_CHARACTERS_MAX] + "…"


def test_the_name_of_a_parameter_is_not_a_pointer() -> None:
    with pytest.raises(Invalid) as caught:
        read_parameters(cast(Request, FakeRequest(query=MultiDict({"a/b": ["1"]}))), NewExport)
    assert [each.pointer for each in caught.value.errors] == ["a/b"]


@pytest.mark.parametrize(
    ("name", "start"), [("content-type", ""), ("content-type", f"{JSON};charset="), ("content-encoding", "")]
)
def test_a_long_media_type_or_encoding_is_named_by_its_beginning(name: str, start: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        read_body(cast(Request, FakeRequest(b"{}", headers={name: start + "x" * 200_000})), NewExport)
    assert len(problem_of(caught.value).body) < RESPONSE_BYTES_MAX
