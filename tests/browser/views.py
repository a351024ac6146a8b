"""How to reach every page and every dialog, for the accessibility checks and screenshots."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.page_actions import choose, status
from tests.browser.webhook_fake import FakeWebhooks

PREVIEWED = (
    b"sku;name;description;price\n"
    b"MUG-01;Enamel mug;White, 350 ml;9.90\n"
    b'PAN-24;Iron pan 24 cm;"Ready to use;\nkeep it dry";39.00\n'
    b"LAMP-7;Desk lamp;;54.50\n"
)

REFUSAL: dict[str, Any] = {
    "status": 400,
    "headers": {"Access-Control-Allow-Origin": "*"},
    "body": "<Error><Code>RequestTimeout</Code></Error>",
}

View = Callable[[Page, Shop], None]


def sign_in(page: Page, shop: Shop) -> None:
    page.goto("/#/imports")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def imports(page: Page, shop: Shop) -> None:
    page.goto("/#/imports")
    expect(page.get_by_role("table", name=re.compile("Imports")).get_by_role("row")).not_to_have_count(0)


def file_preview(page: Page, shop: Shop) -> None:
    imports(page, shop)
    choose(page, "spring catalogue.csv", PREVIEWED)
    expect(page.get_by_role("button", name="Start import")).to_be_enabled()


def file_refused(page: Page, shop: Shop) -> None:
    imports(page, shop)
    choose(page, "prices.csv", b"sku,price\nMUG-01,9.90\n")
    expect(page.get_by_role("button", name="Start import")).to_be_disabled()


def one_import(filename: str, ended: str | re.Pattern[str]) -> View:
    """The page of an import in the stocked shop."""

    def go(page: Page, shop: Shop) -> None:
        imports(page, shop)
        page.get_by_role("link", name=filename).first.click()
        expect(status(page)).to_have_text(ended)

    return go


def interrupted_upload(page: Page, shop: Shop) -> None:
    imports(page, shop)
    page.route(re.compile("/uploads/"), lambda route: route.fulfill(**REFUSAL))
    choose(page, "a catalogue with quite_a_long_name_that_does_not_fit_on_a_phone_2026-11-27.csv", PREVIEWED)
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text("Upload interrupted")
    page.unroute(re.compile("/uploads/"))


def changed_file(page: Page, shop: Shop) -> None:
    imports(page, shop)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "spring catalogue.csv"
        file.write_bytes(PREVIEWED)
        page.get_by_label("Choose a CSV file").set_input_files(file)
        expect(page.get_by_role("button", name="Start import")).to_be_enabled()
    page.get_by_role("button", name="Start import").click()
    expect(page.get_by_text("spring catalogue.csv has changed on disk")).to_be_visible()


def wide_file(page: Page, shop: Shop) -> None:
    imports(page, shop)
    others = [f"Option {number}" for number in range(1, 40)]
    cells = ["Value, somewhat longer"] * len(others)
    head, row = [";".join([*others, each, *more]) for each, more in (("sku", ["Title"]), ("MUG-01", ["Leading mug"]))]
    choose(page, "wide.csv", f"{head}\n{row.replace('Option', 'Value')}\n{';'.join([*cells, 'M-2', 'x'])}\n".encode())
    expect(page.get_by_role("button", name="Start import")).to_be_enabled()


def workbook(page: Page, shop: Shop) -> None:
    imports(page, shop)
    choose(page, "book.xlsx", b"PK\x03\x04xl/workbook.xml")
    expect(page.get_by_role("button", name="Start import")).to_be_disabled()


def products(page: Page, shop: Shop) -> None:
    page.goto("/#/products?limit=20")
    expect(page.get_by_role("table", name="Products").get_by_role("switch").first).to_be_visible()


def old_products(page: Page, shop: Shop) -> None:
    """Products whose file is no longer kept."""
    page.goto("/#/products?sku=LASTYEAR")
    expect(page.get_by_text("The file is no longer kept.")).to_have_count(2)


def no_products(page: Page, shop: Shop) -> None:
    page.goto("/#/products?name=no+product+has+this+name")
    expect(page.get_by_text("No products match")).to_be_visible()


def product_errors(page: Page, shop: Shop) -> None:
    products(page, shop)
    page.get_by_role("button", name="New product").click()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("This field can't be empty.").first).to_be_visible()


def product_conflict(page: Page, shop: Shop) -> None:
    found = shop.call("GET", "/products?limit=1").json()["items"][0]
    products(page, shop)
    page.get_by_role("button", name=found["name"], exact=True).first.click()
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill("Enamel mug, large")
    shop.call("PATCH", f"/products/{found['id']}", {"description": f"{found['description'][:60]} Now in blue."})
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("group", name="Someone else has changed this product")).to_be_visible()
    shop.call("PATCH", f"/products/{found['id']}", {"description": found["description"]})


def product_discard(page: Page, shop: Shop) -> None:
    products(page, shop)
    page.get_by_role("button", name="New product").click()
    page.get_by_role("dialog").get_by_label("SKU", exact=True).fill("MUG-02")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Discard your changes?")).to_be_visible()


def product_delete(page: Page, shop: Shop) -> None:
    products(page, shop)
    page.get_by_role("button", name=re.compile("^Delete (?!all)")).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


def products_delete_all(page: Page, shop: Shop) -> None:
    products(page, shop)
    page.get_by_role("button", name="Delete all").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def products_export(page: Page, shop: Shop) -> None:
    page.goto("/#/products?sku=SKU-00000&limit=20")
    page.get_by_role("button", name="Export as CSV").click()
    expect(page.get_by_role("region", name="Exporting products").get_by_role("status")).to_have_text("Completed")


def webhooks(page: Page, shop: Shop) -> None:
    _show_webhooks(page, _sample_webhooks())


def _show_webhooks(page: Page, fake: FakeWebhooks) -> None:
    fake.install(page)
    page.goto("/#/webhooks")
    expect(page.get_by_role("table", name="Webhooks")).to_be_visible()


def webhook_tested(page: Page, shop: Shop) -> None:
    fake = _sample_webhooks()
    fake.response_body = '{"ok": true, "message": "Thanks. We have queued this delivery as number 4711."}'
    fake.add("https://down.example/a/receiver/that/does/not/respond")
    _show_webhooks(page, fake)
    for name in ("stock", "down"):
        page.get_by_role("button", name=f"Test https://{name}.example").click()
    expect(page.get_by_text("Test delivered:")).to_be_visible()
    expect(page.get_by_text("Test failed:")).to_be_visible()


def webhook(page: Page, shop: Shop) -> None:
    webhooks(page, shop)
    page.get_by_role("link", name="https://stock.example").click()
    expect(page.get_by_role("img", name=re.compile("Last"))).to_be_visible()


def webhook_form(page: Page, shop: Shop) -> None:
    webhooks(page, shop)
    page.get_by_role("button", name="Edit https://stock.example").click()
    expect(page.get_by_role("dialog").get_by_label("URL")).to_be_focused()


def webhook_conflict(page: Page, shop: Shop) -> None:
    fake = _sample_webhooks()
    _show_webhooks(page, fake)
    page.get_by_role("button", name="Edit https://stock.example").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Description").fill("Stock keeping, and the till")
    dialog.get_by_label("Headers").fill("X-Shop: south\nX-Till: 4")
    dialog.get_by_label("import.completed").check()
    stock = fake.named("https://stock.example/hooks/products")
    fake.change(stock, description="Stock", events=["*"], enabled=False)
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("group", name="Someone else has changed this webhook")).to_be_visible()


def webhook_secret(page: Page, shop: Shop) -> None:
    webhook(page, shop)
    page.get_by_role("button", name="Rotate secret").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate secret").click()
    expect(page.get_by_role("dialog")).to_contain_text("whsec_")


def webhook_delivery(page: Page, shop: Shop) -> None:
    webhook(page, shop)
    page.get_by_role("row").filter(has_text="Failed").get_by_role("button").first.click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).not_to_have_count(0)


def webhook_redeliver(page: Page, shop: Shop) -> None:
    webhook(page, shop)
    page.get_by_role("button", name="Retry failed deliveries").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def no_webhooks(page: Page, shop: Shop) -> None:
    FakeWebhooks().install(page)
    page.goto("/#/webhooks")
    expect(page.get_by_text("No webhooks yet")).to_be_visible()


def _sample_webhooks() -> FakeWebhooks:
    fake = FakeWebhooks()
    gone = "its address answered 410 Gone"
    fake.add("https://old.example/products", description="The old shop", enabled=False, disabled_reason=gone)
    prices = fake.add("https://prices.example/import-ended", events=["import.completed", "import.failed"])
    stock = fake.add(
        "https://stock.example/hooks/products",
        description="Stock keeping",
        events=["product.created", "product.updated", "product.deleted"],
        headers={"X-Shop": "north"},
    )
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    fake.deliver(prices, "import.completed", (200, 38), began=start)
    for number in range(24):
        answers = ((503, 80), (None, 5000)) if number in {7, 8} else ((200, 18 + (number * 37) % 60),)
        fake.deliver(stock, "product.updated", *answers, began=start + timedelta(minutes=5 * number))
    return fake


def tokens(page: Page, shop: Shop) -> None:
    expires = (datetime.now(UTC) + timedelta(days=90)).isoformat()
    names = {each["name"] for each in shop.call("GET", "/tokens?limit=200").json()["items"]}
    for name, more in {"the till": {"scope": "write", "expires_at": expires}, "reports": {"scope": "read"}}.items():
        if name not in names:
            created = shop.call("POST", "/tokens", {"name": name, **more}).json()
            if name == "reports":
                shop.call("DELETE", f"/tokens/{created['id']}")
    page.goto("/#/tokens")
    expect(page.get_by_role("table", name="Tokens").get_by_role("row")).not_to_have_count(0)


def token_form(page: Page, shop: Shop) -> None:
    tokens(page, shop)
    page.get_by_role("button", name="New token").click()
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.get_by_text("This field can't be empty.")).to_be_visible()


def token_secret(page: Page, shop: Shop) -> None:
    tokens(page, shop)
    page.get_by_role("button", name="New token").click()
    page.get_by_label("Name").fill(f"the warehouse {datetime.now(UTC).timestamp()}")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.get_by_role("button", name="I've saved it")).to_be_visible()


def missing_import(page: Page, shop: Shop) -> None:
    page.goto("/#/imports/019a2b3c-0000-7000-8000-000000000000")
    expect(page.get_by_role("link", name="Go to imports")).to_be_visible()


def missing_file(page: Page, shop: Shop) -> None:
    page.goto("/products/1")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()


def api_docs(page: Page, shop: Shop) -> None:
    page.goto("/api-docs.html")
    expect(page.locator("#schemas section").last).to_be_visible()


VIEWS: dict[str, View] = {
    "imports": imports,
    "import-preview": file_preview,
    "import-refused": file_refused,
    "import-wide": wide_file,
    "import-workbook": workbook,
    "import-completed": one_import("catalogue.csv", "Completed"),
    "import-rejected": one_import("with mistakes.csv", "Completed with 3 rejected rows"),
    "import-nothing": one_import("no name.csv", "Nothing was imported: all 30 rows were rejected"),
    "import-old": one_import("last year.csv", "Completed with 1 rejected row"),
    "import-failed": one_import("nameless.csv", "Failed before any row was written"),
    "import-failed-midway": one_import("failed midway.csv", re.compile(r"Failed after [\d,]+ rows were written")),
    "import-cancelled": one_import("stopped.csv", "Cancelled before any row was written"),
    "import-waiting": one_import("not here yet.csv", "Waiting for the file"),
    "import-interrupted": interrupted_upload,
    "import-changed": changed_file,
    "import-processing": one_import("running.csv", "Processing"),
    "products": products,
    "products-old": old_products,
    "products-none": no_products,
    "product-errors": product_errors,
    "product-conflict": product_conflict,
    "product-discard": product_discard,
    "product-delete": product_delete,
    "products-delete-all": products_delete_all,
    "products-export": products_export,
    "webhooks": webhooks,
    "webhooks-none": no_webhooks,
    "webhook": webhook,
    "webhook-tested": webhook_tested,
    "webhook-form": webhook_form,
    "webhook-conflict": webhook_conflict,
    "webhook-secret": webhook_secret,
    "webhook-delivery": webhook_delivery,
    "webhook-redeliver": webhook_redeliver,
    "tokens": tokens,
    "token-form": token_form,
    "token-secret": token_secret,
    "missing-import": missing_import,
    "missing-file": missing_file,
    "api-docs": api_docs,
    "sign-in": sign_in,
}
