"""Scheduled every minute: keeps the copy of the catalogue that lists are filtered by."""

from __future__ import annotations

from chalice.app import CloudWatchEvent

from chalicelib.catalogue import search_index
from functions.composition import backends
from functions.consumers import seconds_left_of


def handle(event: CloudWatchEvent) -> None:
    """Copies what is new, for as long as the invocation lasts."""
    search_index.index_products(backends().database, seconds_left_of(event))
