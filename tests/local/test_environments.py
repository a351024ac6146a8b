"""Execution environments: what happens to an invocation, and to its process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra.local.lambda_.execution_environment import FunctionCrashed, FunctionRaised, FunctionTimedOut
from infra.local.lambda_.pool import Pool
from infra.local.lambda_.zygote_client import AppFailed, Nursery
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
        ("raise", FunctionRaised, "ValueError: told to raise"),
        ("exit", FunctionCrashed, "ended before it answered"),
        ("crash", FunctionCrashed, "ended before it answered"),
        ("hang", FunctionTimedOut, "timed out after 1.00 seconds"),
    ],
)
def test_failures_are_told_apart(pool: Pool, do: str, error: type[Exception], message: str) -> None:
    started = time.monotonic()
    with pytest.raises(error, match=message):
        pool.invoke(_event(do))
    if do != "hang":
        assert time.monotonic() - started < 1.0, "a crash must not wait for the time-out"
    pool.invoke(_event("return"))


def test_a_function_that_timed_out_is_gone(pool: Pool, standin: Standin) -> None:
    with pytest.raises(FunctionTimedOut):
        pool.invoke(_event("hang"))
    [noted] = standin.seen("work")
    wait_until(lambda: not psutil.pid_exists(noted["pid"]), GONE_SECONDS_MAX, "process gone")


def test_a_frozen_function_does_not_outlive_its_stack(pool: Pool, standin: Standin) -> None:
    pool.invoke(_event("return"))
    [noted] = standin.seen("work")
    worker = psutil.Process(noted["pid"])
    # It cannot notice anything itself; the zygote must end it.
    worker.suspend()
    standin.nursery.stop()
    wait_until(lambda: not worker.is_running(), GONE_SECONDS_MAX, "process gone")


def test_functions_end_when_the_zygote_is_killed(pool: Pool, standin: Standin) -> None:
    pool.invoke(_event("return"))
    [noted] = standin.seen("work")
    worker = psutil.Process(noted["pid"])
    standin.nursery.process.kill()
    standin.nursery.stop()
    wait_until(lambda: not worker.is_running(), GONE_SECONDS_MAX, "process gone")


def test_an_application_that_cannot_be_imported_says_why(tmp_path: Path, make_project: Callable[[str], Path]) -> None:
    logbook = LogBook(tmp_path / "logs", lambda _: None)
    nursery = Nursery(make_project("import no_such_module"), "dev", {}, logbook)
    with pytest.raises(AppFailed, match="no_such_module"):
        _ = nursery.wiring
    nursery.stop()
    logbook.close()


def test_an_event_source_that_the_stack_does_not_have_is_an_error(
    tmp_path: Path, make_project: Callable[[str], Path]
) -> None:
    source = """
        from chalice import Chalice
        app = Chalice(app_name="other")
        @app.on_s3_event(bucket="b")
        def handle(event): ...
    """
    logbook = LogBook(tmp_path / "logs", lambda _: None)
    nursery = Nursery(make_project(source), "dev", {}, logbook)
    with pytest.raises(AppFailed, match="no S3EventConfig"):
        _ = nursery.wiring
    nursery.stop()
    logbook.close()
