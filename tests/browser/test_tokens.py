"""Tokens on the page: creating and revoking them, and what a page leaves out for a token that may do less."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PageErrors, Shop
from tests.browser.page_actions import hold


def token_row(page: Page, name: str) -> Locator:
    return page.get_by_role("table", name="Tokens").get_by_role("row").filter(has_text=name)


@pytest.fixture
def token(shop: Shop) -> Callable[[str], str]:
    """Creates tokens with a scope."""

    def create(scope: str) -> str:
        name = f"{scope} {uuid.uuid4().hex[:8]}"
        return str(shop.call("POST", "/tokens", {"name": name, "scope": scope}).json()["token"])

    return create


def test_a_token_is_created_shown_once_used_and_revoked(
    page: Page, new_page: Callable[..., Page], page_errors: PageErrors
) -> None:
    page_errors.expect("401|422|409")
    name = f"till {uuid.uuid4().hex[:8]}"
    page.get_by_role("link", name="Tokens", exact=True).click()
    expect(token_row(page, "You are signed in with this token.")).to_have_count(1)
    page.get_by_role("button", name="New token").click()
    form = page.get_by_role("dialog", name="New token")
    form.get_by_role("button", name="Create").click()
    expect(form.get_by_label("Name")).to_be_focused()
    form.get_by_label("Name").fill(name)
    form.get_by_label("Write").check()
    form.get_by_label("In 90 days").check()
    form.get_by_role("button", name="Create").click()
    shown = page.get_by_role("dialog", name="New token").get_by_text(re.compile("^imp_"))
    secret = shown.inner_text()
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()
    page.get_by_role("button", name="I've saved it").click()
    expect(token_row(page, name)).to_contain_text(re.compile(r"write.*Never.*Until \d", re.DOTALL))
    assert secret not in page.content()

    other = new_page()
    other.goto(f"/#token={secret}")
    expect(other.get_by_role("heading", name="Imports", exact=True)).to_be_visible()

    page.get_by_role("button", name=f"Revoke {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text(f"Token {name} revoked.")).to_be_visible()
    expect(token_row(page, name)).to_contain_text("Revoked")
    expect(page.get_by_role("button", name=f"Revoke {name}")).to_have_count(0)
    other.goto("/#/products")
    expect(other.get_by_text("This token is invalid or has been revoked. Sign in again.")).to_be_visible()


def test_the_list_waits_until_it_is_known_which_token_the_user_is_signed_in_with(page: Page) -> None:
    expect(page.locator("html")).to_have_attribute("data-scope", "admin")
    held = hold(page, "GET", "**/api/tokens/current")
    page.goto("/#/tokens")
    page.reload()
    expect(page.get_by_role("heading", name="Tokens")).to_be_visible()
    page.wait_for_function("() => document.querySelector('.list-region')?.ariaBusy === 'true'")
    held.release()
    expect(token_row(page, "You are signed in with this token.")).to_have_count(1)


def test_a_name_that_is_taken_is_explained_in_the_form(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("409")
    name = f"till {uuid.uuid4().hex[:8]}"
    shop.call("POST", "/tokens", {"name": name, "scope": "read"})
    page.goto("/#/tokens")
    page.get_by_role("button", name="New token").click()
    form = page.get_by_role("dialog", name="New token")
    form.get_by_label("Name").fill(name)
    form.get_by_role("button", name="Create").click()
    expect(form.get_by_text(f"There is already a token named {name}", exact=False)).to_be_visible()


def test_revoking_your_own_token_signs_you_out(
    new_page: Callable[..., Page], token: Callable[[str], str], page_errors: PageErrors
) -> None:
    page = new_page()
    page.goto(f"/#token={token('admin')}")
    page.get_by_role("link", name="Tokens", exact=True).click()
    mine = token_row(page, "You are signed in with this token.")
    mine.get_by_role("button", name=re.compile("Revoke")).click()
    dialog = page.get_by_role("dialog", name="Revoke this token?")
    expect(dialog).to_contain_text("You will be signed out")
    dialog.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


SEEN = {
    "read": set[str](),
    "write": {"New product", "Delete one product", "Choose a file", "Active"},
    "admin": {"New product", "Delete one product", "Choose a file", "Active", "Delete all", "New webhook", "Tokens"},
}


@pytest.mark.parametrize("scope", SEEN)
def test_the_page_offers_only_what_the_token_may_do(
    new_page: Callable[..., Page], shop: Shop, token: Callable[[str], str], scope: str
) -> None:
    some = f"T{uuid.uuid4().hex[:8]}"
    shop.product(some, "Lamp")
    page = new_page()
    page.goto(f"/#token={token(scope)}")
    expect(page.locator("html")).to_have_attribute("data-scope", scope)
    offered = {
        "Choose a file": lambda: page.get_by_label("Choose a CSV file"),
        "Tokens": lambda: page.get_by_role("link", name="Tokens", exact=True),
        "New product": lambda: page.get_by_role("button", name="New product"),
        "Delete one product": lambda: page.get_by_role("button", name="Delete Lamp"),
        "Active": lambda: page.get_by_role("switch", name="Lamp is active"),
        "Delete all": lambda: page.get_by_role("button", name="Delete all"),
        "New webhook": lambda: page.get_by_role("button", name="New webhook").first,
    }
    pages = {
        "/#/imports": ("Choose a file", "Tokens"),
        f"/#/products?sku={some}": ("New product", "Delete one product", "Active", "Delete all"),
        "/#/webhooks": ("New webhook",),
    }
    for url, names in pages.items():
        page.goto(url)
        expect(page.locator(".list-region[aria-busy]")).to_have_count(0)
        expect(page.locator(".skeleton")).to_have_count(0)
        for name in names:
            expect(offered[name]()).to_be_visible(visible=name in SEEN[scope])
    expect(page.get_by_text("Your token can't change webhooks")).to_be_visible(visible=scope != "admin")


def test_a_product_can_be_read_but_not_saved_without_the_scope(
    new_page: Callable[..., Page], shop: Shop, token: Callable[[str], str]
) -> None:
    some = f"T{uuid.uuid4().hex[:8]}"
    shop.product(some, "Lamp", description="Bright")
    page = new_page()
    page.goto(f"/#token={token('read')}")
    expect(page.locator("html")).to_have_attribute("data-scope", "read")
    page.goto(f"/#/products?sku={some}")
    page.get_by_role("button", name="Lamp", exact=True).click()
    dialog = page.get_by_role("dialog", name="Edit product")
    expect(dialog.get_by_label("Description")).to_have_value("Bright")
    expect(dialog.get_by_role("button", name="Save")).to_be_hidden()
    expect(dialog.get_by_text("Your token can't save changes: that needs the write scope.")).to_be_visible()
