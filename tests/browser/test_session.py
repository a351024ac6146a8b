"""Signing in with a token: the start link, the form, and tokens that are invalid or read-only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from chalicelib.access import tokens
from infra.local.processes.deadline import wait_until
from tests.browser.conftest import SEEN_SECONDS_MAX, PageErrors, Shop

HANDOVER_MS = 500
"""How long a new tab waits for the token of another tab."""
CHANNEL = "new BroadcastChannel('product-importer-session')"
OFFERED = f"""() => new Promise((done) => {{
    const channel = {CHANNEL};
    channel.addEventListener('message', ({{ data }}) => data.kind === 'offer' && done(channel.close()));
    channel.postMessage({{ kind: 'ask' }});
}})"""
"""Waits until the page offers its token: a moment after the start link, because another tab's token comes first."""
WATCH_FOR_FORM = """
    window.formSeen = false;
    new MutationObserver(() => { window.formSeen ||= document.querySelector('.sign-in') !== null; })
      .observe(document, { childList: true, subtree: true });"""


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


def test_signing_out_leaves_nothing_of_the_session_in_the_tab(page: Page) -> None:
    page.get_by_role("link", name="Products", exact=True).click()
    page.get_by_role("button", name="New product").click()
    dialog = page.get_by_role("dialog", name="New product")
    dialog.get_by_label("SKU", exact=True).fill("LEFT-1")
    dialog.get_by_label("Name", exact=True).fill("Confidential lamp")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status").filter(has_text="Confidential lamp was created.")).to_be_visible()
    page.evaluate("sessionStorage.setItem('product-importer-jobs', '[]')")

    page.get_by_role("button", name="Sign out").click()

    expect(page.locator("body")).not_to_contain_text("Confidential lamp", timeout=1000)
    expect(page.get_by_role("heading", name="Sign in")).to_be_focused()
    assert page.evaluate("document.documentElement.outerHTML.includes('Confidential lamp')") is False
    assert page.evaluate("sessionStorage.length") == 0


def test_a_password_manager_may_keep_the_token(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.goto("/")
    field = page.get_by_label("API token")
    expect(field).to_have_attribute("type", "password")
    expect(field).to_have_attribute("autocomplete", "current-password")


def test_a_read_only_token_gets_an_error_when_it_writes(
    new_page: Callable[..., Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("403|503")
    token = tokens.install(shop.stack.file.owner_conninfo, "reader", ["read"])
    page = new_page()
    # Until the page knows the scope, it leaves nothing out.
    page.route("**/api/tokens/current", lambda route: route.fulfill(status=503, body="{}"))
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


@pytest.fixture
def new_tab(page: Page, page_errors: PageErrors) -> Callable[[], Page]:
    """Opens tabs in the browser profile of the page, which is signed in."""
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    page.evaluate(OFFERED)

    def make() -> Page:
        tab = page.context.new_page()
        page_errors.watch(tab)
        tab.add_init_script(WATCH_FOR_FORM)
        return tab

    return make


def expect_form(page: Page) -> None:
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage).join().includes('imp_')") is False


def expect_signed_in(page: Page) -> None:
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in")).to_have_count(0)


def question(page: Page) -> Locator:
    """The question whether a link may replace the sign-in."""
    return page.get_by_role("dialog", name="Replace the current sign-in?")


def wait_for_token(page: Page, token: str) -> None:
    """Waits until the tab uses this token."""
    wait_until(
        lambda: token in page.evaluate("JSON.stringify(sessionStorage)"), SEEN_SECONDS_MAX, "the tab uses the token"
    )


def replace_sign_in(page: Page, token: str) -> None:
    """Follows a link with another token, and agrees."""
    page.goto(f"/#token={token}")
    question(page).get_by_role("button", name="Replace").click()
    wait_for_token(page, token)
    expect_signed_in(page)


def stop_clock(page: Page) -> None:
    """Stops the timers of all tabs, so that the sign-in form appears only when the test says so."""
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))


def sent_token(page: Page) -> str:
    """The token of the next request for imports."""
    with page.expect_request("**/api/imports?*") as asked:
        page.get_by_role("link", name="Products", exact=True).click()
        page.get_by_role("link", name="Imports", exact=True).click()
    return asked.value.headers["authorization"].removeprefix("Bearer ")


def test_a_new_tab_is_signed_in_without_showing_the_form(page: Page, new_tab: Callable[[], Page]) -> None:
    stop_clock(page)
    tab = new_tab()
    tab.goto("/#/products?name=lamp")
    expect(tab.get_by_role("heading", name="Products")).to_be_visible()
    expect(tab.get_by_label("Name")).to_have_value("lamp")
    tab.clock.run_for(HANDOVER_MS)
    expect_signed_in(tab)
    assert tab.evaluate("window.formSeen") is False


