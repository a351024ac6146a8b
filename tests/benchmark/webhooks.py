"""Webhooks on the running stack, with receivers in this process: latency, rate, and what bad receivers cost others.

Events are recorded here with the domain's own code, because the exact moment of their commit is then known. It is not
known for a request to the API.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import boto3
import requests

from chalicelib import events
from chalicelib.backends import RELAY_QUEUE
from chalicelib.backends.database import Database
from chalicelib.backends.sqs import SqsQueues
from infra.local.processes.deadline import wait_until
from tests.benchmark.imports import Stack
from tests.benchmark.report import Bench
from tests.support.hook_server import HookServer, Reply, hook_server
from tests.support.storm import aws_environment

IDLE_EVENTS = 60
IDLE_WAIT_SECONDS_MAX = 10.0
MANY_EVENTS = 1_000
MANY_WEBHOOKS = 20
MANY_SECONDS_MAX = 300.0
TRIALS = 20
QUICK_WEBHOOKS = 18
FLOW_SECONDS = 40.0
FLOW_EVENTS_PER_SECOND = 2.0
SLOW_RESPONSE_SECONDS = 14.0
CONNECTIONS_MAX = 128
QUIET_SECONDS_MAX = 60.0
_PRODUCT = events.TYPES[0]


class Recorder:
    """Records events and the time of each commit."""

    def __init__(self, stack: Stack) -> None:
        os.environ.update(aws_environment(stack.stack))
        self._queues = SqsQueues("local")
        self._database = Database(stack.stack.file.conninfos["api"], announce=self._committed)
        self._mark = ""
        self.committed_at: dict[str, float] = {}
        """Unix seconds by the mark, which is the product's SKU in the message."""

    def record(self) -> None:
        """Records one event in a transaction of its own, and wakes the relay."""
        self._mark = uuid.uuid4().hex
        with self._database.transaction() as transaction:
            events.record(transaction, _PRODUCT.name, self._mark, {**_PRODUCT.example, "sku": self._mark})

    def record_many(self, count: int) -> None:
        """Records this many events in one transaction, and wakes the relay once."""
        with self._database.transaction() as transaction:
            for _ in range(count):
                events.record(transaction, _PRODUCT.name, uuid.uuid4().hex, _PRODUCT.example)

    def milliseconds(self, server: HookServer) -> list[float]:
        """Returns the times from each commit to the moment when the receiver had read the head of the request."""
        return [(each.at - self.committed_at[json.loads(each.body)["data"]["sku"]]) * 1000 for each in server.received]

    def close(self) -> None:
        """Closes the connection."""
        self._database.close()

    def _committed(self) -> None:
        self.committed_at[self._mark] = time.time()
        self._queues.wake(RELAY_QUEUE)


def idle(stack: Stack) -> list[float]:
    """Sends events one by one, each after the previous one arrived. Returns milliseconds from commit to first byte."""
    with hook_server() as server, _recording(stack) as recorder, _subscribed(stack, [server.url()]):
        for number in range(IDLE_EVENTS):
            recorder.record()
            assert server.wait_for(lambda got, n=number: len(got) > n, IDLE_WAIT_SECONDS_MAX)  # type: ignore[misc]
        return recorder.milliseconds(server)


def deliveries_per_second(stack: Stack, webhooks: int) -> float:
    """Sends many events at once to this many webhooks; measured from the commit until the last one has arrived."""
    with ExitStack() as context:
        server, recorder = context.enter_context(hook_server()), context.enter_context(_recording(stack))
        context.enter_context(_subscribed(stack, [server.url(f"/{number}") for number in range(webhooks)]))
        began = time.monotonic()
        recorder.record_many(MANY_EVENTS)
        whole = MANY_EVENTS * webhooks
        assert server.wait_for(lambda got: len(got) >= whole, MANY_SECONDS_MAX)
        return whole / (time.monotonic() - began)


def trials(stack: Stack) -> list[float]:
    """Returns milliseconds from a test request until its delivery shows the response, polled every 20 ms."""
    spent = []
    with hook_server() as server, _subscribed(stack, [server.url()]) as (webhook_id,):
        for _ in range(TRIALS):
            began = time.monotonic()
            path = _call(stack, "POST", f"/api/webhooks/{webhook_id}/test").headers["Location"]
            wait_until(
                lambda place=path: _call(stack, "GET", place).json()["status_code"] is not None,  # type: ignore[misc]
                IDLE_WAIT_SECONDS_MAX,
                "the test's status code",
            )
            spent.append((time.monotonic() - began) * 1000)
    return spent


