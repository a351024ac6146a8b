"""Execution environments: what happens to an invocation and its process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra.local.errors import AppFailed, FunctionCrashed, FunctionRaised, FunctionTimedOut
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.zygote_client import ZygoteClient
from infra.local.processes.deadline import wait_until
from infra.local.processes.logbook import LogBook
from tests.local.conftest import Standin

GONE_SECONDS_MAX = 10.0


@pytest.fixture
def pool(standin: Standin) -> Pool:
    """The pool of the stand-in's function `work`."""
    return standin.events.pools["work"]


def _event(do: str) -> dict[str, object]:
    attributes = {"messageId": "1", "receiptHandle": "r", "attributes": {}, "messageAttributes": {}}
    return {"Records": [{"body": f'{{"do": "{do}"}}', "eventSource": "aws:sqs", **attributes}]}


def test_invocations_reuse_a_warm_process(pool: Pool, standin: Standin) -> None:
    for _ in range(2):
        pool.invoke(_event("return"))
    assert len({note["pid"] for note in standin.seen("work")}) == 1


@pytest.mark.parametrize(
    ("do", "error", "message"),
    [
        ("raise", FunctionRaised, "ValueError: raised on purpose"),
        ("exit", FunctionCrashed, "ended before it returned"),
        ("crash", FunctionCrashed, "ended before it returned"),
        ("hang", FunctionTimedOut, "timed out after 1.00 seconds"),
    ],
)
def test_each_kind_of_failure_raises_its_own_error(pool: Pool, do: str, error: type[Exception], message: str) -> None:
    started = time.monotonic()
    with pytest.raises(error, match=message):
        pool.invoke(_event(do))
    if do != "hang":
        assert time.monotonic() - started < 1.0, "a crash must not wait for the time-out"
    pool.invoke(_event("return"))


def test_the_process_of_a_timed_out_function_ends(pool: Pool, standin: Standin) -> None:
    with pytest.raises(FunctionTimedOut):
        pool.invoke(_event("hang"))
    [noted] = standin.seen("work")
    wait_until(lambda: not psutil.pid_exists(noted["pid"]), GONE_SECONDS_MAX, "process gone")


def test_a_frozen_function_ends_with_its_stack(pool: Pool, standin: Standin) -> None:
    pool.invoke(_event("return"))
    [noted] = standin.seen("work")
    worker = psutil.Process(noted["pid"])
    # It cannot notice anything by itself: the zygote must end it.
    worker.suspend()
    standin.zygote.stop()
    wait_until(lambda: not worker.is_running(), GONE_SECONDS_MAX, "process gone")


def test_functions_end_when_the_zygote_is_killed(pool: Pool, standin: Standin) -> None:
    pool.invoke(_event("return"))
    [noted] = standin.seen("work")
    worker = psutil.Process(noted["pid"])
    standin.zygote.process.kill()
    standin.zygote.stop()
    wait_until(lambda: not worker.is_running(), GONE_SECONDS_MAX, "process gone")


def test_an_application_that_cannot_be_imported_is_an_error_with_the_reason(
    tmp_path: Path, make_project: Callable[[str], Path]
) -> None:
    logbook = LogBook(tmp_path / "logs", lambda _: None)
    zygote = ZygoteClient(make_project("import no_such_module"), "dev", {}, logbook)
    with pytest.raises(AppFailed, match="no_such_module"):
        _ = zygote.wiring
    zygote.stop()
    logbook.close()


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ('on_s3_event(bucket="b")', "supports queues and schedules, but no S3EventConfig"),
        ('on_sqs_message(queue="q", batch_size=2)', "supports batch_size=1"),
        ('on_sqs_message(queue="q", batch_size=1, maximum_batching_window_in_seconds=1)', "without a batching window"),
    ],
)
def test_a_trigger_that_the_stack_does_not_support_is_an_error(
    tmp_path: Path, make_project: Callable[[str], Path], trigger: str, message: str
) -> None:
    source = f"""
        from chalice import Chalice
        app = Chalice(app_name="other")
        @app.{trigger}
        def handle(event): ...
    """
    logbook = LogBook(tmp_path / "logs", lambda _: None)
    zygote = ZygoteClient(make_project(source), "dev", {}, logbook)
    with pytest.raises(AppFailed, match=message):
        _ = zygote.wiring
    zygote.stop()
    logbook.close()
