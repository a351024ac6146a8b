"""The page obeys its content security policy, shows data as text only, uses declared variables, and stays small."""

from __future__ import annotations

import gzip
import posixpath
import re
from pathlib import Path

import pytest

from chalicelib.limits import IDEMPOTENCY_KEY_SECONDS
from infra.site_files import GUIDES

WEB = Path(__file__).parents[2] / "web"
NAMES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
SENT_BYTES_MAX = 100_000
"""The whole page, with every file compressed on its own."""


@pytest.mark.parametrize("name", [each for each in NAMES if each.endswith(".html")])
def test_pages_have_no_inline_script_or_style_and_load_nothing_from_elsewhere(name: str) -> None:
    text = read(name)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:", text)
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text)
    for linked in re.findall(r"(?:src|href)=\"([^\"#]+)\"", text):
        # The page for unknown paths is sent at any depth, so its links are absolute.
        assert linked in {"./", "/", "api/openapi.json", *GUIDES} or linked.removeprefix("/") in NAMES


@pytest.mark.parametrize("name", [each for each in NAMES if each.endswith(".js")])
def test_scripts_never_turn_text_into_markup(name: str) -> None:
    text = read(name)
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"on|srcdoc"
    )
    assert not re.search(forbidden, text)
    for imported in re.findall(r"(?:from|import\() ?\"([^\"]+)\"", text):
        assert posixpath.normpath(posixpath.join(posixpath.dirname(name), imported)) in NAMES


@pytest.mark.parametrize("name", [each for each in NAMES if each.endswith(".css")])
def test_styles_use_only_declared_variables_and_load_nothing(name: str) -> None:
    text = read(name)
    declared = set(re.findall(r"^\s*(--[\w-]+):", read("style.css"), re.MULTILINE))
    assert set(re.findall(r"var\((--[\w-]+)", text)) <= declared
    assert not re.search(r"@import|url\(", text)


def test_the_page_links_to_every_stylesheet() -> None:
    pages = read("index.html") + read("api-docs.html")
    linked = set(re.findall(r"href=\"([^\"]+\.css)\"", pages))
    assert linked == {each for each in NAMES if each.endswith(".css")}


def test_the_whole_page_is_smaller_than_100_kilobytes_compressed() -> None:
    assert sum(len(gzip.compress((WEB / name).read_bytes())) for name in NAMES) < SENT_BYTES_MAX


def test_an_upload_is_registered_again_only_while_its_idempotency_key_is_known() -> None:
    hours = int(re.findall(r"REGISTRATION_MS_MAX = (\d+) \* 3600_000", read("uploads.js"))[0])
    assert hours * 3600 < IDEMPOTENCY_KEY_SECONDS


def test_the_page_links_to_the_api_reference() -> None:
    assert 'href="api-docs.html"' in read("index.html")


def read(name: str) -> str:
    """The text of a file of the page."""
    return (WEB / name).read_text("utf-8")
