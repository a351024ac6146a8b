"""Failed sign-ins: an address that tries many different tokens has to wait, before the API or the database is asked.

Everything on this machine has the same address, so a token that was accepted is not held up by the failures of others,
and one wrong token that a program sends again and again counts once. A deployment has API Gateway's throttling instead.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

FAILED_SIGN_INS_PER_MINUTE_MAX = 20
"""Different tokens of one address that may be refused within a minute."""
ADDRESSES_MAX = 1_000
"""How many addresses are remembered; of more, the one that failed longest ago is forgotten."""
ACCEPTED_MAX = 1_000
"""How many tokens that were accepted are remembered."""
PERIOD_SECONDS = 60.0

Key = TypeVar("Key")
Value = TypeVar("Value")
_Moments = OrderedDict[bytes, float]
"""Hashes of Authorization headers, oldest first, with when each was refused."""


class FailedSignIns:
    """What the addresses have tried lately. Threads may share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._refused: OrderedDict[str, _Moments] = OrderedDict()

    def wait_seconds(self, address: str, authorization: str) -> int:
        """Returns how long this address has to wait before it may try this Authorization header; 0 if it may now."""
        key = _key(authorization)
        with self._lock:
            refused = self._recent(address)
            if key in self._accepted or key in refused or len(refused) < FAILED_SIGN_INS_PER_MINUTE_MAX:
                return 0
            oldest = next(iter(refused.values()))
            return max(1, math.ceil(oldest + PERIOD_SECONDS - self._clock()))

    def succeeded(self, authorization: str) -> None:
        """Records that the authorizer accepted this header. No other answer shows that: some routes are open to all."""
        with self._lock:
            _remember(self._accepted, _key(authorization), None, ACCEPTED_MAX)

    def failed(self, address: str, authorization: str) -> bool:
        """Records that the authorizer refused this header. Returns whether the address has now reached the limit."""
        key = _key(authorization)
        with self._lock:
            self._accepted.pop(key, None)
            refused = self._recent(address)
            is_new = key not in refused
            refused[key] = self._clock()
            refused.move_to_end(key)
            _remember(self._refused, address, refused, ADDRESSES_MAX)
            return is_new and len(refused) == FAILED_SIGN_INS_PER_MINUTE_MAX

    def _recent(self, address: str) -> _Moments:
        """The headers of an address that were refused within the last minute."""
        refused = self._refused.get(address, OrderedDict())
        while refused and next(iter(refused.values())) <= self._clock() - PERIOD_SECONDS:
            refused.popitem(last=False)
        return refused


def _remember(kept: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def _key(authorization: str) -> bytes:
    """A hash, so that no token stays in memory."""
    return hashlib.sha256(authorization.encode("utf-8", "surrogatepass")).digest()
