"""How a browser is found, and what is said when there is none."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.browser import chromium
from tests.support import machine

MEET_SECONDS_MAX = 30


def test_a_browser_that_is_named_goes_before_one_that_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/opt/chrome")
    assert chromium.executable(lambda _: "/usr/bin/other") == "/opt/chrome"
    monkeypatch.delenv("CHROMIUM")
    assert chromium.executable(lambda name: "/usr/bin/google-chrome" if name == "google-chrome" else None) == (
        "/usr/bin/google-chrome"
    )


def test_where_none_can_be_installed_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(chromium.NoBrowser, match="sudo apt-get install chromium"):
        chromium.executable(lambda _: None)


def test_one_is_installed_where_that_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = {"apt-get": "/usr/bin/apt-get"}
    monkeypatch.setattr(chromium, "_install", lambda: found.update(chromium="/usr/bin/chromium"))
    assert chromium.executable(found.get) == "/usr/bin/chromium"


def test_of_two_that_need_one_the_first_installs_it_and_the_other_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = {"apt-get": "/usr/bin/apt-get"}
    installed: list[str] = []
    both_look = threading.Barrier(2)

    def which(name: str) -> str | None:
        answer = found.get(name)
        if name == "apt-get":
            both_look.wait(MEET_SECONDS_MAX)
        return answer

    def install() -> None:
        assert machine.is_locked()
        installed.append("chromium")
        found.update(chromium="/usr/bin/chromium")

    monkeypatch.setattr(chromium, "_install", install)
    with ThreadPoolExecutor(2) as both:
        paths = [each.result() for each in [both.submit(chromium.executable, which) for _ in range(2)]]
    assert (paths, installed) == (["/usr/bin/chromium"] * 2, ["chromium"])
