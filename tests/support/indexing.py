"""The search index as tests need it: empty or full."""

from __future__ import annotations

from chalicelib.backends import Backends
from chalicelib.catalogue import search_index

FORGET = (
    "delete from product_search; delete from product_search_edit;"
    "update product_search_state"
    " set after_key = null, imports = '{}', copied_floor = 0, shown_count = null, floor = 0"
)
"""SQL that makes it empty and unused, as in a new database."""


def fill(backends: Backends) -> None:
    """Indexes everything."""
    search_index.index_products(backends.database, lambda: 60.0)
