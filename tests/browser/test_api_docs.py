"""The API reference: its frame, its code, its links, and its words, which are not broken on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageErrors

LINES = """cells => cells.filter(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell.querySelector('.cell'));
    return new Set([...range.getClientRects()].map(each => Math.round(each.top))).size > 1;
}).map(cell => cell.innerText)"""


@pytest.fixture
def reference(page: Page) -> Page:
    page.goto("/api-docs.html")
    expect(page.locator("#schemas section").last).to_be_visible()
    return page


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_words_are_not_broken(reference: Page, width: int) -> None:
    reference.set_viewport_size({"width": width, "height": 800})
    for title in ("Name", "In", "Status"):
        cells = reference.locator(f"#operations td[data-title='{title}']")
        assert cells.count() > 10
        assert cells.evaluate_all(LINES) == []
    assert reference.evaluate("document.documentElement.scrollWidth") <= width


def test_code_is_shown_as_code(reference: Page) -> None:
    expect(reference.locator("code").filter(has_text="application/problem+json").first).to_be_visible()
    prose = reference.locator("main").evaluate("main => [...main.querySelectorAll('p, li, td')].map(e => e.innerText)")
    assert [each for each in prose if "`" in each] == []


def test_it_links_to_the_guide_to_receiving_webhooks(reference: Page, page_errors: PageErrors) -> None:
    page_errors.expect("404")  # Beside a text, browsers look for /favicon.ico.
    reference.get_by_role("link", name="guide to receiving webhooks").click()
    expect(reference.locator("body")).to_contain_text("# Receiving webhooks")
    reference.go_back()
    reference.get_by_role("navigation", name="Main").get_by_role("link", name="Products").click()
    expect(reference.get_by_role("heading", name="Products")).to_be_visible()
    expect(reference.get_by_role("button", name="Sign out")).to_be_visible()
