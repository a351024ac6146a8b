"""The pages keep to what their content security policy allows, show data as text only, and stay small."""

from __future__ import annotations

import gzip
import posixpath
import re
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
NAMES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())
SENT_BYTES_MAX = 100_000
"""Of the whole page, as it travels: compressed one by one."""


@pytest.mark.parametrize("name", [each for each in NAMES if each.endswith(".html")])
def test_pages_have_no_inline_script_or_style_and_load_nothing_from_elsewhere(name: str) -> None:
    text = (WEB / name).read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:", text)
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", text)
    for linked in re.findall(r"(?:src|href)=\"([^\"#]+)\"", text):
        assert linked in {"./", "api/openapi.json", *NAMES}


@pytest.mark.parametrize("name", [each for each in NAMES if each.endswith(".js")])
def test_scripts_never_make_markup_of_text(name: str) -> None:
    text = (WEB / name).read_text("utf-8")
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"on|srcdoc"
    )
    assert not re.search(forbidden, text)
    for imported in re.findall(r"from \"([^\"]+)\"", text):
        assert posixpath.normpath(posixpath.join(posixpath.dirname(name), imported)) in NAMES


def test_the_whole_page_is_less_than_100_kilobytes_on_its_way() -> None:
    assert sum(len(gzip.compress((WEB / name).read_bytes())) for name in NAMES) < SENT_BYTES_MAX


def test_the_documentation_is_linked_from_the_page() -> None:
    assert 'href="api-docs.html"' in (WEB / "index.html").read_text("utf-8")
