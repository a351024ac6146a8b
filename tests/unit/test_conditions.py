"""If-None-Match, as RFC 9110 has it."""

from __future__ import annotations

import pytest

from functions.api.etags import etag_of, is_known


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b","a"', True),
        (', "b" ,, W/"a" ,', True),
        ("*", True),
        (" * ", True),
        ('"a,b", "c"', False),
        ('"b", "a,"', False),
        ('"A"', False),
        ("a", False),
        ("", False),
        ('"a', False),
        ('"a" "a"', False),
        ('w/"a"', False),
        ('"a", *', False),
        (None, False),
    ],
)
def test_a_tag_is_found_in_a_list_by_weak_comparison(header: str | None, known: bool) -> None:
    assert is_known('"a"', header) is known
    assert is_known('W/"a"', header) is known


def test_the_time_to_read_a_header_is_linear() -> None:
    assert not is_known('"a"', ", " * 50_000 + "x")
    assert not is_known('"a"', '"b",' * 50_000 + "x")


def test_tags_differ_with_the_content() -> None:
    assert etag_of("a") == etag_of("a") != etag_of("b")
