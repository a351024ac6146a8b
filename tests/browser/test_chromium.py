"""How a browser is found, and the error message when there is none."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.browser import chromium
from tests.support import machine

MEET_SECONDS_MAX = 30


def test_a_configured_browser_is_preferred_to_one_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMIUM", "/opt/chrome")
    assert chromium.executable(lambda _: "/usr/bin/other") == "/opt/chrome"
    monkeypatch.delenv("CHROMIUM")
    assert chromium.executable(lambda name: "/usr/bin/google-chrome" if name == "google-chrome" else None) == (
        "/usr/bin/google-chrome"
    )


def test_the_error_says_how_to_install_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(chromium.NoBrowser, match="sudo apt-get install chromium"):
        chromium.executable(lambda _: None)


def test_a_missing_browser_is_installed_where_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = {"apt-get": "/usr/bin/apt-get"}
    monkeypatch.setattr(chromium, "_install", lambda: found.update(chromium="/usr/bin/chromium"))
    assert chromium.executable(found.get) == "/usr/bin/chromium"


def test_two_processes_install_the_browser_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = {"apt-get": "/usr/bin/apt-get"}
    installed: list[str] = []
    both_searched = threading.Barrier(2)

    def which(name: str) -> str | None:
        answer = found.get(name)
        if name == "apt-get":
            both_searched.wait(MEET_SECONDS_MAX)
        return answer

    def install() -> None:
        assert machine.is_locked()
        installed.append("chromium")
        found.update(chromium="/usr/bin/chromium")

    monkeypatch.setattr(chromium, "_install", install)
    with ThreadPoolExecutor(2) as both:
        paths = [each.result() for each in [both.submit(chromium.executable, which) for _ in range(2)]]
    assert (paths, installed) == (["/usr/bin/chromium"] * 2, ["chromium"])
