"""Signing in by token: the start link, the form, and what happens when the token is no longer good."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from chalicelib.access import tokens
from tests.browser.conftest import Shop, Troubles


def test_the_start_link_signs_in_and_its_token_leaves_the_address_bar(page: Page, shop: Shop) -> None:
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    assert shop.token not in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()


def test_without_a_token_a_form_asks_for_it_and_then_shows_what_was_asked_for(
    new_page: Callable[..., Page], shop: Shop
) -> None:
    page = new_page()
    page.goto("/#/products?name=lamp")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()

    page.get_by_label("Access token").fill(f" {shop.token} ")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("lamp")


def test_a_wrong_token_is_refused_with_words(new_page: Callable[..., Page], troubles: Troubles) -> None:
    troubles.expect("401")
    page = new_page()
    page.goto("/#token=imp_wrong")

    expect(page.get_by_role("alert").filter(has_text="not valid")).to_be_visible()
    expect(page.get_by_label("Access token")).to_be_visible()


def test_signing_out_forgets_the_token(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_focused()
    page.reload()
    expect(page.get_by_label("Access token")).to_be_visible()


def test_a_token_that_may_only_read_is_told_so(new_page: Callable[..., Page], shop: Shop, troubles: Troubles) -> None:
    troubles.expect("403")
    token = tokens.install(shop.stack.file.owner_conninfo, "reader", ["read"])
    page = new_page()
    page.goto(f"/#token={token}")
    page.get_by_role("link", name="Products", exact=True).click()
    page.get_by_role("button", name="New product").click()
    page.get_by_label("SKU", exact=True).last.fill("R-1")
    page.get_by_label("Name", exact=True).last.fill("Reader's")
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("scope write (HTTP 403)")


def test_an_address_that_is_none_says_so(page: Page) -> None:
    page.goto("/#/nothing")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_focused()
    page.get_by_role("link", name="Go to the imports").click()
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_focused()
    assert page.title() == "Imports – Product Importer"
