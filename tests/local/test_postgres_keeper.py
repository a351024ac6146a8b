"""PostgreSQL is started again after it ended by itself; not for ever, and without anybody waiting for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from infra.local.postgres.keeper import RESTARTS_MAX, RESTARTS_WINDOW_SECONDS, PostgresKeeper
from infra.local.postgres.leftovers import PostgresFailed


@dataclass
class FakeServer:
    """Ends and answers as the test says."""

    status: int | None = None
    is_ready: bool = True
    starts: int = 0

    def exit_status(self) -> int | None:
        return self.status

    def start_again(self) -> None:
        self.status = None
        self.starts += 1

    def answers(self) -> bool:
        return self.is_ready


@dataclass
class Kept:
    """A keeper of a fake, on a clock that the test moves."""

    server: FakeServer = field(default_factory=FakeServer)
    said: list[str] = field(default_factory=list)
    noted: int = 0
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.keeper = PostgresKeeper(self.server, self.said.append, self._note, lambda: self.now)

    def _note(self) -> None:
        self.noted += 1

    def dies(self) -> None:
        """Ends the server, and looks after it."""
        self.server.status = 137
        self.keeper.check()


def test_a_server_that_runs_is_left_alone() -> None:
    kept = Kept()
    kept.keeper.check()
    assert (kept.server.starts, kept.said) == (0, [])


def test_it_is_started_again_and_both_ends_of_the_gap_are_said() -> None:
    kept = Kept()
    kept.server.is_ready = False
    kept.dies()
    kept.now += 2
    kept.keeper.check()
    assert (kept.server.starts, kept.noted, len(kept.said)) == (1, 1, 1), "nobody waits, and nothing is said too early"
    kept.server.is_ready = True
    for _ in range(2):
        kept.keeper.check()
    assert kept.said == [
        "PostgreSQL ended by itself (status 137): starting it again (restart 1 of at most 5 within 10 minutes)",
        "PostgreSQL answers again after 2.0 s",
    ]


def test_a_server_that_ends_while_it_starts_is_one_gap_and_two_restarts() -> None:
    kept = Kept()
    kept.dies()
    kept.now += 1
    kept.dies()
    kept.now += 1
    kept.keeper.check()
    assert kept.server.starts == 2
    assert kept.said[-1] == "PostgreSQL answers again after 2.0 s"


def test_one_restart_too_many_is_an_error_and_none_is_made() -> None:
    kept = Kept()
    for _ in range(RESTARTS_MAX):
        kept.dies()
    with pytest.raises(PostgresFailed, match="after 5 restarts within 10 minutes, so the stack stops"):
        kept.dies()
    assert kept.server.starts == RESTARTS_MAX


def test_restarts_of_long_ago_do_not_count() -> None:
    kept = Kept()
    for _ in range(3 * RESTARTS_MAX):
        kept.dies()
        kept.now += RESTARTS_WINDOW_SECONDS / RESTARTS_MAX + 1
    assert kept.server.starts == 3 * RESTARTS_MAX
