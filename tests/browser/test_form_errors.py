"""What the page shows when the API refuses a form: at which field, and in which words. The API is the real one."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from chalicelib import limits
from tests.browser.conftest import PageErrors
from tests.browser.page_actions import choose
from tests.support.plain_errors import check

SHOWN = """(dialog) => Object.fromEntries([...dialog.querySelectorAll(".field-error")]
  .filter((each) => each.textContent)
  .map((each) => [each.parentElement.querySelector("label, legend").textContent, each.textContent]))"""
PRODUCT = {"SKU": "FORM-1", "Name": "Lamp", "Description": ""}
WEBHOOK = {"URL": "http://127.0.0.1:9/hook", "Description": "", "Headers": ""}
MANY_HEADERS = "\n".join(f"X-{number}: x" for number in range(limits.WEBHOOK_HEADERS_MAX + 1))


@pytest.fixture(autouse=True)
def _refused(page_errors: PageErrors) -> None:
    page_errors.expect("422")


def refused(page: Page, dialog: Locator, values: dict[str, str]) -> dict[str, str]:
    """Fills in the form and sends it. Returns the errors by the label of their field."""
    for label, value in values.items():
        dialog.get_by_label(label, exact=True).fill(value)
    with page.expect_response(lambda response: response.request.method == "POST") as refusal:
        dialog.get_by_role("button", name="Create").click()
    assert refusal.value.status == 422
    expect(dialog.get_by_role("button", name="Create")).not_to_have_attribute("aria-busy", "true")
    shown: dict[str, str] = dialog.evaluate(SHOWN)
    for text in shown.values():
        check(text, text)
    return shown


def new(page: Page, what: str) -> Locator:
    """The form for a new record."""
    page.goto(f"/#/{what}s")
    page.get_by_role("button", name=f"New {what}").first.click()
    return page.get_by_role("dialog", name=f"New {what}")


@pytest.mark.parametrize(
    ("label", "value", "message"),
    [
        ("SKU", "", "This field can't be empty."),
        ("SKU", " ", "This field can't be empty."),
        ("SKU", "x" * 65, "Too long: use at most 64 characters."),
        ("Name", "", "This field can't be empty."),
        ("Name", "x" * 256, "Too long: use at most 255 characters."),
        ("Description", "é" * 40_000, "Has 80,000 bytes in UTF-8; the maximum is 65,536."),
    ],
)
def test_an_error_of_a_product_is_at_its_field(page: Page, label: str, value: str, message: str) -> None:
    dialog = new(page, "product")
    assert refused(page, dialog, {**PRODUCT, label: value}) == {label: message}
    expect(dialog.get_by_label(label, exact=True)).to_be_focused()
    expect(dialog.get_by_label(label, exact=True)).to_have_accessible_description(re.compile(re.escape(message)))
    expect(dialog.get_by_role("alert")).to_be_hidden()


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("URL", "", "empty"),
        ("URL", "not a url", "space"),
        ("URL", "ftp://shop.example", "https://"),
        ("URL", "https://shop.example/ü", "%C3%BC"),
        ("URL", f"https://shop.example/{'x' * 2048}", "2,048"),
        ("Description", "x" * 256, "255"),
        ("Headers", "Bad Header: x", "Bad Header"),
        ("Headers", "X-Shop: ü", "X-Shop"),
        ("Headers", f"X-Shop: {'x' * 1025}", "1,024"),
        ("Headers", "Host: shop.example", "Host"),
        ("Headers", "X-Shop: a\nx-shop: b", "twice"),
        ("Headers", MANY_HEADERS, "10"),
    ],
)
def test_an_error_of_a_webhook_is_at_its_field(page: Page, label: str, value: str, words: str) -> None:
    dialog = new(page, "webhook")
    shown = refused(page, dialog, {**WEBHOOK, label: value})
    assert list(shown) == [label]
    assert words in shown[label]
    expect(dialog.get_by_label(label, exact=True)).to_be_focused()
    expect(dialog.get_by_role("alert")).to_be_hidden()


def test_a_webhook_without_events_says_so_until_one_is_chosen(page: Page) -> None:
    dialog = new(page, "webhook")
    dialog.get_by_label("All events").uncheck()
    assert refused(page, dialog, WEBHOOK) == {"Events": "Choose at least one."}
    dialog.get_by_label("import.completed").check()
    assert dialog.evaluate(SHOWN) == {}


def test_several_errors_are_each_at_their_field(page: Page) -> None:
    dialog = new(page, "webhook")
    dialog.get_by_label("All events").uncheck()
    shown = refused(page, dialog, {"URL": "", "Description": "x" * 256, "Headers": MANY_HEADERS})
    assert list(shown) == ["URL", "Description", "Events", "Headers"]
    expect(dialog.get_by_label("URL")).to_be_focused()


def test_an_error_without_a_field_is_at_the_top_of_the_form(page: Page) -> None:
    problem = '{"detail": "The request body has an error.", "errors": [{"pointer": "/colour", "message": "Unknown."}]}'
    page.route(
        "**/api/products", lambda route: route.fulfill(status=422, body=problem, content_type="application/json")
    )
    dialog = new(page, "product")
    assert refused(page, dialog, PRODUCT) == {}
    expect(dialog.get_by_role("alert")).to_have_text("colour: Unknown.")
    expect(dialog.get_by_role("alert")).to_be_in_viewport()
    above = "(alert) => alert.compareDocumentPosition(alert.form ?? alert.parentElement.querySelector('input'))"
    assert dialog.get_by_role("alert").evaluate(above) & 4, "the alert is before the first field"


def test_a_file_that_cannot_be_registered_says_why(page: Page) -> None:
    page.goto("/#/imports")
    choose(page, f"{'x' * 300}.csv", b"sku,name\nA-1,Lamp\n")
    page.get_by_role("button", name="Start import").click()
    said = page.get_by_role("alert").filter(has_text="filename")
    expect(said).to_contain_text("filename: Too long: use at most 255 characters.")
