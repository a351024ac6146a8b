"""Webhooks in the browser: create, test, edit, delete, and the delivery log."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PageErrors, Shop
from tests.browser.page_actions import hold
from tests.browser.webhook_fake import Document, FakeWebhooks

STOCK = "https://stock.example/hook"
DUE_MS = 2_000
"""How often the page of a webhook refreshes while a delivery is due."""
QUIET_MS = 10_000
"""How often it refreshes otherwise."""


@pytest.fixture
def hooks(page: Page) -> FakeWebhooks:
    """Two webhooks, one of them turned off after failures."""
    fake = FakeWebhooks()
    fake.add(
        "https://down.example/hook",
        enabled=False,
        disabled_reason="it answered 410 Gone",
        failing_since=datetime(2026, 3, 1, 12, tzinfo=UTC).isoformat(),
    )
    stock = fake.add(STOCK, description="Stock keeping", events=["import.completed", "product.updated"])
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for number in range(8):
        answers = ((503, 80), (None, 5000)) if number == 3 else ((200, 20 + 5 * number),)
        fake.deliver(stock, "product.updated", *answers, began=start + timedelta(minutes=number))
    fake.install(page)
    return fake


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("table").get_by_role("row").filter(has_text=text)


def deliveries(page: Page) -> Locator:
    """The rows of the list of deliveries."""
    return page.get_by_role("table", name="Deliveries, newest first").locator("tbody").get_by_role("row")


def fact(page: Page, name: str) -> Locator:
    """The value that the page shows under this name."""
    return page.locator("dl.facts > div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def versions_in(conflict: Locator) -> dict[str, tuple[str, str]]:
    """The versions that a conflict compares, by field: mine and the stored one."""
    expect(conflict).to_be_visible()
    lines = conflict.locator("tbody").get_by_role("row").all()
    mine_and_stored = {line.get_by_role("rowheader").inner_text(): line.get_by_role("cell") for line in lines}
    return {name: (cells.first.inner_text(), cells.last.inner_text()) for name, cells in mine_and_stored.items()}


def test_a_webhook_is_created_and_its_secret_shown_once(
    new_page: Callable[..., Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("422")
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    fake = FakeWebhooks()
    fake.install(page)
    page.goto(f"/#token={shop.token}")
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    page.get_by_role("button", name="New webhook").first.click()
    dialog = page.get_by_role("dialog", name="New webhook")
    dialog.get_by_label("URL").fill("http://plain.example")
    dialog.get_by_label("All events").uncheck()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_label("URL")).to_be_focused()
    expect(dialog.get_by_label("URL")).to_have_accessible_description(re.compile("must start with https://"))
    expect(dialog.get_by_role("group", name="Events")).to_contain_text("at least")

    dialog.get_by_label("URL").fill("https://new.example/hook")
    dialog.get_by_label("Description").fill("A new one")
    dialog.get_by_label("import.completed").check()
    dialog.get_by_label("Headers").fill("X-Shop: north\nX-Team:south")
    dialog.get_by_role("button", name="Create").click()

    secret = page.get_by_role("dialog", name="Webhook secret")
    expect(secret).to_contain_text("whsec_shown-once")
    page.keyboard.press("Escape")
    expect(secret).to_be_visible()
    secret.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_attached()
    assert page.evaluate("() => navigator.clipboard.readText()") == "whsec_shown-once"
    secret.get_by_role("button", name="I've saved it").click()

    expect(row(page, "https://new.example/hook")).to_contain_text("import.completed")
    expect(page.get_by_text("whsec_shown-once")).to_have_count(0)
    (created,) = fake.webhooks.values()
    assert created["events"] == ["import.completed"]
    assert created["headers"] == {"X-Shop": "north", "X-Team": "south"}


def test_the_list_shows_the_state_of_each_webhook(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    expect(row(page, STOCK)).to_contain_text("HTTP 200 in 55 ms")
    expect(row(page, STOCK)).to_contain_text("Stock keeping")
    expect(row(page, "down.example")).to_contain_text("Turned off: it answered 410 Gone")
    expect(row(page, "down.example")).to_contain_text("All events")
    expect(page.get_by_role("switch", name="https://down.example/hook is on")).not_to_be_checked()


def test_a_webhook_is_turned_off_edited_and_deleted(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    switch = page.get_by_role("switch", name=f"{STOCK} is on")
    switch.click()
    expect(switch).not_to_be_checked()
    expect(page.get_by_text("Webhook turned off. Nothing will be sent to it.")).to_be_visible()

    page.get_by_role("button", name=f"Edit {STOCK}").click()
    dialog = page.get_by_role("dialog", name="Edit webhook")
    expect(dialog.get_by_label("product.updated")).to_be_checked()
    dialog.get_by_label("Description").fill("Stock and prices")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, STOCK)).to_contain_text("Stock and prices")
    expect(page.get_by_role("button", name=f"Edit {STOCK}")).to_be_focused()

    page.get_by_role("button", name="Delete https://down.example/hook").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(row(page, "down.example")).to_have_count(0)
    expect(page.get_by_role("button", name=f"Delete {STOCK}")).to_be_focused()


@pytest.mark.parametrize(
    "change",
    [
        lambda form: form.get_by_label("Headers").fill("X-Shop\nX-Team: blue"),
        lambda form: form.get_by_label("All events").check(),
        lambda form: form.get_by_label("On (send deliveries)").uncheck(),
    ],
)
def test_a_webhook_with_changes_asks_before_it_closes(
    page: Page, hooks: FakeWebhooks, change: Callable[[Locator], None]
) -> None:
    stock, form = edit_with_headers(page, hooks)
    change(form)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keep editing").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Discard changes").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name=f"Edit {STOCK}").click()
    form.get_by_label("Headers").fill("X-Team\n\nX-Shop")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert stock["headers"] == {"X-Shop": "north", "X-Team": "blue"}


def edit_with_headers(page: Page, hooks: FakeWebhooks) -> tuple[Document, Locator]:
    """A webhook with headers, and its open edit dialog."""
    stock = hooks.named(STOCK)
    stock["headers"] = {"X-Shop": "north", "X-Team": "blue"}
    page.goto("/#/webhooks")
    page.get_by_role("button", name=f"Edit {STOCK}").click()
    return stock, page.get_by_role("dialog", name="Edit webhook")


def test_a_conflict_shows_both_versions_and_loses_neither(
    page: Page, hooks: FakeWebhooks, page_errors: PageErrors
) -> None:
    page_errors.expect("412")
    stock, dialog = edit_with_headers(page, hooks)
    # A delivery changes what the page shows of a webhook, but is not a conflict.
    hooks.deliver(stock, "product.updated", (200, 9))
    dialog.get_by_label("Description").fill("Stock and prices")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, STOCK)).to_contain_text("Stock and prices")

    page.get_by_role("button", name=f"Edit {STOCK}").click()
    dialog.get_by_label("Description").fill("Mine")
    dialog.get_by_label("Headers").fill("X-Team\nX-Shop: south\nX-Region: eu")
    dialog.get_by_label("product.updated").uncheck()
    dialog.get_by_label("product.created").check()
    hooks.change(
        stock, url="https://theirs.example/hook", description="Theirs", events=["*"], headers={"X-Shop": "east"}
    )
    dialog.get_by_role("button", name="Save").click()

    conflict = page.get_by_role("group", name="Someone else has changed this webhook")
    expect(conflict.get_by_role("heading")).to_be_focused()
    assert versions_in(conflict) == {
        "URL": (STOCK, "https://theirs.example/hook"),
        "Description": ("Mine", "Theirs"),
        "Events": ("import.completed\nproduct.created", "All events"),
        "Headers": ("X-Region (new value)\nX-Shop (new value)\nX-Team", "X-Shop"),
    }
    expect(conflict).to_contain_text("Everything else is the same.")
    assert stock["description"] == "Theirs", "nothing is saved until a version is chosen"
    expect(dialog.get_by_label("Description")).to_have_value("Mine")

    conflict.get_by_role("button", name="Use their version").click()
    expect(dialog.get_by_label("URL")).to_be_focused()
    expect(dialog.get_by_label("URL")).to_have_value("https://theirs.example/hook")
    expect(dialog.get_by_label("Description")).to_have_value("Theirs")
    expect(dialog.get_by_label("Headers")).to_have_value("X-Shop")
    expect(dialog.get_by_label("All events")).to_be_checked()
    expect(dialog.get_by_label("product.created")).to_be_hidden()

    dialog.get_by_label("All events").uncheck()
    expect(dialog.get_by_label("product.created")).not_to_be_checked()
    dialog.get_by_label("product.deleted").check()
    dialog.get_by_label("On (send deliveries)").uncheck()
    hooks.change(stock, description="Theirs again", events=["product.created"])
    dialog.get_by_role("button", name="Save", exact=True).click()
    assert versions_in(conflict) == {
        "Description": ("Theirs", "Theirs again"),
        "Events": ("product.deleted", "product.created"),
        "On": ("no", "yes"),
    }
    conflict.get_by_role("button", name="Overwrite with mine").click()
    expect(row(page, "https://theirs.example/hook")).to_contain_text("Theirs")
    saved = {name: stock[name] for name in ("description", "events", "enabled", "headers")}
    assert saved == {
        "description": "Theirs",
        "events": ["product.deleted"],
        "enabled": False,
        "headers": {"X-Shop": "east"},
    }


def test_versions_that_differ_only_in_order_are_the_same(
    page: Page, hooks: FakeWebhooks, page_errors: PageErrors
) -> None:
    page_errors.expect("412")
    stock, dialog = edit_with_headers(page, hooks)
    dialog.get_by_label("Description").fill("The same idea")
    hooks.change(
        stock,
        description="The same idea",
        events=["product.updated", "import.completed"],
        headers={"X-Team": "blue", "X-Shop": "north"},
    )
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Both versions are now the same.")).to_be_visible()


def test_a_header_without_a_saved_value_is_not_sent_empty(
    page: Page, hooks: FakeWebhooks, page_errors: PageErrors
) -> None:
    page_errors.expect("412|422")
    stock = hooks.named(STOCK)
    stock["headers"] = {"X-Shop": "north"}
    page.goto("/#/webhooks")
    page.get_by_role("button", name=f"Edit {STOCK}").click()
    dialog = page.get_by_role("dialog", name="Edit webhook")
    dialog.get_by_label("Description").fill("Mine")
    hooks.change(stock, headers={})
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Overwrite with mine").click()
    headers = dialog.get_by_label("Headers")
    expect(headers).to_be_focused()
    expect(headers).to_have_accessible_description(re.compile("X-Shop has no saved value to keep"))
    expect(dialog.get_by_label("Description")).to_have_value("Mine")
    headers.fill("X-Shop: south")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, STOCK)).to_contain_text("Mine")
    assert stock["headers"] == {"X-Shop": "south"}


def test_headers_have_to_be_entered_again_for_another_host(
    page: Page, hooks: FakeWebhooks, page_errors: PageErrors
) -> None:
    page_errors.expect("422")
    stock, dialog = edit_with_headers(page, hooks)
    dialog.get_by_label("URL").fill("https://elsewhere.example/hook")
    dialog.get_by_role("button", name="Save").click()
    headers = dialog.get_by_label("Headers")
    expect(headers).to_be_focused()
    expect(headers).to_have_accessible_description(re.compile("Enter the values of X-Shop, X-Team again"))
    expect(dialog.get_by_text("Enter the values of X-Shop, X-Team again")).to_be_in_viewport(ratio=0.9)
    headers.fill("X-Shop: north")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    assert (stock["url"], stock["headers"]) == ("https://elsewhere.example/hook", {"X-Shop": "north"})


def test_the_page_of_a_webhook_refreshes_by_itself(page: Page, hooks: FakeWebhooks, page_errors: PageErrors) -> None:
    page.clock.install()
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(deliveries(page)).to_have_count(8)
    oldest = deliveries(page).last.get_by_role("button")
    oldest.focus()
    stock = hooks.named(STOCK)
    hooks.deliver(stock, "product.updated", (410, 9))
    stock.update(enabled=False, disabled_reason="The receiver answered 410 Gone.")
    page.clock.fast_forward(QUIET_MS)
    expect(page.get_by_role("status").filter(has_text="Turned off: The receiver answered 410 Gone.")).to_be_visible()
    expect(fact(page, "State")).to_have_text("Off")
    expect(fact(page, "Last response")).to_contain_text("HTTP 410 in 9 ms")
    expect(deliveries(page)).to_have_count(9)
    expect(oldest).to_be_focused()
    assert hooks.asked[-2].endswith("/deliveries"), "the webhook is read after its deliveries"

    # Another user turns it on, which no delivery shows.
    stock.update(enabled=True, disabled_reason=None)
    page.clock.fast_forward(QUIET_MS)
    expect(fact(page, "State")).to_have_text("On")
    expect(page.get_by_text("Turned off")).to_have_count(0)

    # The data stays on the screen while the server is unreachable.
    page_errors.expect("ERR_FAILED")
    page.route("**/api/webhooks/*/deliveries?*", lambda route: route.abort())
    page.clock.fast_forward(QUIET_MS)
    lost = page.get_by_role("status").filter(has_text="Retrying automatically.")
    expect(lost).to_be_visible()
    expect(deliveries(page)).to_have_count(9)
    page.unroute("**/api/webhooks/*/deliveries?*")
    page.clock.fast_forward(QUIET_MS)
    expect(lost).to_be_hidden()


def test_the_page_refreshes_often_only_while_a_delivery_is_due(page: Page, hooks: FakeWebhooks) -> None:
    page.clock.install()
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(deliveries(page)).to_have_count(8)
    later = datetime.now(UTC) + timedelta(hours=5)
    waiting = hooks.deliver(
        hooks.named(STOCK), "product.created", (503, 9), status="pending", next_attempt_at=later.isoformat()
    )
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    expect(deliveries(page).first).to_contain_text("Pending")

    hooks.asked.clear()
    page.clock.run_for(DUE_MS)
    deliveries(page).first.get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert hooks.asked == [f"GET /deliveries/{waiting['id']}"]
    page.keyboard.press("Escape")

    waiting.update(status_code=500, next_attempt_at=datetime.now(UTC).isoformat())
    page.clock.run_for(QUIET_MS)
    expect(deliveries(page).first).to_contain_text("HTTP 500")
    waiting.update(status="delivered", next_attempt_at=None)
    page.clock.run_for(DUE_MS)
    expect(deliveries(page).first).to_contain_text("Delivered")


def test_the_page_of_a_webhook_says_when_another_user_deletes_it(
    page: Page, hooks: FakeWebhooks, page_errors: PageErrors
) -> None:
    page.clock.install()
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(fact(page, "State")).to_have_text("On")
    page_errors.expect("404")
    del hooks.webhooks[hooks.named(STOCK)["id"]]
    page.clock.fast_forward(QUIET_MS)
    expect(page.get_by_role("alert").filter(has_text="There is no webhook")).to_be_visible()
    expect(fact(page, "State")).to_be_hidden()


def test_the_page_does_not_refresh_while_the_webhook_is_being_deleted(page: Page, hooks: FakeWebhooks) -> None:
    page.clock.install()
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(deliveries(page)).to_have_count(8)
    path = f"/webhooks/{hooks.named(STOCK)['id']}"
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
    hooks.deliver(hooks.named(STOCK), "product.updated", (200, 9))
    page.clock.fast_forward(QUIET_MS)
    expect(deliveries(page)).to_have_count(9)

    page.get_by_role("button", name="Delete").click()
    hooks.asked.clear()
    page.clock.fast_forward(QUIET_MS)
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("heading", name="Webhooks")).to_be_focused()
    assert hooks.asked[0] == f"DELETE {path}"


def test_the_result_of_a_test_appears_beside_its_button(page: Page, hooks: FakeWebhooks) -> None:
    new = "https://new.example/hook"
    hooks.add(new)
    page.goto("/#/webhooks")
    expect(row(page, new)).to_contain_text("None yet")
    held = hold(page, "POST", re.compile("/test$"))
    page.get_by_role("button", name=f"Test {new}").click()
    result = row(page, new).get_by_role("status")
    expect(result).to_have_text("Sending a test…")
    held.release()
    expect(result).to_contain_text("Test delivered: HTTP 200 in 12 ms")
    expect(result).to_contain_text("Response: <b>thanks</b>")
    expect(row(page, new)).not_to_contain_text("None yet")

    page.unroute(re.compile("/test$"))
    page.get_by_role("button", name="Test https://down.example/hook").click()
    down = row(page, "down.example").get_by_role("status")
    expect(down).to_have_text("Test failed: The connection was refused after 5,000 ms")
    expect(result, "the list was redrawn").to_contain_text("Test delivered")


def test_the_page_of_a_webhook_lists_a_test_while_it_is_sent(page: Page, hooks: FakeWebhooks) -> None:
    page.goto(f"/#/webhooks/{hooks.named(STOCK)['id']}")
    expect(deliveries(page)).to_have_count(8)
    held = hold(page, "GET", re.compile(r"/api/deliveries/[^/]+$"))
    page.get_by_role("button", name="Send test").click()
    expect(deliveries(page)).to_have_count(9)
    expect(deliveries(page).first).to_contain_text("test")
    expect(page.get_by_text("Sending a test…")).to_be_visible()
    held.release()
    expect(page.get_by_text("Test delivered: HTTP 200 in 12 ms")).to_be_visible()
    expect(fact(page, "Last response")).to_contain_text("HTTP 200 in 12 ms")


def test_only_the_beginning_of_a_long_response_is_shown(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    hooks.response_body = "x" * 5_000
    page.get_by_role("button", name=f"Test {STOCK}").click()
    result = row(page, STOCK).get_by_role("status")
    expect(result).to_contain_text("Response: xxx")
    assert len(result.inner_text()) < 300


def test_a_test_that_cannot_be_sent_says_why(page: Page, hooks: FakeWebhooks, page_errors: PageErrors) -> None:
    page_errors.expect("404|ERR_FAILED")
    page.goto("/#/webhooks")
    test = page.get_by_role("button", name=f"Test {STOCK}")
    expect(test).to_be_visible()
    result = row(page, STOCK).get_by_role("status")
    page.route(re.compile("/test$"), lambda route: route.abort())
    test.click()
    expect(result).to_contain_text("Couldn't send the test: Can't reach the server.")
    expect(test).to_be_focused()
    page.unroute(re.compile("/test$"))
    del hooks.webhooks[hooks.named(STOCK)["id"]]
    test.click()
    expect(row(page, STOCK)).to_have_count(0)


def test_deliveries_show_each_attempt_and_can_be_redelivered(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(page.get_by_role("heading", name=STOCK)).to_be_focused()
    chart = page.get_by_role("img", name=re.compile("Last 8 deliveries: median 40 ms, slowest 55 ms; 1 failed"))
    expect(chart).to_be_visible()
    page.get_by_label("Show").select_option("Failed")
    expect(deliveries(page)).to_have_count(1)
    expect(deliveries(page)).to_contain_text("Failed")
    deliveries(page).get_by_role("button", name="product.updated").click()

    dialog = page.get_by_role("dialog", name="product.updated")
    expect(dialog.get_by_role("region", name="Request body")).to_contain_text('"sku": "A-1"')
    expect(dialog.get_by_role("listitem")).to_have_count(2)
    expect(dialog.get_by_role("listitem").first).to_contain_text("HTTP 503 in 80 ms")
    expect(dialog.get_by_role("region", name="Response body")).to_have_text("<b>thanks</b>")
    expect(dialog.get_by_role("listitem").last).to_contain_text("The connection was refused after 5,000 ms")
    dialog.get_by_role("button", name="Redeliver").click()
    expect(page.get_by_text("Redelivery started.")).to_be_visible()
    page.get_by_label("Show").select_option("All")
    expect(deliveries(page)).to_have_count(9)

    page.get_by_role("button", name="Retry failed deliveries").click()
    page.get_by_role("button", name="Retry deliveries").click()
    expect(page.get_by_text("Retrying 1 delivery.")).to_be_visible()


def test_too_few_deliveries_for_a_chart_are_described(page: Page, hooks: FakeWebhooks) -> None:
    page.clock.install()
    new = hooks.add("https://new.example/hook")
    page.goto(f"/#/webhooks/{new['id']}")
    expect(page.get_by_text("No deliveries")).to_be_visible()
    expect(page.get_by_text("appears after")).to_be_hidden()
    hooks.deliver(new, "product.created", next_attempt_at=(datetime.now(UTC) + timedelta(hours=5)).isoformat())
    page.clock.fast_forward(QUIET_MS)
    expect(page.get_by_text("No delivery has been attempted yet.")).to_be_visible()
    hooks.deliver(new, "product.created", (200, 40))
    page.clock.fast_forward(QUIET_MS)
    expect(page.get_by_text("One delivery so far: HTTP 200 in 40 ms.")).to_be_visible()
    hooks.deliver(new, "product.created", (200, 60))
    page.clock.fast_forward(QUIET_MS)
    chart = page.get_by_role("img", name=re.compile("Last 2 deliveries: median 60 ms"))
    expect(chart).to_be_visible()
    expect(page.get_by_text("appears after")).to_have_count(0)
    chart_box, newest_box = chart.bounding_box(), chart.locator("rect.bar").last.bounding_box()
    assert chart_box
    assert newest_box
    end, newest_end = (box["x"] + box["width"] for box in (chart_box, newest_box))
    assert newest_end > end - 10, "the newest bar is at the end that is labelled newer"


def test_the_filter_and_page_of_deliveries_are_in_the_url(page: Page, hooks: FakeWebhooks) -> None:
    for number in range(60):
        hooks.deliver(hooks.named(STOCK), "import.completed", (200, number))
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    here = page.url
    expect(deliveries(page)).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(deliveries(page)).to_have_count(18)
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.reload()
    expect(deliveries(page)).to_have_count(18)

    choice = page.get_by_label("Show")
    choice.select_option("Failed")
    expect(deliveries(page)).to_have_count(1)
    assert page.url == f"{here}?status=failed"
    page.go_back()
    expect(deliveries(page)).to_have_count(18)
    expect(choice).to_have_value("")
    page.go_back()
    expect(deliveries(page)).to_have_count(50)
    assert page.url == here
    expect(page.get_by_role("img", name=re.compile("Last 50"))).to_be_visible()

    page.goto(f"{here}?status=failed")
    expect(choice).to_have_value("failed")
    expect(deliveries(page)).to_have_count(1)
    # The chart shows the latest deliveries, not a filtered selection.
    expect(page.get_by_role("img", name=re.compile("Last"))).to_have_count(0)


def test_an_outdated_url_of_deliveries_leads_to_the_first_page(page: Page, hooks: FakeWebhooks) -> None:
    here = f"/#/webhooks/{hooks.named(STOCK)['id']}"
    page.goto(f"{here}?status=failed&cursor=50")
    expect(page.get_by_text("This page is empty")).to_be_visible()
    page.get_by_role("link", name="Go to first page").click()
    expect(deliveries(page)).to_have_count(1)
    page.goto(f"{here}?status=__proto__")
    expect(deliveries(page)).to_have_count(8)
    expect(page.get_by_label("Show")).to_have_value("")


def test_a_secret_is_rotated_after_confirmation(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    page.get_by_role("button", name="Rotate secret").click()
    dialog = page.get_by_role("dialog", name="Rotate the secret?")
    expect(dialog).to_contain_text("24 hours")
    dialog.get_by_role("button", name="Rotate secret").click()
    expect(page.get_by_role("dialog", name="Webhook secret")).to_contain_text("whsec_rotated")
    page.get_by_role("button", name="I've saved it").click()
    expect(page.get_by_text("Old secret valid until")).to_be_visible()


def test_hostile_names_of_webhooks_stay_text(page: Page) -> None:
    fake = FakeWebhooks()
    hostile = '<img src=x onerror=alert(1)>"'
    webhook = fake.add(f"https://x.example/{hostile}", description=hostile, headers={"X-A": None})
    fake.deliver(webhook, hostile, (200, 5))
    fake.install(page)
    page.goto("/#/webhooks")
    expect(row(page, hostile)).to_be_visible()
    page.get_by_role("link", name=f"https://x.example/{hostile}").click()
    page.get_by_role("button", name=hostile, exact=True).click()
    expect(page.get_by_role("dialog", name=hostile)).to_be_visible()
