"""How a browser is found, and what is said when there is none."""

from __future__ import annotations

import os

import pytest

from tests.browser import chromium


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
