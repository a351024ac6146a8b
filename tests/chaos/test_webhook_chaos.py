"""Products are created while relays and senders are killed, receivers fail and PostgreSQL is restarted.

CHAOS=long runs the long form (`make chaos`). CHAOS_SEED repeats the responses of the receivers and the choice of what
is killed. Nothing waits for minutes: retries are due at once, and the sweep's steps run every second instead of every
minute. The long form waits for leases to end. The short form ends a lease as soon as its holder must have been killed,
because no sender that was at work when the lease began is still running.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook as Verifier

from chalicelib import events
from chalicelib.backends.database import Database, RollBack
from chalicelib.backends.sqs import SqsQueues
from chalicelib.errors import Transient
from chalicelib.limits import DELIVERY_LEASE_SECONDS, EXCHANGE_SECONDS_MAX
from chalicelib.webhooks import attempts, relay
from infra.local.testing import RunningStack, running_stack
from tests.support.hook_server import HookServer, Received, Reply
from tests.support.storm import LOOK_SECONDS, StormyStack, aws_environment
from tests.support.variables import whole_number

SEED = whole_number("CHAOS_SEED") or random.SystemRandom().randrange(1 << 32)
VISIBILITY_SECONDS = "5"
PATHS = ("/one", "/two")
FAILED_SHARE = 0.2
UNANSWERED_SHARE = 0.02
TAKEN_EVERY, ROLLED_BACK_EVERY = 20, 15
"""After this many products, one is refused because its SKU exists, and one event is recorded and rolled back."""
CALLERS = 2
BETWEEN_SWEEPS_SECONDS = 1.0
RELAYS_AMONG_KILLED = 0.3
DUPLICATES_SHARE_MAX = 0.05
LAST_BLOW = 0.8
BUSY_SECONDS_MAX = 0.2


@dataclass(frozen=True)
class Storm:
    """The size of the test. `stalls` responses come only after the time-out; the other missing ones never come."""

    products: int
    kills: int
    restarts: int
    stalls: int
    leases_end_early: bool
    end_seconds_max: float


SHORT = Storm(products=200, kills=6, restarts=1, stalls=1, leases_end_early=True, end_seconds_max=150)
LONG = Storm(products=2_000, kills=40, restarts=1, stalls=6, leases_end_early=False, end_seconds_max=900)
STORM = LONG if os.environ.get("CHAOS") == "long" else SHORT


class Receivers:
    """The customer's endpoints: they fail at random, verify every signature, and count what they accepted."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.answers: Counter[int | None] = Counter()
        self.forged: list[str] = []
        self.accepted: Counter[tuple[str, str]] = Counter()
        """How often an endpoint accepted a message, by the endpoint's path and the message's id."""
        self.ids: dict[tuple[str, str], set[str]] = {}
        """The ids of the messages that an endpoint accepted about a product, by the endpoint's path and the SKU."""
        self._tries: Counter[tuple[str, str]] = Counter()
        self._stalls = STORM.stalls
        self._lock = threading.Lock()
        self._released = threading.Event()
        self.server = HookServer(self._reply)

    @property
    def accepted_count(self) -> int:
        """How many messages have been accepted, with repetitions."""
        return self.accepted.total()

    def stop(self) -> None:
        """Stops listening."""
        self._released.set()
        self.server.stop()

    def _reply(self, request: Received) -> Reply | None:
        try:
            message = Verifier(self.secrets[request.path]).verify(request.body, dict(request.headers))
        except Exception as error:  # noqa: BLE001  # for any reason that the library has
            self.forged.append(f"{request.path} {request.id}: {error}")
            return Reply(status=400)
        sku = message["data"]["sku"]
        with self._lock:
            self._tries[request.path, sku] += 1
            chance = random.Random(f"{SEED} {request.path} {sku} {self._tries[request.path, sku]}").random()
            reply = self._answer(chance)
            self.answers[reply.status if reply else None] += 1
            if reply is not None and reply.status == 200:
                self.accepted[request.path, request.id] += 1
                self.ids.setdefault((request.path, sku), set()).add(request.id)
            return reply

    def _answer(self, chance: float) -> Reply | None:
        if chance < UNANSWERED_SHARE:
            if not self._stalls:
                return None
            self._stalls -= 1
            return Reply(status=504, wait=lambda: self._released.wait(EXCHANGE_SECONDS_MAX + 1))
        return Reply(status=503 if chance < UNANSWERED_SHARE + FAILED_SHARE else 200)


