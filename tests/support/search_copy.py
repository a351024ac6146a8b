"""The copy of the catalogue that lists are filtered by, as tests need it: gone, or full."""

from __future__ import annotations

from chalicelib.backends import Backends
from chalicelib.catalogue import search_index

FORGET = (
    "delete from product_search; delete from product_search_edit;"
    "update product_search_state"
    " set after_key = null, imports = '{}', copied_floor = 0, shown_count = null, floor = 0"
)
"""As in a new database: the copy is empty, and not used."""


def fill(backends: Backends) -> None:
    """Copies all there is to copy."""
    search_index.index_products(backends.database, lambda: 60.0)
