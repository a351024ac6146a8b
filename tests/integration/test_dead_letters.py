"""Dead letters of bulk deletes and exports: they end work that no message advances, and no other work."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import fault_points
from chalicelib.limits import ADVANCING_SECONDS, STALLED_SECONDS
from chalicelib.repair import sweeping
from infra.local.processes.deadline import wait_until

if TYPE_CHECKING:
    from tests.support.pipeline import Answer, Message, Pipeline

PRODUCTS = 6
LOCKED_SECONDS_MAX = 10.0
WAITING_FOR_LOCKS = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and usename <> current_user"


@dataclass(frozen=True)
class Kind:
    """A kind of work with several messages: its table, route, queue, functions, and how it fails."""

    table: str
    route: str
    body: dict[str, str]
    queue: str
    function: str
    dead_letters: str
    code: str
    commit: str
    """A fault point of a step at which its row is locked."""


KINDS = [
    Kind(
        "bulk_delete", "/bulk-deletes", {"confirm": "DELETE ALL"},
        "bulk-deletes", "bulk_delete_products", "fail_bulk_delete",
        "delete_failed", "bulk_delete.before_step_commit",
    ),
    Kind(
        "export", "/exports", {}, "exports", "export_products", "fail_export",
        "export_failed", "export.before_step_commit",
    ),
]  # fmt: skip


@pytest.fixture(params=KINDS, ids=lambda kind: kind.table)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Each kind, with steps so short that the work needs several."""
    monkeypatch.setattr("chalicelib.catalogue.bulk_deletes.BULK_DELETE_STEP_ROWS", 2)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PAGE_ROWS", 2)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_STEP_PAGES_MAX", 1)
    chosen: Kind = request.param
    return chosen


def accepted(pipeline: Pipeline, kind: Kind) -> tuple[Callable[[], Answer], Message]:
    """Starts some work. Returns a function that shows it, and its message."""
    pipeline.run(b"sku,name\n" + b"".join(b"S%d,x\n" % number for number in range(PRODUCTS)))
    answer = pipeline.call("POST", kind.route, kind.body)
    assert answer.status == 202, answer.body
    return partial(pipeline.call, "GET", f"{kind.route}/{answer.json['id']}"), taken(pipeline, kind)


def taken(pipeline: Pipeline, kind: Kind) -> Message:
    message = pipeline.receive(kind.queue)
    assert message is not None
    return message


def let_time_pass(pipeline: Pipeline, kind: Kind, seconds: float) -> None:
    pipeline.sql(
        f"update {kind.table} set advanced_at = advanced_at - make_interval(secs => %s),"
        " woken_at = woken_at - make_interval(secs => %s)",
        seconds,
        seconds,
    )


def finish(pipeline: Pipeline, kind: Kind) -> None:
    while message := pipeline.receive(kind.queue):
        pipeline.deliver(kind.function, message)


def error_code(answer: Answer) -> Any:
    return answer.json["error"] and answer.json["error"]["code"]


def test_work_that_no_message_advances_ends_with_a_reason(pipeline: Pipeline, kind: Kind) -> None:
    look, message = accepted(pipeline, kind)
    let_time_pass(pipeline, kind, ADVANCING_SECONDS + 1)

    pipeline.deliver(kind.dead_letters, message)
    pipeline.deliver(kind.function, message)

    assert (look().json["status"], error_code(look())) == ("failed", kind.code)
    assert "Retry-After" not in look().headers


def test_work_that_another_message_advances_continues(pipeline: Pipeline, kind: Kind) -> None:
    look, message = accepted(pipeline, kind)
    let_time_pass(pipeline, kind, ADVANCING_SECONDS + 1)
    pipeline.deliver(kind.function, message, seconds=0)  # One step, and the message for the next one.

    pipeline.deliver(kind.dead_letters, message)
    assert look().json["status"] == "processing"
    finish(pipeline, kind)

    assert (look().json["status"], look().json["error"]) == ("completed", None)


def test_a_step_that_is_about_to_commit_counts(pipeline: Pipeline, kind: Kind) -> None:
    """The dead letter waits for the row, and decides by the state in which the step leaves it."""
    look, message = accepted(pipeline, kind)
    pipeline.deliver(kind.function, message, seconds=0)
    let_time_pass(pipeline, kind, ADVANCING_SECONDS + 1)
    judged: list[Future[Any]] = []

    with ThreadPoolExecutor(1) as pool:

        def judge(point: str) -> None:
            if point == kind.commit and not judged:
                judged.append(pool.submit(_judge_on_its_own, kind, message))
                wait_until(lambda: bool(pipeline.sql(WAITING_FOR_LOCKS)), LOCKED_SECONDS_MAX, "the dead letter waiting")

        with fault_points.switched_on(judge):
            pipeline.deliver(kind.function, taken(pipeline, kind), seconds=0)
        judged[0].result()

    assert (look().json["status"], look().json["error"]) == ("processing", None)


def _judge_on_its_own(kind: Kind, message: Message) -> None:
    """Does what the dead-letter function does in its own process: uses its own connection."""
    from chalicelib.backends import connect
    from chalicelib.messages import BulkDeleteMessage, ExportMessage
    from chalicelib.repair import dead_letters
    from chalicelib.settings import settings

    backends = connect(settings())
    try:
        if kind.queue == "bulk-deletes":
            dead_letters.fail_bulk_delete(backends, BulkDeleteMessage.model_validate_json(message["Body"]).bulk_delete)
        else:
            dead_letters.fail_export(backends, ExportMessage.model_validate_json(message["Body"]).export)
    finally:
        backends.database.close()


def test_work_that_fails_again_after_the_sweep_woke_it_ends(pipeline: Pipeline, kind: Kind) -> None:
    """A wake-up does not count as an advance: otherwise each wake-up would postpone the end until the next one."""
    look, message = accepted(pipeline, kind)
    pipeline.deliver(kind.dead_letters, message)
    assert look().json["status"] == "pending", "it has just been accepted"

    let_time_pass(pipeline, kind, max(STALLED_SECONDS, ADVANCING_SECONDS) + 1)
    sweeping.sweep(pipeline.backends)
    pipeline.deliver(kind.dead_letters, taken(pipeline, kind))

    assert (look().json["status"], error_code(look())) == ("failed", kind.code)


def test_the_sweep_wakes_stalled_work_and_waits_before_doing_so_again(pipeline: Pipeline, kind: Kind) -> None:
    look, _ = accepted(pipeline, kind)

    def woken() -> bool:
        sweeping.sweep(pipeline.backends)
        return pipeline.receive(kind.queue) is not None

    assert not woken()
    let_time_pass(pipeline, kind, STALLED_SECONDS + 1)
    assert [woken(), woken(), woken()] == [True, False, False]
    let_time_pass(pipeline, kind, STALLED_SECONDS + 1)
    sweeping.sweep(pipeline.backends)
    finish(pipeline, kind)

    assert look().json["status"] == "completed"


def test_completed_work_stays_completed(pipeline: Pipeline, kind: Kind) -> None:
    look, message = accepted(pipeline, kind)
    pipeline.deliver(kind.function, message)
    let_time_pass(pipeline, kind, ADVANCING_SECONDS + 1)

    pipeline.deliver(kind.dead_letters, message)

    assert look().json["status"] == "completed"