class Customer:
    """Creates products over the API in a few threads, and repeats requests that got no response."""

    def __init__(self, stack: RunningStack) -> None:
        self._stack = stack
        self._numbers = iter(range(STORM.products))
        self._lock = threading.Lock()
        self.created = self.refused = self.rolled_back = 0
        self.threads = [threading.Thread(target=self._work) for _ in range(CALLERS)]

    def call(self, method: str, path: str, body: Any) -> requests.Response:
        """Sends a request until it gets a response."""
        headers = {"Authorization": f"Bearer {self._stack.file.token}"}
        while True:
            with suppress(requests.RequestException):
                answer = requests.request(
                    method, f"{self._stack.file.url}{path}", json=body, headers=headers, timeout=30
                )
                if answer.status_code < 500 and answer.status_code != 429:
                    return answer
            time.sleep(LOOK_SECONDS)

    def _work(self) -> None:
        while (number := self._next()) is not None:
            # 409: it was created, but the response was lost.
            assert self._create(f"S-{number}") in {201, 409}
            self.created += 1
            if number % TAKEN_EVERY == 0:
                assert self._create(f"s-{number}") == 409
                self.refused += 1
            if number % ROLLED_BACK_EVERY == 0:
                self._record_and_roll_back(f"phantom {number}")

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)

    def _create(self, sku: str) -> int:
        return self.call("POST", "/api/products", {"sku": sku, "name": "Hammer"}).status_code

    def _record_and_roll_back(self, sku: str) -> None:
        database = Database(self._stack.file.conninfos["api"])
        with suppress(Transient):
            _roll_back(database, sku)
            self.rolled_back += 1
        database.close()


def _roll_back(database: Database, sku: str) -> None:
    with database.transaction() as transaction:
        events.record(transaction, "product.created", sku, {"sku": sku})
        raise RollBack


