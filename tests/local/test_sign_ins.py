"""Failed sign-ins: who has to wait, for how long, and who does not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from infra.local.site import sign_ins
from infra.local.site.sign_ins import FAILED_SIGN_INS_PER_MINUTE_MAX, FailedSignIns

HERE, THERE = "127.0.0.1", "127.0.0.2"


@dataclass
class Clock:
    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failed(clock: Clock) -> FailedSignIns:
    """An address that has just reached the limit, with one attempt per second."""
    found = FailedSignIns(clock)
    for number in range(FAILED_SIGN_INS_PER_MINUTE_MAX):
        assert found.wait_seconds(HERE, f"Bearer {number}") == 0
        assert found.failed(HERE, f"Bearer {number}") is (number == FAILED_SIGN_INS_PER_MINUTE_MAX - 1)
        clock.seconds += 1
    return found


def test_an_address_that_reached_the_limit_waits_until_its_oldest_failure_is_a_minute_old(
    failed: FailedSignIns, clock: Clock
) -> None:
    assert failed.wait_seconds(HERE, "Bearer next") == 60 - FAILED_SIGN_INS_PER_MINUTE_MAX
    clock.seconds += 60 - FAILED_SIGN_INS_PER_MINUTE_MAX
    assert failed.wait_seconds(HERE, "Bearer next") == 0
    failed.failed(HERE, "Bearer next")
    assert failed.wait_seconds(HERE, "Bearer after") == 1


def test_another_address_does_not_wait(failed: FailedSignIns) -> None:
    assert failed.wait_seconds(THERE, "Bearer next") == 0


def test_a_token_that_was_accepted_does_not_wait_until_it_is_refused(failed: FailedSignIns) -> None:
    failed.succeeded("Bearer good")
    assert failed.wait_seconds(HERE, "Bearer good") == 0
    failed.failed(THERE, "Bearer good")
    assert failed.wait_seconds(HERE, "Bearer good") > 0


def test_the_same_wrong_token_counts_once() -> None:
    failed = FailedSignIns()
    for _ in range(10 * FAILED_SIGN_INS_PER_MINUTE_MAX):
        assert failed.failed(HERE, "Bearer stale") is False
    assert failed.wait_seconds(HERE, "Bearer new") == 0


def test_what_is_remembered_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "ADDRESSES_MAX", 2)
    monkeypatch.setattr(sign_ins, "ACCEPTED_MAX", 2)
    failed = FailedSignIns()
    for number in range(10):
        failed.failed(f"127.0.0.{number}", "Bearer x")
        failed.succeeded(f"Bearer {number}")
    assert list(failed._refused) == ["127.0.0.8", "127.0.0.9"]
    assert len(failed._accepted) == 2


def test_no_token_stays_in_memory() -> None:
    failed = FailedSignIns()
    failed.failed(HERE, "Bearer imp_refused")
    failed.succeeded("Bearer imp_accepted")
    assert "imp_" not in repr(vars(failed))