def test_a_tab_that_is_opened_with_ctrl_and_click_is_signed_in(page: Page, new_tab: Callable[[], Page]) -> None:
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Products", exact=True).click(modifiers=["ControlOrMeta"])
    expect(opened.value.get_by_role("heading", name="Products")).to_be_visible()
    expect_signed_in(opened.value)


def test_the_form_appears_when_no_other_tab_answers_in_time(new_page: Callable[..., Page]) -> None:
    page = new_page()
    stop_clock(page)
    page.goto("/")
    page.clock.run_for(HANDOVER_MS - 1)
    expect(page.get_by_label("API token")).to_have_count(0)
    page.clock.run_for(1)
    expect(page.get_by_label("API token")).to_be_visible()


def test_a_tab_of_another_origin_gets_no_token(page: Page, new_tab: Callable[[], Page], shop: Shop) -> None:
    tab = new_tab()
    tab.goto(shop.url.replace("127.0.0.1", "localhost"))
    expect_form(tab)


def test_signing_out_signs_out_every_tab(page: Page, new_tab: Callable[[], Page], shop: Shop) -> None:
    tab = new_tab()
    tab.goto("/#/products")
    expect_signed_in(tab)
    kept = tab.evaluate("JSON.stringify(sessionStorage)")
    page.get_by_role("button", name="Sign out").click()
    expect_form(page)
    expect_form(tab)

    # A tab that is reopened, or continues after it was suspended, has its old session storage.
    reopened = new_tab()
    reopened.add_init_script(f"Object.assign(sessionStorage, {kept})")
    reopened.goto("/#/products")
    expect_form_of_reopened_tab(reopened)
    tab.evaluate(f"Object.assign(sessionStorage, {kept})")
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect_form(tab)


def expect_form_of_reopened_tab(page: Page) -> None:
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


def test_signing_in_signs_in_the_tabs_that_show_the_form(page: Page, new_tab: Callable[[], Page], shop: Shop) -> None:
    tab = new_tab()
    tab.goto("/#/products")
    page.get_by_role("button", name="Sign out").click()
    expect_form(page)
    expect_form(tab)
    tab.get_by_label("API token").fill(shop.token)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="Products")).to_be_visible()
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    expect_signed_in(page)


def test_the_newest_sign_in_wins_in_every_tab(page: Page, new_tab: Callable[[], Page], shop: Shop) -> None:
    newer = tokens.install(shop.stack.file.owner_conninfo, "newer", ["read", "write"])
    tab = new_tab()
    tab.goto(f"/#token={newer}")
    question(tab).get_by_role("button", name="Replace").click()
    expect(
        tab.get_by_role("table", name="Imports, newest first").or_(tab.get_by_text("No imports yet"))
    ).to_be_visible()
    expect(page.locator("html"), "without a click in this tab").to_have_attribute("data-scope", "write")
    expect_signed_in(page)
    assert (sent_token(tab), sent_token(page)) == (newer, newer)
    third = new_tab()
    third.goto("/")
    expect_signed_in(third)
    assert sent_token(third) == newer


def test_a_link_does_not_replace_the_sign_in_without_asking(page: Page, shop: Shop) -> None:
    other = tokens.install(shop.stack.file.owner_conninfo, "other", ["read", "write"])
    page.goto("/#/products")
    page.goto(f"/#token={other}")
    expect(question(page)).to_contain_text("This link signs you in with another token.")
    expect(question(page).get_by_role("button", name="Cancel")).to_be_focused()
    assert other not in page.url
    question(page).get_by_role("button", name="Cancel").click()
    assert sent_token(page) == shop.token
    replace_sign_in(page, other)
    assert sent_token(page) == other


def test_a_link_in_a_new_tab_does_not_replace_the_sign_in_of_the_others(
    page: Page, new_tab: Callable[[], Page], shop: Shop
) -> None:
    other = tokens.install(shop.stack.file.owner_conninfo, "other", ["read", "write"])
    tab = new_tab()
    tab.goto(f"/#token={other}")
    question(tab).get_by_role("button", name="Cancel").click()
    assert (sent_token(tab), sent_token(page)) == (shop.token, shop.token)


def test_the_link_of_the_current_sign_in_asks_nothing(page: Page, new_tab: Callable[[], Page], shop: Shop) -> None:
    for each in (page, new_tab()):
        each.goto(f"/#token={shop.token}")
        assert sent_token(each) == shop.token
        expect(question(each)).to_have_count(0)


