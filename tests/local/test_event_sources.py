"""Queues and schedules invoke functions as on AWS: shapes, redelivery, dead letters, concurrency."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from infra.local.processes.deadline import wait_until
from tests.local.conftest import RECEIVES_MAX, VISIBILITY_SECONDS, WORKERS, Standin

QUEUE_SECONDS_MAX = 10.0


def test_a_message_reaches_the_function_in_lambdas_shape_and_is_deleted(standin: Standin) -> None:
    message_id = standin.send("work", do="return", text="größer")
    [noted] = standin.wait_for("work", 1)
    [record] = noted["event"]["Records"]
    body = json.dumps({"do": "return", "text": "größer"})
    assert record["messageId"] == message_id
    assert record["body"] == body
    assert record["md5OfBody"] == hashlib.md5(body.encode()).hexdigest()
    assert record["receiptHandle"]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].startswith("arn:aws:sqs:us-east-1:000000000000:standin-")
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    for name in ("SenderId", "SentTimestamp", "ApproximateFirstReceiveTimestamp"):
        assert record["attributes"][name].isdigit()
    assert record["messageAttributes"] == {}
    wait_until(lambda: standin.is_empty("work"), QUEUE_SECONDS_MAX, "queue empty")


def test_a_function_finds_its_context_and_only_its_own_environment(standin: Standin) -> None:
    standin.send("work", do="return")
    [noted] = standin.wait_for("work", 1)
    context, environment = noted["context"], noted["environment"]
    assert context["function_name"] == "standin-local-work"
    assert context["function_version"] == "$LATEST"
    assert context["invoked_function_arn"] == "arn:aws:lambda:us-east-1:000000000000:function:standin-local-work"
    assert context["memory_limit_in_mb"] == "512"
    assert context["log_group_name"] == "/aws/lambda/standin-local-work"
    assert len(context["aws_request_id"]) == 36
    assert {"log_stream_name", "identity", "client_context"} <= set(context)
    assert 0 < noted["remaining"] <= 1000
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "standin-local-work"
    assert environment["GREETING"] == "from the stage"
    assert environment["OF_FUNCTION"] == "work"
    assert environment["STAGE"] == "local"
    assert "HOME" not in environment
    assert "AWS_PROFILE" not in environment


def test_a_failed_message_reappears_after_the_visibility_time_out_and_ends_in_the_dead_letter_queue(
    standin: Standin,
) -> None:
    message_id = standin.send("work", do="raise")
    started = time.monotonic()
    [buried] = standin.wait_for("bury", 1)
    assert time.monotonic() - started >= VISIBILITY_SECONDS * RECEIVES_MAX - 1
    counts = [note["event"]["Records"][0]["attributes"]["ApproximateReceiveCount"] for note in standin.seen("work")]
    assert counts == ["1", "2"]
    assert buried["event"]["Records"][0]["messageId"] == message_id
    assert len({note["pid"] for note in standin.seen("work")}) == 1, "an exception must not cost the process"
    wait_until(lambda: standin.is_empty("work-dead"), QUEUE_SECONDS_MAX, "dead letters consumed")


def test_a_time_out_or_crash_keeps_its_message_and_does_not_affect_the_next_one(standin: Standin) -> None:
    for do in ("hang", "crash"):
        standin.send("work", do=do)
    for do in ("hang", "crash"):
        standin.wait_for("work", 2, lambda note, do=do: _body(note) == {"do": do})  # type: ignore[misc]
    standin.send("work", do="return")
    standin.wait_for("work", 1, lambda note: _body(note) == {"do": "return"})
    standin.wait_for("bury", 2)
    pids = [note["pid"] for note in standin.seen("work")]
    assert len(set(pids)) == len(pids), "a process that was killed or crashed must not be reused"
    log = (standin.logs / "work.log").read_text()
    assert "Task timed out after 1.00 seconds" in log
    assert "the process ended before it returned" in log


def test_a_function_never_exceeds_its_concurrency_and_other_functions_do_not_wait(standin: Standin) -> None:
    for n in range(WORKERS + 3):
        standin.send("slow", n=n)
    standin.wait_for("slow", WORKERS, lambda note: note["at"] == "start")
    standin.send("work", do="return")
    standin.wait_for("work", 1)
    standin.release_file.touch()
    standin.wait_for("slow", WORKERS + 3, lambda note: note["at"] == "end")
    running = most = 0
    for note in standin.seen("slow"):
        running += 1 if note["at"] == "start" else -1
        most = max(most, running)
    assert most == WORKERS


def test_a_schedule_runs_at_the_start_with_eventbridges_event(standin: Standin) -> None:
    [noted] = standin.wait_for("tick", 1)
    event = noted["event"]
    assert event["detail-type"] == "Scheduled Event"
    assert event["source"] == "aws.events"
    assert event["resources"] == ["arn:aws:events:us-east-1:000000000000:rule/tick"]
    assert event["time"].endswith("Z")
    assert event["detail"] == {}


def test_output_goes_to_the_functions_log_and_warnings_also_to_the_terminal(standin: Standin) -> None:
    standin.send("work", do="log")
    # The order varies: the supervisor writes the report, the rest comes through a pipe.
    for expected in ("REPORT RequestId", "printed", "a warning with arguments"):
        wait_until(lambda text=expected: text in _log(standin, "work"), QUEUE_SECONDS_MAX, f"{expected} in the log")  # type: ignore[misc]
    assert any("a warning with arguments" in line for line in standin.echoed)
    assert not any("printed" in line for line in standin.echoed)


def _log(standin: Standin, function: str) -> str:
    file = standin.logs / f"{function}.log"
    return file.read_text() if file.exists() else ""


def _body(note: dict[str, Any]) -> Any:
    return json.loads(note["event"]["Records"][0]["body"])
