"""How many chunks of an import may be in flight."""

from __future__ import annotations

import pytest

from chalicelib.importing.pace import window
from chalicelib.limits import WRITE_SECONDS_QUICK


@pytest.mark.parametrize(("running", "share"), [(0, 32), (1, 32), (2, 16), (5, 6), (32, 1), (1_000, 1)])
def test_running_imports_share_what_may_be_in_flight(running: int, share: int) -> None:
    for seconds in (None, 0.0, WRITE_SECONDS_QUICK):
        assert window(32, running, seconds) == share


@pytest.mark.parametrize(("slower", "share"), [(1.5, 14), (2, 8), (4, 2), (8, 1), (1_000_000, 1)])
def test_a_slow_database_gets_fewer_chunks_at_a_time(slower: float, share: int) -> None:
    assert window(32, 1, WRITE_SECONDS_QUICK * slower) == share


def test_the_window_never_grows_with_the_time_that_a_chunk_takes() -> None:
    shares = [window(64, 1, tenths / 10) for tenths in range(1_000)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (64, 1)
