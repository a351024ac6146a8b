"""Hostile names stay text: no dialog opens and no content security policy is violated."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.page_actions import choose, row_count, status

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><script>alert(document.domain)</script>',
    "'\"--><svg onload=alert(1)>",
    "javascript:alert(1)",
    "<iframe src=javascript:alert(1)></iframe>",
    "<a href=javascript:alert(1)>x</a>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<style>body{display:none}</style>",
    "<math><mtext></table><img src=x onerror=alert(1)>",
    "&lt;b&gt;not bold&lt;/b&gt;",
    "\u202eright to left\u202c and \u0000-free".replace("\u0000", "NUL"),
    "<dialog open>hello</dialog>",
    "__proto__",
]


def test_hostile_products_stay_text(page: Page, shop: Shop) -> None:
    for number, text in enumerate(HOSTILE):
        shop.product(f"XSS-{number}", text, description=text)
    page.goto("/#/products?sku=XSS-&limit=100")
    table = page.get_by_role("table", name="Products")
    expect(table.locator("tbody").get_by_role("row")).to_have_count(len(HOSTILE))
    shown = table.locator("tbody .main-cell button").all_text_contents()
    assert shown[::-1] == HOSTILE
    for text in HOSTILE[:4]:
        table.get_by_role("button", name=text, exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Name", exact=True)).to_have_value(text)
        expect(dialog.get_by_label("Description", exact=True)).to_have_value(text)
        page.keyboard.press("Escape")
        table.get_by_role("button", name=f"Delete {text}", exact=True).click()
        expect(dialog).to_contain_text(text)
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    page.goto("/#/products?name=" + "%3Cscript%3Ealert(1)%3C/script%3E%22%3E")
    expect(page.get_by_text("No products match")).to_be_visible()


def test_hostile_file_names_and_cells_stay_text(page: Page, shop: Shop) -> None:
    name = "<img src=x onerror=alert(1)>.csv"
    lines = [
        "sku,name,<script>alert(1)</script>",
        *(f',{json.dumps(each)},"{each[:3]}"' for each in HOSTILE if '"' not in each),
    ]
    content = "\n".join(lines).encode()
    choose(page, name, content)
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_role("columnheader").filter(has_text="<script>alert(1)</script>")).to_be_visible()
    expect(page.get_by_role("cell", name="<svg/onload=alert(1)>")).to_be_visible()
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text(f"Nothing was imported: all {len(lines) - 1} rows were rejected")
    expect(row_count(page, "Rejected")).to_have_text(str(len(lines) - 1))
    expect(page.get_by_text("Unknown columns were ignored: “<script>alert(1)</script>”.")).to_be_visible()
    expect(page.get_by_role("table", name="Rejected rows by line")).to_contain_text("<svg/onload=alert(1)>")
    page.get_by_role("link", name="All imports").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()


def test_hostile_urls_do_nothing(page: Page) -> None:
    for address in ("/#/imports/<script>alert(1)</script>", "/#/<img src=x onerror=alert(1)>", "/#javascript:alert(1)"):
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