class Time:
    """Makes time pass faster: every second, pending deliveries become due and the sweep's steps run."""

    def __init__(self, stormy: StormyStack) -> None:
        self._stormy = stormy
        self._database, self._queues = Database(stormy.stack.file.conninfos["sweeper"]), SqsQueues("local")
        self._next = 0.0

    def pass_on(self) -> None:
        """Called often; acts once a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + BETWEEN_SWEEPS_SECONDS
        with suppress(Transient):
            self._stormy.sql(
                "update delivery set due_at = now() where id in (select id from delivery where status = 'pending'"
                " and due_at > now() and claimed_until is null for update skip locked)"
            )
            if STORM.leases_end_early:
                self._end_leases_of_the_dead()
            relay.wake_lost(self._database, self._queues)
            attempts.wake_due(self._database, self._queues)

    def close(self) -> None:
        """Closes the connection."""
        self._database.close()

    def _end_leases_of_the_dead(self) -> None:
        given_until = datetime.now(UTC) + timedelta(seconds=DELIVERY_LEASE_SECONDS)
        if not self._stormy.busy("deliver_webhook"):
            self._stormy.sql("update delivery set claimed_until = now() where claimed_until < %s", given_until)


class Blows:
    """What is killed when: relays and PostgreSQL as products are created, senders as messages are accepted."""

    def __init__(self, stormy: StormyStack, receivers: Receivers, customer: Customer) -> None:
        self._stormy, self._receivers, self._customer = stormy, receivers, customer
        relays = round(STORM.kills * RELAYS_AMONG_KILLED)
        self._relays = _spread(relays)
        self._senders = _spread(STORM.kills - relays)
        self._restarts = _spread(STORM.restarts)

    @property
    def left(self) -> int:
        """How many are still to come."""
        return len(self._relays) + len(self._senders) + len(self._restarts)

    def fall(self) -> None:
        """Kills one of each kind if its time has come. If none is at work, it is killed later."""
        created = self._customer.created / STORM.products
        accepted = self._receivers.accepted_count / STORM.products / len(PATHS)
        if self._restarts and created >= self._restarts[0]:
            self._restarts.pop(0)
            self._stormy.restart_postgres()
        if self._relays and created >= self._relays[0] and self._stormy.kill_busy("relay_events", BUSY_SECONDS_MAX):
            self._relays.pop(0)
        if (
            self._senders
            and accepted >= self._senders[0]
            and self._stormy.kill_busy("deliver_webhook", BUSY_SECONDS_MAX)
        ):
            self._senders.pop(0)


def _spread(count: int) -> list[float]:
    """When to strike this many times, as fractions of the whole."""
    return [LAST_BLOW * (number + 0.5) / count for number in range(count)]


def _weather(stormy: StormyStack, receivers: Receivers, customer: Customer) -> None:
    """Kills, restarts and lets time pass until no event or delivery is left."""
    blows, clock = Blows(stormy, receivers, customer), Time(stormy)
    deadline = time.monotonic() + STORM.end_seconds_max
    while any(thread.is_alive() for thread in customer.threads) or _waiting(stormy):
        assert time.monotonic() < deadline, f"{_waiting(stormy)} are waiting, {blows.left} blows are left"
        blows.fall()
        clock.pass_on()
        time.sleep(LOOK_SECONDS)
    clock.close()
    assert blows.left == 0, "the test ended before all blows had fallen"


def _waiting(stormy: StormyStack) -> int:
    found = stormy.sql(
        "select (select count(*) from event where not relayed)"
        " + (select count(*) from delivery where status = 'pending') as waiting"
    )
    return int(found[0]["waiting"])


def _check(stormy: StormyStack, receivers: Receivers) -> tuple[int, int]:
    """Compares the accepted messages with the catalogue. Returns how many there were, and how many were repetitions."""
    created = {row["sku"] for row in stormy.sql("select sku from product where not deleted")}
    assert len(created) == STORM.products
    sent = {path: {sku for endpoint, sku in receivers.ids if endpoint == path} for path in PATHS}
    assert {path: created - sent[path] for path in PATHS} == {path: set() for path in PATHS}, "lost"
    assert {path: sent[path] - created for path in PATHS} == {path: set() for path in PATHS}, "never happened"
    assert receivers.forged == []
    assert {len(ids) for ids in receivers.ids.values()} == {1}, "sent with two ids"
    assert len(receivers.accepted) == STORM.products * len(PATHS), "two products with one id"
    ends = stormy.sql("select status::text, count(*) from delivery group by status")
    assert ends == [{"status": "delivered", "count": STORM.products * len(PATHS)}]
    accepted = receivers.accepted_count
    duplicates = accepted - len(receivers.accepted)
    assert duplicates <= accepted * DUPLICATES_SHARE_MAX
    assert stormy.deadlocks() == 0
    return accepted, duplicates


def test_every_event_is_delivered_in_the_storm(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"CHAOS_SEED={SEED}", flush=True)  # noqa: T201  # to repeat the run
    waits = {
        "PARAMETER_EventsVisibilitySeconds": VISIBILITY_SECONDS,
        "PARAMETER_DeliveriesVisibilitySeconds": VISIBILITY_SECONDS,
    }
    with running_stack(tmp_path_factory.mktemp("webhook-chaos"), **waits) as stack:
        for name, value in aws_environment(stack).items():
            monkeypatch.setenv(name, value)
        stormy, receivers, customer = StormyStack(stack, random.Random(SEED)), Receivers(), Customer(stack)
        for path in PATHS:
            wanted = {"url": receivers.server.url(path), "events": ["*"]}
            receivers.secrets[path] = customer.call("POST", "/api/webhooks", wanted).json()["secret"]
        began = time.monotonic()
        for thread in customer.threads:
            thread.start()
        try:
            _weather(stormy, receivers, customer)
        finally:
            for thread in customer.threads:
                thread.join()
            receivers.stop()
        seconds = time.monotonic() - began
        accepted, duplicates = _check(stormy, receivers)
        stormy.close()
    assert stormy.killed == STORM.kills
    assert stormy.restarted == STORM.restarts
    assert customer.refused > 0
    assert customer.rolled_back > 0
    answers = ", ".join(f"{status or 'none'}: {count}" for status, count in sorted(receivers.answers.items(), key=str))
    print(  # noqa: T201
        f"{STORM.products} events to {len(PATHS)} endpoints in {seconds:.0f} s: {stormy.killed} functions killed,"
        f" {stormy.restarted} restarts of PostgreSQL; answers {answers}; {customer.refused} requests refused,"
        f" {customer.rolled_back} transactions rolled back; {duplicates} of {accepted} accepted messages were repeated"
        f" ({duplicates / accepted:.2%}), 0 lost, 0 that never happened, {len(receivers.forged)} bad signatures;"
        f" leases of {DELIVERY_LEASE_SECONDS} s"
    )
