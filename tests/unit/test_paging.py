"""How many items fit into a page. The lists themselves are tested in tests/integration/test_page_sizes.py."""

from __future__ import annotations

from pydantic import BaseModel

from chalicelib.limits import PAGE_BYTES_MAX
from functions.api.paging import fitting


class Text(BaseModel):
    text: str


def test_a_page_ends_before_the_item_that_would_make_it_too_long() -> None:
    around = len('{"text":""},')
    tenth = Text(text="x" * (PAGE_BYTES_MAX // 10 - around))
    assert fitting([tenth] * 10) == 10
    assert fitting([tenth] * 11) == 10
    assert fitting([Text(text=tenth.text + "x"), *[tenth] * 9]) == 9


def test_a_page_has_an_item_however_long_it_is_so_that_its_link_leads_on() -> None:
    assert fitting([Text(text="x" * 2 * PAGE_BYTES_MAX)] * 3) == 1
