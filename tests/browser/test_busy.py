"""A control that has sent a request ignores further clicks until the response arrives, and shows that it is busy."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Shop
from tests.browser.page_actions import click_three_times, hold
from tests.browser.webhook_fake import FakeWebhooks

STOCK = "https://stock.example/hook"
OTHER = "https://other.example/hook"
TESTS = re.compile(r"/api/webhooks/[^/]+/test$")


def expect_busy(control: Locator) -> None:
    expect(control).to_have_attribute("aria-busy", "true")
    expect(control).to_have_attribute("aria-disabled", "true")
    expect(control).to_be_focused()


def expect_ready(control: Locator) -> None:
    expect(control).not_to_have_attribute("aria-busy", "true")
    expect(control).to_be_enabled()


def box_of(page: Page, spoken: str) -> dict[str, float]:
    """Where a button is. Found and measured in one step: between two, the list may be drawn again."""
    found: dict[str, float] = page.evaluate(
        "spoken => document.querySelector(`button[aria-label='${spoken}']`).getBoundingClientRect().toJSON()", spoken
    )
    return found


def test_three_clicks_on_export_start_one_export(page: Page, shop: Shop) -> None:
    page.goto("/#/products")
    held = hold(page, "POST", "**/api/exports")
    export = page.get_by_role("button", name="Export as CSV")
    click_three_times(page, export)
    expect_busy(export)
    assert len(held.routes) == 1
    held.release()
    expect(page.get_by_role("region", name="Exporting products")).to_have_count(1)
    expect_ready(export)
    expect(export).to_be_focused()


def test_three_clicks_on_a_name_open_one_dialog(page: Page, shop: Shop) -> None:
    product = shop.product("BUSY-1", "Busy bee")
    page.goto("/#/products?sku=BUSY-1")
    held = hold(page, "GET", f"**/api/products/{product['id']}")
    name = page.get_by_role("button", name="Busy bee", exact=True)
    click_three_times(page, name)
    expect_busy(name)
    assert len(held.routes) == 1
    held.release()
    expect(page.get_by_role("dialog")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_ready(name)
    expect(name).to_be_focused()


def test_three_clicks_on_a_switch_save_once(page: Page, shop: Shop) -> None:
    product = shop.product("BUSY-2", "Busy beaver")
    page.goto("/#/products?sku=BUSY-2")
    held = hold(page, "PATCH", f"**/api/products/{product['id']}")
    switch = page.get_by_role("switch", name="Busy beaver is active")
    click_three_times(page, switch)
    expect_busy(switch)
    assert len(held.routes) == 1
    held.release()
    expect(page.get_by_text("Busy beaver is now inactive.")).to_be_visible()
    expect_ready(switch)
    expect(switch).not_to_be_checked()


def test_a_button_that_is_redrawn_stays_busy(page: Page) -> None:
    fake = FakeWebhooks()
    fake.add(STOCK)
    fake.add(OTHER)
    fake.install(page)
    page.goto("/#/webhooks")
    held = hold(page, "POST", TESTS)
    test = page.get_by_role("button", name=f"Test {STOCK}")
    click_three_times(page, test)
    expect_busy(test)

    page.get_by_role("switch", name=f"{OTHER} is on").click()
    expect(page.get_by_text("Webhook turned off.")).to_be_visible()
    expect(page.get_by_role("table").get_by_role("switch", checked=False)).to_have_count(1)
    expect(test).to_have_attribute("aria-busy", "true")
    click_three_times(page, test)
    expect(page.get_by_role("button", name=f"Test {OTHER}")).to_be_enabled()
    assert len(held.routes) == 1
    held.release()
    expect_ready(test)
    assert len(fake.deliveries) == 1


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_a_button_does_not_move_when_it_is_clicked(page: Page, width: int) -> None:
    """A second click would hit its neighbour, which may delete something."""
    fake = FakeWebhooks()
    fake.deliver(fake.add(STOCK), "product.updated", (200, 38))
    fake.add(OTHER)
    fake.install(page)
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto("/#/webhooks")
    held = hold(page, "POST", TESTS)
    test = page.get_by_role("button", name=f"Test {STOCK}")
    test.scroll_into_view_if_needed()
    before = box_of(page, f"Test {STOCK}")
    test.click()
    expect(page.get_by_text("Sending a test…")).to_be_visible()
    assert box_of(page, f"Test {STOCK}") == before
    held.release()
    expect(page.get_by_text("Test delivered")).to_be_visible()
    assert box_of(page, f"Test {STOCK}") == before


def test_the_spinner_rests_for_users_who_prefer_reduced_motion(page: Page) -> None:
    fake = FakeWebhooks()
    fake.add(STOCK)
    fake.install(page)
    page.goto("/#/webhooks")
    held = hold(page, "POST", TESTS)
    test = page.get_by_role("button", name=f"Test {STOCK}")
    test.click()
    expect(test).to_have_attribute("aria-busy", "true")
    spinner = "element => element.getAnimations({ subtree: true }).length"
    assert test.evaluate(spinner) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert test.evaluate(spinner) == 1
    held.release()
    expect_ready(test)
