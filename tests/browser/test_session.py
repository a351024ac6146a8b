"""Signing in with a token: the start link, the form, and tokens that are invalid or read-only."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from chalicelib.access import tokens
from tests.browser.conftest import PageErrors, Shop


def test_the_start_link_signs_in_and_removes_the_token_from_the_url(page: Page, shop: Shop) -> None:
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    assert shop.token not in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()


def test_signing_in_leads_to_the_requested_page(new_page: Callable[..., Page], shop: Shop) -> None:
    page = new_page()
    page.goto("/#/products?name=lamp")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()

    page.get_by_label("API token").fill(f" {shop.token} ")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("lamp")


def test_an_invalid_token_is_refused_with_a_message(new_page: Callable[..., Page], page_errors: PageErrors) -> None:
    page_errors.expect("401")
    page = new_page()
    page.goto("/#token=imp_wrong")

    expect(page.get_by_role("alert").filter(has_text="invalid")).to_be_visible()
    expect(page.get_by_label("API token")).to_be_visible()


def test_signing_out_forgets_the_token(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_focused()
    page.reload()
    expect(page.get_by_label("API token")).to_be_visible()


def test_a_read_only_token_gets_an_error_when_it_writes(
    new_page: Callable[..., Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("403")
    token = tokens.install(shop.stack.file.owner_conninfo, "reader", ["read"])
    page = new_page()
    page.goto(f"/#token={token}")
    page.get_by_role("link", name="Products", exact=True).click()
    page.get_by_role("button", name="New product").click()
    page.get_by_label("SKU", exact=True).last.fill("R-1")
    page.get_by_label("Name", exact=True).last.fill("Reader's")
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("scope write (HTTP 403)")


def test_an_unknown_url_shows_page_not_found(page: Page) -> None:
    page.goto("/#/nothing")
    expect(page.get_by_role("heading", name="Page not found")).to_be_focused()
    page.get_by_role("link", name="Go to imports").click()
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_focused()
    assert page.title() == "Imports – Product Importer"
