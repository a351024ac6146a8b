"""Stored credentials of a webhook, and what happens to them while it is edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.backends.sealing import LocalKey
from chalicelib.limits import WRITE_ATTEMPTS_MAX
from tests.integration.webhooks import subscribe

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

URL = "http://127.0.0.1:9/hook"
"""A closed port."""
HUSH = {"Authorization": "Bearer hush-hush"}
KEPT = {"Authorization": None}
WhileSealing = Callable[[Callable[[], object]], None]


@pytest.fixture
def while_sealing(monkeypatch: pytest.MonkeyPatch) -> WhileSealing:
    """Calls something whenever a value is sealed or opened."""
    methods: dict[str, Callable[..., bytes]] = {"seal": LocalKey.seal, "open": LocalKey.open}

    def install(act: Callable[[], object]) -> None:
        for name, really in methods.items():

            def called(*arguments: Any, really: Callable[..., bytes] = really) -> bytes:
                act()
                return really(*arguments)

            monkeypatch.setattr(LocalKey, name, called)

    return install


def test_no_transaction_is_open_while_values_are_sealed_or_opened(
    pipeline: Pipeline, while_sealing: WhileSealing
) -> None:
    open_transactions: list[int] = []
    query = "select pid from pg_stat_activity where usename = 'importer' and state like 'idle in transaction%%'"
    while_sealing(lambda: open_transactions.append(len(pipeline.sql(query))))

    path = f"/webhooks/{subscribe(pipeline, URL, headers=HUSH)['id']}"
    assert pipeline.call("PATCH", path, {"headers": {**KEPT, "X-Shop": "north"}}).status == 200
    assert pipeline.call("POST", f"{path}/rotate-secret").status == 200

    assert len(open_transactions) >= 5
    assert set(open_transactions) == {0}


def test_an_edit_in_between_is_not_overwritten_by_headers_that_it_removed(
    pipeline: Pipeline, while_sealing: WhileSealing
) -> None:
    path = f"/webhooks/{subscribe(pipeline, URL, headers=HUSH)['id']}"
    others: list[dict[str, Any]] = [{"headers": {}}]
    while_sealing(lambda: others and pipeline.call("PATCH", path, others.pop()))

    answer = pipeline.call("PATCH", path, {"headers": KEPT})

    assert answer.status == 422
    assert "Authorization has no saved value to keep" in answer.json["detail"]
    assert pipeline.call("GET", path).json["headers"] == {}


def test_an_edit_that_always_loses_the_race_ends(pipeline: Pipeline, while_sealing: WhileSealing) -> None:
    webhook = subscribe(pipeline, URL, headers=HUSH)
    tried: list[object] = []

    def interfere() -> None:
        tried.append(pipeline.sql("update webhook set revision = revision + 1 returning revision"))

    while_sealing(interfere)
    answer = pipeline.call("PATCH", f"/webhooks/{webhook['id']}", {"headers": {"X-Shop": "north"}})

    assert (answer.status, len(tried)) == (503, WRITE_ATTEMPTS_MAX)
