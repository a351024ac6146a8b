"""Every page and dialog, light and dark: no axe violation, nothing cut off at 320 pixels, and a screenshot.

The screenshots go to SCREENSHOTS, or .local/screenshots/.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import SEEN_SECONDS_MAX, PageErrors, Shop
from tests.browser.page_actions import status
from tests.browser.views import VIEWS

SCREENSHOTS = Path(os.environ.get("SCREENSHOTS") or ".local/screenshots")
WIDTHS = {"medium": 768, "narrow": 320}
WIDE: ViewportSize = {"width": 1280, "height": 800}
ALIKE = [["#operations > :nth-child(n+4)"], ["#schemas > :nth-child(n+4)"]]
"""The many sections of the API reference share one layout, so the first three are enough."""
RUN_AXE = """([exclude, options]) => axe.run({ exclude }, options).then((found) => found.violations.map(
  ({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 200))}`))"""
MISTAKES = "sku,name,description\n" + "".join(
    {1: ",Chair without a number,Oak\n", 4: f"CH-4,,Beech\n{'X' * 70},Too long a SKU,Oak\n"}.get(
        each, f"CH-{each},Chair {each},Oak\n"
    )
    for each in range(8)
)
MIDWAY = "sku,name,description\n" + "".join(f"MID-{each},Chair {each},{'Oak ' * 25}\n" for each in range(50_000))
"""Long enough to be imported in several chunks."""


@pytest.fixture(scope="module")
def stocked_shop(shop: Shop, big_file: Path) -> Iterator[Shop]:
    """A shop with many products, imports that ended in every way, and one that is running."""
    shop.product("RUN-LAST", "Held by another transaction")  # First, so that no view shows it.
    shop.upload(big_file.read_bytes(), "catalogue.csv")
    shop.upload(MISTAKES.encode(), "with mistakes.csv")
    shop.upload(b"sku,price\nMUG-01,9.90\n", "nameless.csv")
    shop.upload(b"sku,name\n" + b"CH-9,\n" * 30, "no name.csv")
    midway = shop.upload(MIDWAY.encode(), "failed midway.csv")
    stopped = shop.call("POST", "/imports", {"filename": "stopped.csv", "size_bytes": 5}).json()
    shop.call("POST", f"/imports/{stopped['id']}/cancel")
    shop.call("POST", "/imports", {"filename": "not here yet.csv", "size_bytes": 5})
    shop.aged_import(b"sku,name\nLASTYEAR-8,Chair\n", "long ago.csv")
    shop.sql("delete from import where filename = 'long ago.csv'")
    shop.aged_import(b"sku,name\nLASTYEAR-9,Chair\nLASTYEAR-10,\n", "last year.csv")
    shop.wait_for_imports()
    fail_midway(shop, midway)
    with shop.holding("select from product where sku = 'RUN-LAST' for update"):
        shop.upload(big_file.read_bytes() + b"\r\nHeld,run-last,", "running.csv")
        yield shop


def fail_midway(shop: Shop, import_id: str) -> None:
    """Makes a finished import one whose last chunk could not be written."""
    shop.sql(
        "update import set status = 'failed', retryable = true, error_code = 'chunk_failed', error_message ="
        " 'Part 2 of the file could not be written after several tries, because of an error on our side.',"
        " chunks_done = chunks_done - 1, sum_created = sum_created - last.created, sum_bytes = sum_bytes - last.bytes"
        " from (select created, end_byte - start_byte as bytes from chunk where import_id = %s"
        "       order by number desc limit 1) last where id = %s",
        import_id,
        import_id,
    )
    shop.sql(
        "update chunk set done = false, done_at = null, created = 0"
        " where import_id = %s and number = (select max(number) from chunk where import_id = %s)",
        import_id,
        import_id,
    )


@pytest.fixture(scope="module")
def seen() -> PageErrors:
    """The errors of the page that visits every view."""
    return PageErrors(expected=["HTTP|status of (400|404|409|412|422)"])


@pytest.fixture(scope="module")
def shared_page(browser: Browser, stocked_shop: Shop, seen: PageErrors) -> Iterator[Page]:
    """One page for all views, because there are many, and each has its own URL."""
    context = browser.new_context(base_url=stocked_shop.url, locale="en-GB", viewport=WIDE, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(1000 * SEEN_SECONDS_MAX)
    seen.watch(page)
    page.goto(f"/#token={stocked_shop.token}")
    yield page
    context.close()


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_accessible_and_fits_every_width(
    shared_page: Page, stocked_shop: Shop, seen: PageErrors, name: str
) -> None:
    page = shared_page
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(WIDE)
    # A form with unsaved changes would ask first.
    page.evaluate("() => document.querySelectorAll('dialog').forEach((each) => each.close())")
    expect(page.locator("dialog")).to_have_count(0)
    page.goto("/#/away")  # Leaves the previous view, also its lists.
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    VIEWS[name](page, stocked_shop)

    assert violations(page) == []
    screenshot(page, f"{name}-wide-light")
    for size, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": WIDE["height"]})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is cut off at {width} px"
        screenshot(page, f"{name}-{size}-light")
    assert violations(page, {"rules": {"color-contrast": {"enabled": False}}}) == [], "narrow"
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert violations(page, {"runOnly": ["color-contrast"]}) == [], "dark"
    screenshot(page, f"{name}-wide-dark")
    seen.check()


def violations(page: Page, options: dict[str, Any] | None = None) -> list[str]:
    """Every violation that axe finds, including best practices."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return cast(list[str], page.evaluate(RUN_AXE, [ALIKE, {"resultTypes": ["violations"], **(options or {})}]))


def screenshot(page: Page, name: str) -> None:
    """Saves a screenshot of the whole page, or of the viewport only when a dialog is open."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    whole = page.get_by_role("dialog").count() == 0 and "api-docs" not in name
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)


def test_reduced_motion_stops_all_animations(page: Page, stocked_shop: Shop) -> None:
    page.emulate_media(reduced_motion="reduce")
    VIEWS["import-processing"](page, stocked_shop)
    expect(status(page)).to_have_text("Processing")
    running = page.evaluate("document.getAnimations().filter((each) => each.playState === 'running').length")
    assert running == 0


def test_the_main_actions_work_with_the_keyboard_alone(page: Page, stocked_shop: Shop) -> None:
    page.goto("/#/products?limit=20")
    page.reload()
    expect(page.get_by_role("switch").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Products")).to_be_focused()
    assert page.url.endswith("#/products?limit=20")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="New product")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("SKU", exact=True)).to_be_focused()
    for _ in range(12):  # The focus cannot leave the dialog.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="New product")).to_be_focused()
