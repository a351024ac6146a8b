"""Functions that use RDS Proxy send no statement that ties a connection to its caller.

RDS Proxy gives a connection to another caller after each transaction. It reads the statements: after some of them, and
after those that are too long to be read, it reserves the connection for its caller until that disconnects ("pinning").
It does not see inside database functions.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html
"""

from __future__ import annotations

import re

import pytest

from chalicelib.sql import queries
from tests.packaging.conftest import Package
from tests.packaging.reached_source import ROOT, queries_of

POOLED = ("api", "authorize", "deliver_webhook", "relay_events")
STATEMENT_BYTES_MAX = 16 * 1024
PINNING = re.compile(
    r"""
    (?:\A|;) \s* (?:set|reset|prepare|execute|deallocate|discard|declare|listen|unlisten|load) \b
    | \b temp(?:orary)? \s+ (?:table|sequence|view) \b
    | \b (?:nextval|setval|currval|lastval|set_config) \b
    | \b pg_(?:try_)?advisory_(?:un)?lock
    """,
    re.IGNORECASE | re.VERBOSE,
)


def test_these_functions_use_the_proxy(package: Package) -> None:
    pooled = [name for name, each in package.functions.items() if "DATABASE_POOLED" in each["Environment"]["Variables"]]
    assert sorted(pooled) == list(POOLED)


@pytest.mark.parametrize("function", POOLED)
def test_no_statement_of_theirs_pins_a_connection(function: str) -> None:
    texts = {name: queries()[name] for name in queries_of(f"functions.{function}")}
    assert {name: text for name, text in texts.items() if PINNING.search(text)} == {}
    assert {name: len(text) for name, text in texts.items() if len(text.encode()) > STATEMENT_BYTES_MAX} == {}


def test_queries_are_found_in_the_source() -> None:
    # A check of the check: in a call, by way of other modules, and in the values of a mapping.
    assert {"ping", "bury_product", "put_product", "next_operation", "raise_floor"} <= queries_of("functions.api")
    assert {"in_parallel", "with_indexes", "with_sku", "indexed_sku", "upwards_by_id"} <= queries_of("functions.api")
    assert "use_token" in queries_of("functions.authorize")
    assert {"lock_webhook", "claim_delivery", "note_failure"} <= queries_of("functions.deliver_webhook")
    assert {"lock_relay", "relay_events"} <= queries_of("functions.relay_events")
    assert "merge_incoming" not in set[str]().union(*(queries_of(f"functions.{name}") for name in POOLED))


def test_no_query_in_the_source_is_missed() -> None:
    functions = ["api", *(each.stem for each in (ROOT / "functions").glob("*.py"))]
    used = set[str]().union(
        queries_of("chalicelib.access.tokens"), *(queries_of(f"functions.{name}") for name in functions)
    )
    for name in set(queries()) - used:
        assert any(queries()[name] in queries()[other] for other in used), f"{name} is not used"


@pytest.mark.parametrize(
    "name", ["create_incoming", "lock_in_order", "merge_incoming", "upsert_incoming", "accept_dropped_import"]
)
def test_pinning_statements_are_recognised(name: str) -> None:
    # Workers may use them: they connect without the proxy.
    assert PINNING.search(queries()[name])
    assert name in queries_of("functions.upsert_chunk") | queries_of("functions.split_upload")