@pytest.mark.parametrize("in_new_tab", [False, True], ids=["the same tab", "a new tab"])
def test_a_link_replaces_a_token_that_no_longer_works_without_asking(
    page: Page, new_tab: Callable[[], Page], shop: Shop, page_errors: PageErrors, in_new_tab: bool
) -> None:
    """As after a restart of the local stack, which revokes the token of the last start."""
    page_errors.expect("401")
    last = tokens.install(shop.stack.file.owner_conninfo, "last start", ["read"])
    replace_sign_in(page, last)
    page.evaluate(OFFERED)
    shop.sql("update api_token set revoked_at = now() where name = 'last start'")
    tab = new_tab() if in_new_tab else page
    tab.goto(f"/#token={shop.token}")
    for each in (tab, page):
        wait_for_token(each, shop.token)
        expect_signed_in(each)
        assert sent_token(each) == shop.token
        expect(question(each)).to_have_count(0)


def test_a_link_with_a_wrong_token_does_not_sign_out(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("401")
    with page.expect_response(lambda response: response.status == 401):
        page.goto("/#token=imp_wrong")
    assert sent_token(page) == shop.token
    expect(question(page)).to_have_count(0)


def test_a_wrong_token_does_not_reach_the_other_tabs(
    page: Page, new_tab: Callable[[], Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("401")
    tab = new_tab()
    with tab.expect_response(lambda response: response.status == 401):
        tab.goto("/#token=imp_wrong")
    # The other tab is signed in, so this one is as well.
    expect_signed_in(tab)
    assert (sent_token(tab), sent_token(page)) == (shop.token, shop.token)


def test_a_revoked_token_is_neither_offered_nor_accepted_again(
    page: Page, new_tab: Callable[[], Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("401")
    revoked = tokens.install(shop.stack.file.owner_conninfo, "leaver", ["read"])
    replace_sign_in(page, revoked)
    expect_signed_in(page)
    tab = new_tab()
    tab.goto("/#/products")
    expect_signed_in(tab)
    statuses: list[int] = []
    page.context.on("response", lambda response: statuses.append(response.status))
    shop.sql("update api_token set revoked_at = now() where name = 'leaver'")

    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_role("alert").filter(has_text="revoked")).to_be_visible()
    expect(tab.get_by_role("alert").filter(has_text="revoked")).to_be_visible()
    expect_form(page)
    expect_form(tab)
    assert statuses.count(401) == 1, "the token was tried again"

    # A tab that has missed this offers the token to the others.
    page.evaluate(f"""() => {{
        window.heard = new Promise((done) => {CHANNEL}.addEventListener('message', () => done(true)));
    }}""")
    tab.evaluate(f"{CHANNEL}.postMessage({{ kind: 'offer', token: '{revoked}', at: Date.now() + 60_000 }})")
    assert page.evaluate("window.heard")
    expect_form(page)
    assert statuses.count(401) == 1, "the token was tried again"


@pytest.fixture
def refused_form(page: Page, shop: Shop, page_errors: PageErrors) -> Locator:
    """The form of a new product whose token was revoked before it could be saved."""
    page_errors.expect("401")
    replace_sign_in(page, tokens.install(shop.stack.file.owner_conninfo, "typist", ["write"]))
    page.goto("/#/products")
    page.get_by_role("button", name="New product").click()
    form = page.get_by_role("dialog")
    form.get_by_label("SKU").fill("TYPED-1")
    form.get_by_label("Name").fill("A long text")
    shop.sql("update api_token set revoked_at = now() where name = 'typist'")
    form.get_by_role("button", name="Create").click()
    expect(form.get_by_role("alert")).to_contain_text("Sign in again in another tab")
    return form


def test_what_was_typed_survives_a_revoked_token(
    page: Page, new_tab: Callable[[], Page], shop: Shop, refused_form: Locator
) -> None:
    new_tab().goto(f"/#token={shop.token}")
    wait_for_token(page, shop.token)
    expect(refused_form.get_by_label("Name")).to_have_value("A long text")
    refused_form.get_by_role("button", name="Create").click()
    expect(page.get_by_role("row").filter(has_text="TYPED-1")).to_be_visible()


@pytest.mark.usefixtures("refused_form")
def test_discarding_what_was_typed_after_a_revoked_token_leads_to_the_sign_in_form(page: Page) -> None:
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Discard changes").click()
    expect_form(page)


def test_the_token_is_only_in_the_session_storage(page: Page, new_tab: Callable[[], Page], shop: Shop) -> None:
    tab = new_tab()
    tab.goto("/#/products")
    expect_signed_in(tab)
    for each in (page, tab):
        assert shop.token in each.evaluate("JSON.stringify(sessionStorage)")
        assert shop.token not in each.evaluate(
            "JSON.stringify([localStorage, document.cookie, location, history.state])"
        )
        assert each.evaluate("indexedDB.databases().then((found) => found.length)") == 0
    assert page.context.cookies() == []
