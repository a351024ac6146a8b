"""Behind the proxy nobody says to the database what would tie a session to its caller.

RDS Proxy gives a connection to the next caller when a transaction has ended. It reads the statements: after some, and
after those that are too long to be read, the connection is its caller's until he hangs up («pinned»). What is in a
function of the database it does not see. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html
"""

from __future__ import annotations

import ast
import re

import pytest

from chalicelib.sql import queries
from tests.packaging.conftest import Package
from tests.packaging.reached_source import ROOT, reached

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


def _queries_of(function: str, package: str = "functions") -> set[str]:
    """The names of the queries, and of their fragments, that stand anywhere where a function can get to."""
    found: set[str] = set()
    for module, node in reached(f"{package}.{function}"):
        for each in [*ast.walk(node), *(inner for other in module.others for inner in ast.walk(other))]:
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value in queries():
                found.add(each.value)
    return found


def test_these_are_the_functions_behind_the_proxy(package: Package) -> None:
    found = [name for name, each in package.functions.items() if "DATABASE_POOLED" in each["Environment"]["Variables"]]
    assert sorted(found) == list(POOLED)


@pytest.mark.parametrize("function", POOLED)
def test_no_statement_behind_the_proxy_ties_a_session_to_its_caller(function: str) -> None:
    texts = {name: queries()[name] for name in _queries_of(function)}
    assert {name: text for name, text in texts.items() if PINNING.search(text)} == {}
    assert {name: len(text) for name, text in texts.items() if len(text.encode()) > STATEMENT_BYTES_MAX} == {}


def test_reading_queries_from_source_finds_them() -> None:
    # The yardstick itself: in a call, by way of other modules, and among the values of a table.
    assert {"ping", "bury_product", "put_product", "next_operation", "raise_floor"} <= _queries_of("api")
    assert {"in_parallel", "with_indexes", "with_sku", "indexed_sku", "upwards_by_id"} <= _queries_of("api")
    assert "use_token" in _queries_of("authorize")
    assert {"lock_webhook", "claim_delivery", "note_failure"} <= _queries_of("deliver_webhook")
    assert {"lock_relay", "relay_events"} <= _queries_of("relay_events")
    assert "merge_incoming" not in set[str]().union(*map(_queries_of, POOLED))


def test_reading_queries_from_source_misses_none() -> None:
    functions = ["api", *(each.stem for each in (ROOT / "functions").glob("*.py"))]
    found = set[str]().union(_queries_of("access.tokens", "chalicelib"), *map(_queries_of, functions))
    for name in set(queries()) - found:
        assert any(queries()[name] in queries()[other] for other in found), f"{name} is part of nothing"


@pytest.mark.parametrize(
    "name", ["create_incoming", "lock_in_order", "merge_incoming", "upsert_incoming", "accept_dropped_import"]
)
def test_what_ties_a_session_is_known_by_its_words(name: str) -> None:
    # Workers may say it: their connections are their own.
    assert PINNING.search(queries()[name])
    assert name in _queries_of("upsert_chunk") | _queries_of("split_upload")