def flow(stack: Stack, *, bad: bool) -> list[float]:
    """Sends a steady flow to quick webhooks. Returns milliseconds from commit to first byte, for all their messages.

    With `bad`, two more webhooks get the same events: one never answers, one answers after 14 s.
    """
    released = threading.Event()
    slowly = Reply(wait=lambda: released.wait(SLOW_RESPONSE_SECONDS))
    with hook_server() as server, hook_server(slowly) as slow, _silent() as silent_url, _recording(stack) as recorder:
        urls = [server.url(f"/{number}") for number in range(QUICK_WEBHOOKS)] + (
            [slow.url(), silent_url] if bad else []
        )
        with _subscribed(stack, urls):
            beat = threading.Event()
            count = round(FLOW_SECONDS * FLOW_EVENTS_PER_SECOND)
            began = time.monotonic()
            for number in range(count):
                beat.wait(began + number / FLOW_EVENTS_PER_SECOND - time.monotonic())
                recorder.record()
            assert server.wait_for(lambda got: len(got) >= count * QUICK_WEBHOOKS, MANY_SECONDS_MAX)
        released.set()
        return recorder.milliseconds(server)


def percentile_95(values: Sequence[float]) -> float:
    """Returns the value that one in twenty exceeds."""
    return statistics.quantiles(values, n=20)[-1]


@contextmanager
def subscribed_everywhere(stack: Stack, webhooks: int) -> Iterator[HookServer]:
    """Creates this many webhooks for all events, at one receiver."""
    with hook_server() as server, _subscribed(stack, [server.url(f"/{number}") for number in range(webhooks)]):
        yield server


@contextmanager
def _subscribed(stack: Stack, urls: Sequence[str]) -> Iterator[list[str]]:
    os.environ.update(aws_environment(stack.stack))
    webhook_ids = [_call(stack, "POST", "/api/webhooks", {"url": url, "events": ["*"]}).json()["id"] for url in urls]
    try:
        yield webhook_ids
    finally:
        for webhook_id in webhook_ids:
            _call(stack, "DELETE", f"/api/webhooks/{webhook_id}")
        stack.database.execute("delete from event")
        # Turns of deleted webhooks must not delay the next measurement.
        wait_until(lambda: _all_taken(), QUIET_SECONDS_MAX, "the queues to be empty")


@contextmanager
def _recording(stack: Stack) -> Iterator[Recorder]:
    with ExitStack() as cleanup:
        recorder = Recorder(stack)
        cleanup.callback(recorder.close)
        yield recorder


@contextmanager
def _silent() -> Iterator[str]:
    """Yields a URL that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS_MAX) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def _all_taken() -> bool:
    sqs = boto3.client("sqs")
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for queue in ("events", "deliveries"):
        url = sqs.get_queue_url(QueueName=f"product-importer-local-{queue}")["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        if set(answer["Attributes"].values()) != {"0"}:
            return False
    return True


def _call(stack: Stack, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {stack.stack.file.token}"}
    answer = requests.request(method, f"{stack.stack.file.url}{path}", json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer


def latency_and_rate(bench: Bench, stack: Stack) -> None:
    """Latency and rate, also next to slow or silent receivers; and what subscribers cost an import."""
    deliveries_per_second(stack, MANY_WEBHOOKS)  # Everything is warm from here on.
    lines: list[list[Any]] = []
    header = ["what", "values", "median", "p95", "max", "medians of runs", "p95 of runs"]
    measures = (
        ("idle: commit to first byte, ms", idle),
        ("POST …/test to its status code, ms", trials),
        ("flow to 18: commit to first byte, ms", partial(flow, bad=False)),
        ("the same with a silent and a slow one, ms", partial(flow, bad=True)),
    )
    # One run of each in turn, so that other load on the machine affects all of them.
    rounds = [[measure(stack) for _, measure in measures] for _ in range(bench.runs)]
    for (name, _), runs in zip(measures, zip(*rounds, strict=True), strict=True):
        every = [value for run in runs for value in run]
        spread = (_range(statistics.median(run) for run in runs), _range(percentile_95(run) for run in runs))
        lines.append([name, len(every), statistics.median(every), percentile_95(every), max(every), *spread])
    bench.show("Webhooks: latency", header, lines)
    rates = {count: [deliveries_per_second(stack, count) for _ in range(bench.runs)] for count in (1, MANY_WEBHOOKS)}
    lines = [[count, statistics.median(each), min(each), max(each)] for count, each in rates.items()]
    bench.show("Webhooks: deliveries per second, 1,000 events", ["webhooks", "median", "min", "max"], lines)
    _subscribed_imports(bench, stack)


def _subscribed_imports(bench: Bench, stack: Stack) -> None:
    lines = []
    file = bench.file("plain")
    stack.clear()
    stack.run(file)
    for _ in range(bench.runs):
        stack.clear()
        alone = stack.run(file).seconds
        stack.clear()
        with subscribed_everywhere(stack, MANY_WEBHOOKS) as server:
            subscribed = stack.run(file).seconds
            assert server.wait_for(lambda got: len(got) >= MANY_WEBHOOKS, IDLE_WAIT_SECONDS_MAX)
        lines.append([alone, subscribed, subscribed / alone])
    header = ["no webhook, s", f"{MANY_WEBHOOKS} webhooks, s", "ratio"]
    bench.show(f"An import of {bench.rows:,} rows with subscribers", header, lines)


def _range(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:,.0f}–{ordered[-1]:,.0f}"
