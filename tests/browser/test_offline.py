"""Without a connection, the page says exactly what is true: what was not done, and what may not have been done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PageErrors, Shop

NOTICE_MS = 8_000
"""How long a message stays that goes away by itself."""
OFFLINE = "You're offline. Nothing was changed."
UNSURE = "Can't reach the server. Your change may not have been made."


CHANGES: dict[str, Callable[[Page], None]] = {
    "switch": lambda page: page.get_by_role("switch", name="Glow worm is active").click(),
    "export": lambda page: page.get_by_role("button", name="Export as CSV").click(),
    "delete": lambda page: page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click(),
}


@pytest.fixture
def glow_worm(page: Page, shop: Shop, page_errors: PageErrors) -> Page:
    """The page with one product."""
    page_errors.expect("ERR_INTERNET_DISCONNECTED|ERR_FAILED")
    found = shop.call("GET", "/products?sku=GLOW-1").json()["items"]
    if not found:
        shop.product("GLOW-1", "Glow worm")
    page.clock.install()
    page.goto("/#/products?sku=GLOW-1")
    expect(page.get_by_role("switch", name="Glow worm is active")).to_be_checked()
    return page


def open_dialog(page: Page, name: str) -> None:
    if name == "delete":
        page.get_by_role("button", name="Delete Glow worm").click()
        expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_while_offline_is_not_made_and_not_retried(glow_worm: Page, shop: Shop, name: str) -> None:
    page = glow_worm
    open_dialog(page, name)
    page.context.set_offline(True)
    CHANGES[name](page)
    expect(page.get_by_role("alert").filter(has_text=OFFLINE)).to_be_visible()
    expect(page.get_by_role("switch", name="Glow worm is active", include_hidden=True)).to_be_checked()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.context.set_offline(False)
    page.clock.fast_forward(NOTICE_MS)
    expect(page.get_by_role("region", name="Exporting products")).to_have_count(0)
    assert set(sent) <= {"GET"}
    assert shop.call("GET", "/products?sku=GLOW-1").json()["items"][0]["active"] is True


def test_the_alert_goes_away_after_the_connection_is_back(glow_worm: Page) -> None:
    page = glow_worm
    page.context.set_offline(True)
    CHANGES["switch"](page)
    alert = page.get_by_role("alert").filter(has_text=OFFLINE)
    expect(alert).to_be_visible()
    page.clock.fast_forward(2 * NOTICE_MS)
    expect(alert).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("The data shown may be out of date")).to_be_hidden()
    page.clock.fast_forward(NOTICE_MS)
    expect(alert).to_be_hidden()


@pytest.mark.parametrize("name", ["switch", "delete"])
def test_a_lost_response_leaves_open_whether_a_change_was_made(glow_worm: Page, name: str) -> None:
    page = glow_worm
    page.route("**/api/products/*", lambda route: route.fallback() if route.request.method == "GET" else route.abort())
    open_dialog(page, name)
    CHANGES[name](page)
    alert = page.get_by_role("alert").filter(has_text=UNSURE)
    expect(alert).to_be_visible()
    if name == "delete":
        return
    # Another request succeeds: the connection is back.
    page.get_by_label("Active", exact=True).select_option("Active")
    expect(page.get_by_role("table", name="Products")).to_be_visible()
    with page.expect_response("**/api/products?*"):
        page.get_by_label("Active", exact=True).select_option("")
    page.clock.fast_forward(NOTICE_MS)
    expect(alert).to_be_hidden()


def test_a_list_that_could_not_be_read_is_read_when_the_connection_is_back(glow_worm: Page) -> None:
    page = glow_worm
    page.context.set_offline(True)
    page.get_by_label("Active", exact=True).select_option("Active")
    expect(page.get_by_text("Can't reach the server. Check your connection.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_role("table", name="Products")).to_be_visible()


def test_a_poll_that_is_refused_waits_as_long_as_the_server_asks(
    page: Page, shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("429")
    import_id = shop.call("POST", "/imports", {"filename": "later.csv", "size_bytes": 5}).json()["id"]
    page.clock.install()
    page.goto(f"/#/imports/{import_id}")
    expect(page.get_by_text("Waiting for the file").first).to_be_visible()
    polled: list[str] = []

    def refuse(route: Route) -> None:
        polled.append(route.request.url)
        problem = {"status": 429, "code": "too_many_requests", "detail": "Wait."}
        route.fulfill(status=429, json=problem, headers={"Retry-After": "40"})

    page.route(f"**/api/imports/{import_id}", refuse)
    with page.expect_response(lambda response: response.status == 429):
        page.clock.run_for(1_500)
    polled.clear()
    page.clock.run_for(38_000)
    page.wait_for_load_state("networkidle")
    assert polled == []
    with page.expect_response(lambda response: response.status == 429):
        page.clock.run_for(2_500)
    shop.call("POST", f"/imports/{import_id}/cancel")
