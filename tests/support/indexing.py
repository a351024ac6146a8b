"""The search index as tests need it: empty or full."""

from __future__ import annotations

from chalicelib.backends import Backends
from chalicelib.catalogue import search_index

FORGET = (
    "delete from product_search; delete from catalogue_change; delete from product_change;"
    "update catalogue_total set total = 0;"
    "update product_search_state set begun = false, built = false, after_key = null, copied_floor = 0"
)
"""SQL that makes it empty and unused, and the record of changes empty, as in a new database."""


def fill(backends: Backends) -> None:
    """Indexes everything."""
    search_index.index_products(backends.database, lambda: 60.0)
