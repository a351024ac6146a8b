"""Products in the browser: search, edit, switch, delete, export, and conflicts with other users."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from chalicelib.limits import LIST_TEXT_CHARACTERS_MAX
from tests.browser.conftest import PageErrors, Shop

LONG_TEXT = "\x01" * 240 + "x"
"""A control character takes six bytes in JSON."""


def row(page: Page, text: str) -> Locator:
    """The row of the list with this text."""
    return page.get_by_role("table", name="Products").get_by_role("row").filter(has_text=text)


def rows(page: Page) -> Locator:
    """The rows of the list."""
    return page.get_by_role("table", name="Products").locator("tbody").get_by_role("row")


def dialog_field(page: Page, label: str) -> Locator:
    """A field of the open dialog."""
    return page.get_by_role("dialog").get_by_label(label, exact=True)


def long_pages(shop: Shop) -> Iterator[dict[str, Any]]:
    """The pages of these products, read from the API."""
    path = "/products?sku=BULKY-&sort=sku&limit=200"
    while path:
        found = shop.call("GET", path).json()
        yield found
        path = (found["next"] or "").removeprefix("/api")


@pytest.fixture
def some(shop: Shop, request: pytest.FixtureRequest) -> str:
    """Five products with a SKU prefix that no other test uses. Returns the prefix."""
    prefix = f"P{abs(hash(request.node.name)) % 10**8}"
    for number in range(5):
        shop.product(f"{prefix}-{number}", f"Lamp {number}", description=f"Gives light {number}", active=number != 3)
    return prefix


def test_filters_find_products_and_are_in_the_url(page: Page, some: str) -> None:
    page.clock.install()
    page.goto("/#/products")
    page.get_by_label("SKU", exact=True).fill(some.lower())
    expect(rows(page)).to_have_count(5)
    expect(page.get_by_text("5 products match")).to_be_visible()
    page.get_by_label("Name", exact=True).press_sequentially("lamp 2")
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()

    page.reload()
    expect(page.get_by_label("Name", exact=True)).to_have_value("lamp 2")
    expect(rows(page)).to_have_count(1)

    page.get_by_label("Name", exact=True).fill("")
    page.get_by_label("Description", exact=True).fill("LIGHT 4")
    expect(rows(page)).to_have_text([re.compile("Lamp 4")])
    # A choice also applies the text typed just before it, so both make one history entry.
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    page.get_by_label("Description", exact=True).fill("")
    page.get_by_label("Active", exact=True).select_option("Inactive")
    page.clock.resume()
    expect(rows(page)).to_have_text([re.compile("Lamp 3")])
    page.go_back()
    expect(rows(page)).to_have_text([re.compile("Lamp 4")])
    expect(page.get_by_label("Description", exact=True)).to_have_value("LIGHT 4")
    page.get_by_label("Description", exact=True).fill("")
    expect(rows(page)).to_have_count(5)
    page.get_by_label("Sort by").select_option("SKU, A to Z")
    expect(rows(page).first).to_contain_text("Lamp 0")


def test_white_space_that_was_pasted_with_a_filter_does_not_matter(page: Page, some: str) -> None:
    page.goto("/#/products")
    page.get_by_label("SKU", exact=True).fill(f" {some.lower()}-2 ")
    expect(rows(page)).to_have_text([re.compile("Lamp 2")])
    expect(page.get_by_text("1 product matches")).to_be_visible()
    page.get_by_label("SKU", exact=True).fill("  ")
    expect(page.get_by_text(re.compile("products$"))).to_be_visible()


def test_typing_causes_one_request_and_one_history_entry(page: Page, some: str) -> None:
    page.goto(f"/#/products?sku={some}")
    expect(rows(page)).to_have_count(5)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/products?" in request.url else None)
    page.get_by_label("Name", exact=True).press_sequentially("lamp 1", delay=20)
    expect(rows(page)).to_have_count(1)
    assert len(asked) == 1
    page.go_back()
    expect(rows(page)).to_have_count(5)
    expect(page.get_by_label("Name", exact=True)).to_have_value("")


def test_paging_works_both_ways_and_survives_a_reload(page: Page, shop: Shop) -> None:
    for number in range(45):
        shop.product(f"PAGED-{number:02d}", f"Paged {number:02d}")
    page.goto("/#/products?sku=PAGED-&sort=sku")
    page.get_by_label("Page size").select_option("20 rows")
    expect(rows(page)).to_have_count(20)
    pages = page.get_by_role("navigation", name="Pages")
    expect(pages).to_contain_text("1–20")
    page.get_by_role("button", name="Next").click()
    expect(rows(page).first).to_contain_text("Paged 20")
    expect(rows(page).first).to_be_in_viewport()
    expect(pages).to_contain_text("21–40")
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.reload()
    expect(rows(page).first).to_contain_text("Paged 20")
    expect(pages).not_to_contain_text("–")
    page.get_by_role("button", name="Next").click()
    expect(rows(page)).to_have_count(5)
    expect(page.get_by_role("button", name="Next")).to_have_attribute("aria-disabled", "true")
    page.get_by_role("button", name="Previous").click()
    expect(rows(page).first).to_contain_text("Paged 20")
    page.get_by_role("button", name="Previous").click()
    expect(pages).to_contain_text("1–20")
    page.get_by_role("button", name="Next").click()
    expect(pages).to_contain_text("21–40")
    page.get_by_role("button", name="Next").click()
    expect(pages).to_contain_text("41–45")
    page.get_by_role("button", name="Previous").click()
    expect(pages).to_contain_text("21–40")
    expect(rows(page).first).to_be_in_viewport()
    page.go_back()
    expect(rows(page)).to_have_count(5)
    expect(pages).to_contain_text("41–45")


def test_a_page_of_long_texts_has_fewer_rows_and_both_directions_number_them(page: Page, shop: Shop) -> None:
    lines = [f"BULKY-{number:03},Long {number:03} {LONG_TEXT},{LONG_TEXT * 3}" for number in range(450)]
    shop.upload("\n".join(["sku,name,description", *lines]).encode())
    shop.wait_for_imports()
    sizes = [len(each["items"]) for each in long_pages(shop)]
    assert len(sizes) == 3
    assert sum(sizes) == 450
    assert max(sizes) < 200, "a page ends by its bytes"

    page.goto("/#/products?sku=BULKY-&sort=sku&limit=200")
    pages = page.get_by_role("navigation", name="Pages")
    ends = list(accumulate(sizes))
    ranges = [f"{end - size + 1}–{end}" for size, end in zip(sizes, ends, strict=True)]
    for direction, expected in (("Next", ranges), ("Previous", ranges[1::-1])):
        for index, each in enumerate(expected):
            if index or direction == "Previous":
                page.get_by_role("button", name=direction).click()
            expect(pages).to_contain_text(each)
            expect(rows(page)).to_have_count(sizes[ranges.index(each)])
            expect(rows(page).first).to_contain_text(f"Long {int(each.partition('–')[0]) - 1:03}")


def test_a_new_product_shows_the_errors_of_the_api_at_its_fields(page: Page, page_errors: PageErrors) -> None:
    page_errors.expect("422|409")
    page.goto("/#/products")
    page.get_by_role("button", name="New product").click()
    dialog = page.get_by_role("dialog", name="New product")
    expect(dialog_field(page, "SKU")).to_be_focused()
    dialog.get_by_role("button", name="Create").click()
    expect(dialog_field(page, "SKU")).to_be_focused()
    expect(dialog_field(page, "SKU")).to_have_accessible_description(re.compile("This field can't be empty."))
    expect(dialog_field(page, "Name")).to_have_attribute("aria-invalid", "true")

    dialog_field(page, "SKU").fill("NEW-1")
    dialog_field(page, "Name").fill("x" * 256)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_text("Too long: use at most 255 characters.")).to_be_visible()
    dialog_field(page, "Name").fill("Brand new")
    dialog_field(page, "Description").fill("Two\nlines")
    dialog.get_by_role("button", name="Create").click()

    expect(page.get_by_role("status").filter(has_text="Brand new was created.")).to_be_visible()
    expect(page.get_by_role("button", name="New product")).to_be_focused()
    expect(row(page, "NEW-1")).to_contain_text("edited manually")

    page.get_by_role("button", name="New product").click()
    dialog_field(page, "SKU").fill("new-1")
    dialog_field(page, "Name").fill("Again")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog_field(page, "SKU")).to_have_accessible_description(
        re.compile(r"The SKU NEW-1 belongs to another product\. Show that product")
    )
    dialog.get_by_role("link", name="Show that product").click()
    page.get_by_role("button", name="Discard changes").click()
    expect(dialog).to_be_hidden()
    expect(rows(page)).to_have_text([re.compile("Brand new")])


LEAVING: dict[str, Callable[[Page], None]] = {
    "Escape": lambda page: page.keyboard.press("Escape"),
    "Cancel": lambda page: page.get_by_role("dialog").get_by_role("button", name="Cancel").click(),
    "Close": lambda page: page.get_by_role("dialog").get_by_role("button", name="Close").click(),
    "Back": lambda page: page.evaluate("history.back()"),
}


def open_form(page: Page, some: str) -> Locator:
    """The form of a product, reached from another page of the application."""
    page.goto("/#/webhooks")
    expect(page.get_by_role("heading", name="Webhooks")).to_be_visible()
    page.goto(f"/#/products?sku={some}-1")
    page.get_by_role("button", name="Lamp 1", exact=True).click()
    dialog = page.get_by_role("dialog", name="Edit product")
    expect(dialog_field(page, "SKU")).to_be_focused()
    return dialog


@pytest.mark.parametrize("way", LEAVING)
def test_a_form_with_changes_asks_before_it_closes(page: Page, some: str, way: str) -> None:
    open_form(page, some)
    dialog_field(page, "Name").fill("Typed with care")
    question = page.get_by_role("dialog", name="Discard your changes?")
    for key in ("Enter", "Escape"):
        LEAVING[way](page)
        expect(question.get_by_role("button", name="Keep editing")).to_be_focused()
        page.keyboard.press(key)
        expect(question).to_be_hidden()
        expect(page.get_by_role("dialog")).to_have_count(1)
        expect(dialog_field(page, "Name")).to_have_value("Typed with care")
        expect(page).to_have_url(re.compile(r"#/products\?sku="))

    LEAVING[way](page)
    question.get_by_role("button", name="Discard changes").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    if way == "Back":
        expect(page.get_by_role("heading", name="Webhooks")).to_be_focused()
    else:
        expect(page.get_by_role("button", name="Lamp 1", exact=True)).to_be_focused()


def test_a_key_pressed_just_after_the_question_closes_is_not_lost(page: Page, some: str) -> None:
    open_form(page, some)
    dialog_field(page, "Name").fill("Typed with care")
    page.keyboard.press("Escape")
    question = page.get_by_role("dialog", name="Discard your changes?")
    expect(question).to_be_visible()
    page.evaluate(
        """async () => {
            const [form, question] = document.querySelectorAll("dialog");
            [...question.querySelectorAll("button")].find((button) => button.textContent === "Keep editing").click();
            for (let turn = 0; turn < 20; turn++) await null;
            form.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
        }"""
    )
    expect(question).to_be_visible()


@pytest.mark.parametrize("way", LEAVING)
def test_a_form_without_changes_closes_at_once(page: Page, some: str, way: str) -> None:
    dialog = open_form(page, some)
    dialog_field(page, "Name").fill("Typed")
    dialog_field(page, "Name").fill("Lamp 1")
    LEAVING[way](page)
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_keys_and_clicks_in_a_row_ask_only_once(page: Page, some: str) -> None:
    dialog = open_form(page, some)
    dialog_field(page, "Name").fill("Typed with care")
    page.mouse.click(5, 5)  # On the backdrop.
    expect(dialog).to_be_visible()
    for _ in range(2):
        page.evaluate("history.back()")
    question = page.get_by_role("dialog", name="Discard your changes?")
    expect(question).to_have_count(1)
    for _ in range(6):
        page.keyboard.press("Escape")  # Browsers let a page prevent only the first of several.
    expect(page.get_by_role("dialog", name="Edit product")).to_have_count(1)
    expect(dialog_field(page, "Name")).to_have_value("Typed with care")


def test_the_browser_asks_before_a_tab_with_changes_is_closed(page: Page, some: str, page_errors: PageErrors) -> None:
    page_errors.expect("dialog: beforeunload")
    open_form(page, some)
    dialog_field(page, "Name").fill("Typed with care")
    page.evaluate("location.reload()")
    expect(dialog_field(page, "Name")).to_have_value("Typed with care")
    assert [each.split()[1] for each in page_errors.seen] == ["beforeunload"]
    dialog_field(page, "Name").press("Enter")
    expect(page.get_by_role("button", name="Typed with care", exact=True)).to_be_focused()
    page.reload()
    expect(row(page, "Typed with care")).to_be_visible()
    assert len(page_errors.seen) == 1


def test_a_double_click_or_two_keys_save_once(page: Page, some: str) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method) if request.method in {"POST", "PATCH"} else None)
    page.goto(f"/#/products?sku={some}")
    page.get_by_role("button", name="New product").click()
    dialog_field(page, "SKU").fill(f"{some}-TWICE")
    dialog_field(page, "Name").fill("Twice")
    page.get_by_role("dialog").evaluate(
        "(dialog) => {"
        " const form = dialog.querySelector('form'), save = form.querySelector('.primary');"
        " form.requestSubmit(); save.click(); save.click(); }"
    )
    expect(row(page, "Twice")).to_have_count(1)
    page.get_by_role("button", name="Twice", exact=True).click()
    dialog_field(page, "Name").fill("Once")
    page.get_by_role("dialog").get_by_role("button", name="Save").dblclick()
    expect(row(page, "Once")).to_have_count(1)
    page.get_by_role("button", name="Delete Once").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).dblclick()
    expect(page.get_by_role("status").filter(has_text="was deleted.")).to_be_visible()
    assert sent == ["POST", "PATCH"]


def test_editing_a_product_returns_the_focus_to_it(page: Page, some: str) -> None:
    page.goto(f"/#/products?sku={some}-1")
    row(page, "Lamp 1").get_by_role("button", name="Lamp 1", exact=True).press("Enter")
    dialog_field(page, "Name").fill("Lantern")
    page.get_by_role("dialog").get_by_label("Active (shown in the shop)").uncheck()
    dialog_field(page, "Name").press("Enter")
    expect(page.get_by_role("status").filter(has_text="Lantern was saved.")).to_be_visible()
    expect(row(page, "Lantern").get_by_role("switch")).not_to_be_checked()
    expect(page.get_by_role("button", name="Lantern", exact=True)).to_be_focused()


def test_untouched_fields_keep_their_exact_bytes(page: Page, shop: Shop) -> None:
    text = "White\r\n350 ml\rdishwasher safe\n"
    product = shop.product("LINES-1", "Mug", description=text)
    page.goto("/#/products?sku=LINES-1")
    page.get_by_role("button", name="Mug", exact=True).click()
    dialog_field(page, "Name").fill("Enamel mug")
    page.get_by_role("button", name="Save").click()
    expect(row(page, "Enamel mug")).to_be_visible()
    assert shop.call("GET", f"/products/{product['id']}").json()["description"] == text


def test_a_description_that_the_list_cuts_survives_an_edit_and_a_conflict(
    page: Page, shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("412")
    text = "Very long. " * 5_000
    product = shop.product("CUT-1", "Carpet", description=text)
    page.goto("/#/products?sku=CUT-1")
    cell = row(page, "Carpet").get_by_title("Very long.")
    expect(cell).to_have_text(re.compile("…$"))
    expect(cell).to_have_text(text[:LIST_TEXT_CHARACTERS_MAX] + "…")
    page.get_by_role("button", name="Carpet", exact=True).click()
    expect(dialog_field(page, "Description")).to_have_value(text)
    dialog_field(page, "Name").fill("Rug")
    page.get_by_role("button", name="Save").click()
    expect(row(page, "Rug")).to_be_visible()
    assert shop.call("GET", f"/products/{product['id']}").json()["description"] == text

    page.get_by_role("button", name="Rug", exact=True).click()
    dialog_field(page, "Name").fill("Red rug")
    shop.call("PATCH", f"/products/{product['id']}", {"name": "Blue rug", "description": text + "Blue."})
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Use their version").click()
    dialog_field(page, "Name").fill("Red rug")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(row(page, "Red rug")).to_be_visible()
    row(page, "Red rug").get_by_role("switch").click()
    expect(page.get_by_role("status").filter(has_text="Red rug is now inactive.")).to_be_visible()
    stored = shop.call("GET", f"/products/{product['id']}").json()
    assert (stored["name"], stored["active"], stored["description"]) == ("Red rug", False, text + "Blue.")


def test_a_conflict_shows_both_versions_and_loses_neither(
    page: Page, shop: Shop, some: str, page_errors: PageErrors
) -> None:
    page_errors.expect("412")
    page.goto(f"/#/products?sku={some}-1")
    page.get_by_role("button", name="Lamp 1", exact=True).click()
    dialog_field(page, "Name").fill("My lamp")
    found = shop.call("GET", f"/products?sku={some}-1").json()["items"][0]
    shop.call("PATCH", f"/products/{found['id']}", {"name": "Their lamp", "description": "Theirs"})

    page.get_by_role("button", name="Save").click()

    conflict = page.get_by_role("group", name="Someone else has changed this product")
    expect(conflict.get_by_role("row", name=re.compile("^Name"))).to_contain_text("My lamp")
    expect(conflict.get_by_role("row", name=re.compile("^Name"))).to_contain_text("Their lamp")
    expect(conflict.get_by_role("row", name=re.compile("^Description"))).to_contain_text("Theirs")
    conflict.get_by_role("button", name="Use their version").click()
    expect(dialog_field(page, "Name")).to_have_value("Their lamp")
    expect(dialog_field(page, "Description")).to_have_value("Theirs")

    dialog_field(page, "Name").fill("My lamp again")
    shop.call("PATCH", f"/products/{found['id']}", {"name": "Their lamp again"})
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Overwrite with mine").click()
    expect(row(page, "My lamp again")).to_be_visible()
    assert shop.call("GET", f"/products/{found['id']}").json()["name"] == "My lamp again"


def test_the_switch_saves_at_once_and_reverts_on_failure(
    page: Page, shop: Shop, some: str, page_errors: PageErrors
) -> None:
    page_errors.expect("ERR_FAILED")
    page.goto(f"/#/products?sku={some}-0")
    switch = page.get_by_role("switch", name="Lamp 0 is active")
    expect(switch).to_be_checked()
    switch.press("Space")
    expect(page.get_by_role("status").filter(has_text="Lamp 0 is now inactive.")).to_be_visible()
    expect(switch).not_to_be_checked()
    expect(switch).to_be_focused()
    assert shop.call("GET", f"/products?sku={some}-0").json()["items"][0]["active"] is False

    page.route("**/api/products/*", lambda route: route.abort())
    switch.click()
    expect(page.get_by_role("alert").filter(has_text="Can't reach the server.")).to_be_visible()
    expect(switch).not_to_be_checked()


def test_a_product_is_deleted_after_confirmation(page: Page, shop: Shop, some: str, page_errors: PageErrors) -> None:
    page_errors.expect("412")
    page.goto(f"/#/products?sku={some}")
    page.get_by_role("button", name="Delete Lamp 2").click()
    dialog = page.get_by_role("dialog", name="Delete this product?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Delete Lamp 2")).to_be_focused()
    expect(rows(page)).to_have_count(5)

    page.get_by_role("button", name="Delete Lamp 2").click()
    found = shop.call("GET", f"/products?sku={some}-2").json()["items"][0]
    shop.call("PATCH", f"/products/{found['id']}", {"name": "Lamp 2, now dear"})
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(dialog.get_by_text("Someone else has changed this product.")).to_be_visible()
    expect(dialog.get_by_role("row", name=re.compile("^Name"))).to_contain_text("now dear")
    dialog.get_by_role("button", name="Delete", exact=True).click()

    expect(rows(page)).to_have_count(4)
    expect(page.get_by_role("status").filter(has_text="was deleted.")).to_be_visible()
    expect(page.get_by_role("button", name="Delete Lamp 1")).to_be_focused()


def test_deleting_by_keyboard_goes_down_the_list_then_up(page: Page, some: str) -> None:
    page.goto(f"/#/products?sku={some}")
    expect(rows(page)).to_have_count(5)
    page.get_by_role("button", name="Delete Lamp 1").focus()
    for left in ("Lamp 0", "Lamp 2", "Lamp 3", "Lamp 4"):
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).press("Enter")
        expect(page.get_by_role("button", name=f"Delete {left}")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).press("Enter")
    expect(page.get_by_text("No products match")).to_be_visible()
    expect(page.get_by_role("heading", name="Products")).to_be_focused()


def test_long_names_and_skus_are_clamped_in_the_list_and_whole_in_dialogs(
    new_page: Callable[..., Page], shop: Shop
) -> None:
    sku, name = f"LONG-{'S' * 59}", f"Long{'n' * 251}"
    shop.product(sku, name)
    shop.product("LONG-SKU/-1-2-3", "Short")
    page = new_page(viewport={"width": 320, "height": 700})
    page.goto(f"/#token={shop.token}")
    page.goto("/#/products?sku=LONG-")
    expect(rows(page)).to_have_count(2)
    assert lines(row(page, "Short").get_by_text("LONG-SKU/-1-2-3")) == 1, "a SKU that fits breaks nowhere"
    for text in (sku, name):
        shown = page.get_by_title(text, exact=True)
        expect(shown).to_have_text(text)
        assert lines(shown) == 2
    page.get_by_role("button", name=f"Delete {name}").click()
    said = page.get_by_role("dialog").get_by_text(name)
    expect(said).to_contain_text(sku)
    assert lines(said) > 2
    assert said.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def lines(element: Locator) -> int:
    """The number of lines that are visible of a text."""
    shown: float = element.evaluate(
        "(element) => element.getBoundingClientRect().height / parseFloat(getComputedStyle(element).lineHeight)"
    )
    return round(shown)


def test_the_source_of_a_product_links_to_its_import(page: Page, shop: Shop) -> None:
    shop.upload(b"sku,name\nORIGIN-1,Has an origin\n", "origin.csv")
    page.goto("/#/products?sku=ORIGIN-1")
    found = row(page, "ORIGIN-1")
    while not found.is_visible():
        page.reload()
        expect(found.or_(page.get_by_text("No products match"))).to_be_visible()
    expect(found).to_contain_text("line 2 of origin.csv")
    found.get_by_role("link", name="origin.csv").click()
    expect(page.get_by_role("heading", name="origin.csv")).to_be_focused()


def test_the_matching_products_are_exported(page: Page, some: str, tmp_path: Path) -> None:
    page.goto(f"/#/products?sku={some}&active=true")
    expect(rows(page)).to_have_count(4)
    page.get_by_role("button", name="Export as CSV").click()
    job = page.get_by_role("region", name="Exporting products")
    expect(job.get_by_role("status")).to_have_text("Completed")
    expect(job).to_contain_text("4 products")
    page.reload()
    with page.expect_download() as downloading:
        job.get_by_role("button", name="Download").click()
    saved = tmp_path / "products.csv"
    downloading.value.save_as(saved)
    lines = saved.read_text("utf-8").split()
    assert [line.split(",")[0] for line in saved.read_text("utf-8").splitlines()] == [
        "sku",
        *(f"{some}-{number}" for number in (0, 1, 2, 4)),
    ], lines
    job.get_by_role("button", name="Dismiss").click()
    expect(job).to_be_hidden()


def test_lists_say_when_they_are_empty_or_failed_to_load(page: Page, page_errors: PageErrors) -> None:
    page.goto("/#/products?name=no-product-has-this-name")
    expect(page.get_by_text("No products match")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("")
    expect(rows(page).first).to_be_visible()

    page_errors.expect("503")
    body = '{"title": "Unavailable", "status": 503, "detail": "The service is unavailable for a moment.", "errors": []}'
    page.route(
        "**/api/products?*",
        lambda route: route.fulfill(status=503, content_type="application/problem+json", body=body),
    )
    page.get_by_label("Active", exact=True).select_option("Active")
    failure = page.get_by_role("alert").filter(has_text="Unavailable")
    expect(failure).to_contain_text("The service is unavailable for a moment. (HTTP 503)")
    page.unroute("**/api/products?*")
    page.get_by_role("button", name="Try again").click()
    expect(rows(page).first).to_be_visible()


def test_the_offline_banner_appears_and_disappears(page: Page, page_errors: PageErrors) -> None:
    page_errors.expect("ERR_INTERNET_DISCONNECTED")
    page.goto("/#/products")
    expect(rows(page).first).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("You're offline.")).to_be_visible()
    page.get_by_label("Active", exact=True).select_option("Active")
    expect(page.get_by_text("Can't reach the server", exact=True)).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You're offline.")).to_be_hidden()
    expect(rows(page).first).to_be_visible()


def test_numbers_and_dates_follow_the_locale(new_page: Callable[..., Page], shop: Shop) -> None:
    shop.product("LOCALE-1", "Localised")
    page = new_page(locale="de-DE")
    page.goto(f"/#token={shop.token}")
    page.goto("/#/products?sku=LOCALE-1")
    expect(row(page, "LOCALE-1")).to_contain_text(re.compile(r"\d\d\.\d\d\.20\d\d, \d\d:\d\d"))


def test_all_products_are_deleted_after_a_typed_confirmation(page: Page, shop: Shop, some: str) -> None:
    shop.upload(("sku,name\n" + "".join(f"MANY-{n},Many\n" for n in range(20_000))).encode(), "many products.csv")
    page.goto("/#/imports")
    expect(page.get_by_role("row").filter(has_text="many products.csv")).to_contain_text("Completed")
    page.goto("/#/products")
    page.get_by_role("button", name="Delete all").click()
    dialog = page.get_by_role("dialog", name="Delete all products?")
    expect(dialog).to_contain_text(re.compile(r"[\d,]+ products will be permanently deleted"))
    button = dialog.get_by_role("button", name="Delete all products")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type DELETE ALL to confirm").fill("delete all")
    expect(button).to_be_disabled()
    dialog.get_by_label("Type DELETE ALL to confirm").fill("DELETE ALL")
    # Another transaction holds a row, so that the progress can be observed.
    with shop.holding("select from product where sku = 'MANY-19999' for update"):
        button.click()
        job = page.get_by_role("region", name="Deleting all products")
        expect(job.get_by_role("status")).to_have_text("Processing")
        expect(page.get_by_text("Products are being deleted")).to_be_visible()
        expect(page.get_by_text("No products yet")).to_be_hidden()
        page.reload()
        expect(page.get_by_text("Products are being deleted")).to_be_visible()
        expect(job.get_by_role("status")).to_have_text("Processing")
        expect(job).to_contain_text(re.compile(r"[\d,]+ of [\d,]+ products"))
    expect(job.get_by_role("status")).to_have_text("Completed")
    expect(page.get_by_role("status").filter(has_text=re.compile(r"Deleted [\d,]+ products\."))).to_be_visible()
    expect(page.get_by_text("No products yet")).to_be_visible()
    assert shop.call("GET", "/products").json()["total"] == 0


def test_what_was_started_elsewhere_is_visible(page: Page, shop: Shop, some: str) -> None:
    page.goto("/#/products")
    expect(rows(page).first).to_be_visible()
    shop.call("POST", "/exports", {"sku": some})
    job = page.get_by_role("region", name="Exporting products")
    expect(job.get_by_role("status")).to_have_text("Completed")
    expect(job).to_contain_text("5 products")
    with page.expect_download():
        job.get_by_role("button", name="Download").click()
    with shop.holding(f"select from product where sku = '{some}-1' for update"):
        started = shop.call("POST", "/bulk-deletes", {"confirm": "DELETE ALL"}).json()["id"]
        deletion = page.get_by_role("region", name="Deleting all products")
        expect(deletion).to_be_visible()
        expect(page.get_by_text("Products are being deleted")).to_be_visible()
        page.reload()
        expect(page.get_by_text("Products are being deleted")).to_be_visible()
        expect(deletion).to_be_visible()
        expect(job).to_have_count(0)
    expect(deletion.get_by_role("status")).to_have_text("Completed")
    expect(page.get_by_text("No products yet")).to_be_visible()
    assert shop.call("GET", f"/bulk-deletes/{started}").json()["status"] == "completed"


def test_a_failed_deletion_is_reported(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    failed = '{"id": "x", "status": "%s", "total": 5, "deleted": 2, "percent": 40, "error": %s}'
    answers = iter(
        [failed % ("processing", "null"), failed % ("failed", '{"code": "x", "message": "A fault of ours."}')]
    )
    page.route(
        "**/api/bulk-deletes/x", lambda route: route.fulfill(content_type="application/json", body=next(answers))
    )
    page.evaluate('sessionStorage.setItem(\'product-importer-jobs\', \'[{"kind": "delete", "id": "x"}]\')')
    page.goto("/#/products")
    expect(page.get_by_role("region", name="Deleting all products").get_by_role("status")).to_have_text("Failed")
    expect(page.get_by_role("alert").filter(has_text="could not be deleted. A fault of ours.")).to_be_visible()
