"""What does not exist: the page says what is missing, leads to the list, and offers nothing that cannot help."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageErrors, Shop

ID = "019a2b3c-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "missing", "link"),
    [
        (f"/imports/{ID}", f"There is no import {ID}", "imports"),
        ("/imports/none", "There is no import none", "imports"),
        (f"/webhooks/{ID}", f"There is no webhook {ID}", "webhooks"),
        (f"/products/{ID}", f"There is no page at #/products/{ID}", "products"),
        ("/nothing/here", "There is no page at #/nothing/here", "imports"),
    ],
)
def test_a_link_to_something_that_is_missing_leads_to_the_list(
    page: Page, page_errors: PageErrors, path: str, missing: str, link: str
) -> None:
    page_errors.expect("404")
    page.goto(f"/#{path}")
    expect(page.get_by_text(missing)).to_be_visible()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.get_by_role("heading", name="Deliveries")).to_have_count(0)
    page.get_by_role("link", name=f"Go to {link}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(link, re.IGNORECASE))


def test_parameters_that_are_refused_lead_to_the_list_without_them(page: Page, page_errors: PageErrors) -> None:
    page_errors.expect("422")
    page.goto("/#/webhooks?cursor=broken")
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    page.get_by_role("link", name="Go to webhooks").click()
    expect(page.get_by_text("No webhooks yet").or_(page.get_by_role("table", name="Webhooks"))).to_be_visible()


def test_a_webhook_that_another_user_deleted_leaves_the_list(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("404")
    url = "http://127.0.0.1:9/short-lived"
    created = shop.call("POST", "/webhooks", {"url": url, "events": ["product.created"]}).json()
    page.goto("/#/webhooks")
    edit = page.get_by_role("button", name=f"Edit {url}")
    expect(edit).to_be_visible()
    shop.call("DELETE", f"/webhooks/{created['id']}")
    edit.click()
    expect(page.get_by_role("alert").filter(has_text="There is no webhook")).to_be_visible()
    expect(edit).to_have_count(0)


def test_deleting_what_is_already_deleted_succeeds(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("404")
    url = "http://127.0.0.1:9/twice"
    created = shop.call("POST", "/webhooks", {"url": url, "events": ["product.created"]}).json()
    page.goto("/#/webhooks")
    page.get_by_role("button", name=f"Delete {url}").click()
    shop.call("DELETE", f"/webhooks/{created['id']}")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Webhook deleted.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_file_that_does_not_exist_is_a_page_for_browsers(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("404")
    page.goto("/products/1")
    expect(page.get_by_role("heading", name="Page not found")).to_be_visible()
    page.get_by_role("link", name="products", exact=True).click()
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
