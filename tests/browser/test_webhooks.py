"""Webhooks in the browser: made, tested, looked after, and what was delivered to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Shop, Troubles
from tests.browser.webhook_fake import Document, FakeWebhooks

STOCK = "https://stock.example/hook"
DUE_MS = 2_000
"""After so long the page of a webhook looks again while something is about to be sent."""
QUIET_MS = 10_000
"""And while nothing is."""


@pytest.fixture
def hooks(page: Page) -> FakeWebhooks:
    """Two webhooks, one of which is not what it should be."""
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
    return page.get_by_role("table", name="Deliveries, the newest first").locator("tbody").get_by_role("row")


def fact(page: Page, name: str) -> Locator:
    """What is said of the webhook under this name."""
    return page.locator("dl.facts > div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


def versions_in(conflict: Locator) -> dict[str, tuple[str, str]]:
    """What a conflict shows beside each other: mine, and what is stored."""
    expect(conflict).to_be_visible()
    lines = conflict.locator("tbody").get_by_role("row").all()
    mine_and_stored = {line.get_by_role("rowheader").inner_text(): line.get_by_role("cell") for line in lines}
    return {name: (cells.first.inner_text(), cells.last.inner_text()) for name, cells in mine_and_stored.items()}


def test_a_webhook_is_created_and_its_secret_shown_once(
    new_page: Callable[..., Page], shop: Shop, troubles: Troubles
) -> None:
    troubles.expect("422")
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    fake = FakeWebhooks()
    fake.install(page)
    page.goto(f"/#token={shop.token}")
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    page.get_by_role("button", name="New webhook").first.click()
    dialog = page.get_by_role("dialog", name="New webhook")
    dialog.get_by_label("Address").fill("http://plain.example")
    dialog.get_by_label("Every event").uncheck()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_label("Address")).to_be_focused()
    expect(dialog.get_by_label("Address")).to_have_accessible_description(re.compile("must be an https address"))
    expect(dialog.get_by_role("group", name="Events")).to_contain_text("at least")

    dialog.get_by_label("Address").fill("https://new.example/hook")
    dialog.get_by_label("Description").fill("A new one")
    dialog.get_by_label("import.completed").check()
    dialog.get_by_label("Headers").fill("X-Shop: north\nX-Team:south")
    dialog.get_by_role("button", name="Create").click()

    secret = page.get_by_role("dialog", name="The secret of this webhook")
    expect(secret).to_contain_text("whsec_shown-once")
    page.keyboard.press("Escape")
    expect(secret).to_be_visible()
    secret.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("The secret was copied.")).to_be_attached()
    assert page.evaluate("() => navigator.clipboard.readText()") == "whsec_shown-once"
    secret.get_by_role("button", name="I have kept it").click()

    expect(row(page, "https://new.example/hook")).to_contain_text("import.completed")
    expect(page.get_by_text("whsec_shown-once")).to_have_count(0)
    (made,) = fake.webhooks.values()
    assert made["events"] == ["import.completed"]
    assert made["headers"] == {"X-Shop": "north", "X-Team": "south"}


def test_the_list_tells_how_each_webhook_is(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    expect(row(page, STOCK)).to_contain_text("HTTP 200 in 55 ms")
    expect(row(page, STOCK)).to_contain_text("Stock keeping")
    expect(row(page, "down.example")).to_contain_text("Switched off: it answered 410 Gone")
    expect(row(page, "down.example")).to_contain_text("every event")
    expect(page.get_by_role("switch", name="https://down.example/hook is on")).not_to_be_checked()


def test_a_webhook_is_switched_edited_and_deleted(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    switch = page.get_by_role("switch", name=f"{STOCK} is on")
    switch.click()
    expect(switch).not_to_be_checked()
    expect(page.get_by_text("The webhook is off. Nothing is sent to it.")).to_be_visible()

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


def edit_with_headers(page: Page, hooks: FakeWebhooks) -> tuple[Document, Locator]:
    """A webhook that has headers of its own, and the dialog that is open for it."""
    stock = hooks.named(STOCK)
    stock["headers"] = {"X-Shop": "north", "X-Team": "blue"}
    page.goto("/#/webhooks")
    page.get_by_role("button", name=f"Edit {STOCK}").click()
    return stock, page.get_by_role("dialog", name="Edit webhook")


def test_a_conflict_shows_both_versions_and_loses_neither(page: Page, hooks: FakeWebhooks, troubles: Troubles) -> None:
    troubles.expect("412")
    stock, dialog = edit_with_headers(page, hooks)
    # A delivery changes what is shown of a webhook, and is no conflict.
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

    conflict = page.get_by_role("group", name="Somebody else changed this webhook meanwhile")
    expect(conflict.get_by_role("heading")).to_be_focused()
    assert versions_in(conflict) == {
        "Address": (STOCK, "https://theirs.example/hook"),
        "Description": ("Mine", "Theirs"),
        "Events": ("import.completed\nproduct.created", "every event"),
        "Headers": ("X-Region (new value)\nX-Shop (new value)\nX-Team", "X-Shop"),
    }
    expect(conflict).to_contain_text("Everything else is the same.")
    assert stock["description"] == "Theirs", "nothing is written until one is chosen"
    expect(dialog.get_by_label("Description")).to_have_value("Mine")

    conflict.get_by_role("button", name="Take what is stored").click()
    expect(dialog.get_by_label("Address")).to_be_focused()
    expect(dialog.get_by_label("Address")).to_have_value("https://theirs.example/hook")
    expect(dialog.get_by_label("Description")).to_have_value("Theirs")
    expect(dialog.get_by_label("Headers")).to_have_value("X-Shop")
    expect(dialog.get_by_label("Every event")).to_be_checked()
    expect(dialog.get_by_label("product.created")).to_be_hidden()

    dialog.get_by_label("Every event").uncheck()
    expect(dialog.get_by_label("product.created")).not_to_be_checked()
    dialog.get_by_label("product.deleted").check()
    dialog.get_by_label("On: deliveries are sent").uncheck()
    hooks.change(stock, description="Theirs again", events=["product.created"])
    dialog.get_by_role("button", name="Save", exact=True).click()
    assert versions_in(conflict) == {
        "Description": ("Theirs", "Theirs again"),
        "Events": ("product.deleted", "product.created"),
        "On": ("no", "yes"),
    }
    conflict.get_by_role("button", name="Save mine over it").click()
    expect(row(page, "https://theirs.example/hook")).to_contain_text("Theirs")
    saved = {name: stock[name] for name in ("description", "events", "enabled", "headers")}
    assert saved == {
        "description": "Theirs",
        "events": ["product.deleted"],
        "enabled": False,
        "headers": {"X-Shop": "east"},
    }


def test_versions_that_differ_in_order_only_are_the_same(page: Page, hooks: FakeWebhooks, troubles: Troubles) -> None:
    troubles.expect("412")
    stock, dialog = edit_with_headers(page, hooks)
    dialog.get_by_label("Description").fill("The same idea")
    hooks.change(
        stock,
        description="The same idea",
        events=["product.updated", "import.completed"],
        headers={"X-Team": "blue", "X-Shop": "north"},
    )
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Both versions are the same by now.")).to_be_visible()


def test_a_header_whose_value_is_gone_is_not_sent_empty(page: Page, hooks: FakeWebhooks, troubles: Troubles) -> None:
    troubles.expect("412|422")
    stock = hooks.named(STOCK)
    stock["headers"] = {"X-Shop": "north"}
    page.goto("/#/webhooks")
    page.get_by_role("button", name=f"Edit {STOCK}").click()
    dialog = page.get_by_role("dialog", name="Edit webhook")
    dialog.get_by_label("Description").fill("Mine")
    hooks.change(stock, headers={})
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("button", name="Save mine over it").click()
    headers = dialog.get_by_label("Headers")
    expect(headers).to_be_focused()
    expect(headers).to_have_accessible_description(re.compile("There is no value of X-Shop to keep"))
    expect(dialog.get_by_label("Description")).to_have_value("Mine")
    headers.fill("X-Shop: south")
    dialog.get_by_role("button", name="Save").click()
    expect(row(page, STOCK)).to_contain_text("Mine")
    assert stock["headers"] == {"X-Shop": "south"}


def test_the_page_of_a_webhook_tells_what_happens_while_it_is_looked_at(
    page: Page, hooks: FakeWebhooks, troubles: Troubles
) -> None:
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
    expect(page.get_by_role("status").filter(has_text="Switched off: The receiver answered 410 Gone.")).to_be_visible()
    expect(fact(page, "State")).to_have_text("off")
    expect(fact(page, "Last answer")).to_contain_text("HTTP 410 in 9 ms")
    expect(deliveries(page)).to_have_count(9)
    expect(oldest).to_be_focused()
    assert hooks.asked[-2].endswith("/deliveries"), "the webhook is read after what is told of it"

    # Somebody switches it on: no delivery tells of that.
    stock.update(enabled=True, disabled_reason=None)
    page.clock.fast_forward(QUIET_MS)
    expect(fact(page, "State")).to_have_text("on")
    expect(page.get_by_text("Switched off")).to_have_count(0)

    # A server that is away takes nothing from the screen.
    troubles.expect("ERR_FAILED")
    page.route("**/api/webhooks/*/deliveries?*", lambda route: route.abort())
    page.clock.fast_forward(QUIET_MS)
    lost = page.get_by_role("status").filter(has_text="This page keeps trying.")
    expect(lost).to_be_visible()
    expect(deliveries(page)).to_have_count(9)
    page.unroute("**/api/webhooks/*/deliveries?*")
    page.clock.fast_forward(QUIET_MS)
    expect(lost).to_be_hidden()


def test_what_is_due_is_looked_at_often_and_what_waits_is_not(page: Page, hooks: FakeWebhooks) -> None:
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


def test_the_page_of_a_webhook_that_somebody_deletes_says_that_it_is_gone(
    page: Page, hooks: FakeWebhooks, troubles: Troubles
) -> None:
    page.clock.install()
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(fact(page, "State")).to_have_text("on")
    troubles.expect("404")
    del hooks.webhooks[hooks.named(STOCK)["id"]]
    page.clock.fast_forward(QUIET_MS)
    expect(page.get_by_role("alert").filter(has_text="There is no webhook")).to_be_visible()
    expect(fact(page, "State")).to_be_hidden()


def test_a_webhook_is_not_looked_at_while_it_is_deleted(page: Page, hooks: FakeWebhooks) -> None:
    page.clock.install()
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(deliveries(page)).to_have_count(8)
    path = f"/webhooks/{hooks.named(STOCK)['id']}"
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep it").click()
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


def test_a_test_shows_the_status_code_and_the_milliseconds(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    page.get_by_role("button", name=f"Test {STOCK}").click()
    expect(page.get_by_text("The test arrived: HTTP 200 in 12 ms.")).to_be_visible()
    expect(row(page, STOCK)).to_contain_text("HTTP 200 in 12 ms")
    page.get_by_role("button", name="Test https://down.example/hook").click()
    expect(page.get_by_role("alert").filter(has_text="The test did not arrive:")).to_contain_text("after 5,000 ms")


def test_deliveries_are_shown_with_each_attempt_and_sent_again(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    expect(page.get_by_role("heading", name=STOCK)).to_be_focused()
    picture = page.get_by_role(
        "img", name=re.compile("The last 8 deliveries: half within 40 ms, the slowest in 55 ms; 1 failed")
    )
    expect(picture).to_be_visible()
    page.get_by_label("Show").select_option("Failed")
    expect(deliveries(page)).to_have_count(1)
    expect(deliveries(page)).to_contain_text("Failed")
    deliveries(page).get_by_role("button", name="product.updated").click()

    dialog = page.get_by_role("dialog", name="product.updated")
    expect(dialog.get_by_role("region", name="The body")).to_contain_text('"sku": "A-1"')
    expect(dialog.get_by_role("listitem")).to_have_count(2)
    expect(dialog.get_by_role("listitem").first).to_contain_text("HTTP 503 in 80 ms")
    expect(dialog.get_by_role("region", name="The answer")).to_have_text("<b>thanks</b>")
    expect(dialog.get_by_role("listitem").last).to_contain_text("The connection was refused after 5,000 ms")
    dialog.get_by_role("button", name="Deliver again").click()
    expect(page.get_by_text("It is delivered again.")).to_be_visible()
    page.get_by_label("Show").select_option("All")
    expect(deliveries(page)).to_have_count(9)

    page.get_by_role("button", name="Send failed ones again").click()
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_text("1 delivery is sent again.")).to_be_visible()


def test_which_deliveries_are_shown_stands_in_the_address(page: Page, hooks: FakeWebhooks) -> None:
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
    expect(page.get_by_role("img", name=re.compile("The last 50"))).to_be_visible()

    page.goto(f"{here}?status=failed")
    expect(choice).to_have_value("failed")
    expect(deliveries(page)).to_have_count(1)
    # The picture is of the last deliveries, not of some of them.
    expect(page.get_by_role("img", name=re.compile("The last"))).to_have_count(0)


def test_an_address_of_deliveries_that_leads_nowhere_leads_on(page: Page, hooks: FakeWebhooks) -> None:
    here = f"/#/webhooks/{hooks.named(STOCK)['id']}"
    page.goto(f"{here}?status=failed&cursor=50")
    expect(page.get_by_text("This page is empty")).to_be_visible()
    page.get_by_role("link", name="Go to the first page").click()
    expect(deliveries(page)).to_have_count(1)
    page.goto(f"{here}?status=__proto__")
    expect(deliveries(page)).to_have_count(8)
    expect(page.get_by_label("Show")).to_have_value("")


def test_a_secret_is_rotated_after_asking(page: Page, hooks: FakeWebhooks) -> None:
    page.goto("/#/webhooks")
    page.get_by_role("link", name=STOCK).click()
    page.get_by_role("button", name="New secret").click()
    dialog = page.get_by_role("dialog", name="Make a new secret?")
    expect(dialog).to_contain_text("24 hours")
    dialog.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_role("dialog", name="The secret of this webhook")).to_contain_text("whsec_rotated")
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_text("Old secret works until")).to_be_visible()


def test_hostile_names_of_webhooks_stay_text(page: Page) -> None:
    fake = FakeWebhooks()
    hostile = '<img src=x onerror=alert(1)>"'
    made = fake.add(f"https://x.example/{hostile}", description=hostile, headers={"X-A": None})
    fake.deliver(made, hostile, (200, 5))
    fake.install(page)
    page.goto("/#/webhooks")
    expect(row(page, hostile)).to_be_visible()
    page.get_by_role("link", name=f"https://x.example/{hostile}").click()
    page.get_by_role("button", name=hostile, exact=True).click()
    expect(page.get_by_role("dialog", name=hostile)).to_be_visible()
