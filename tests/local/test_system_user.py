"""PostgreSQL's system user is created once, also where two stacks want it at the same moment."""

from __future__ import annotations

import os
import pwd
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from infra.local.postgres import system_user
from tests.support import machine

MEET_SECONDS_MAX = 30


def test_of_two_that_start_at_once_one_creates_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    users: dict[str, SimpleNamespace] = {}
    created: list[list[str]] = []
    both_look, looked = threading.Barrier(2), threading.local()

    def getpwnam(name: str) -> SimpleNamespace:
        user = users.get(name)
        if not hasattr(looked, "once"):
            looked.once = True
            both_look.wait(MEET_SECONDS_MAX)
        if user is None:
            raise KeyError(name)
        return user

    def run(command: list[str], **_: object) -> None:
        assert machine.is_locked()
        created.append(command)
        users[system_user.NAME] = SimpleNamespace(pw_name=system_user.NAME, pw_gid=77)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    monkeypatch.setattr("infra.local.postgres.system_user.subprocess.run", run)
    with ThreadPoolExecutor(2) as both:
        accounts = [each.result() for each in [both.submit(system_user.account, print) for _ in range(2)]]

    assert accounts == [system_user.Account(system_user.NAME, 77)] * 2
    assert [command[0] for command in created] == ["useradd"]
