"""Hostile names stay text: no dialog opens and no content security policy is violated."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.browser.conftest import PageErrors, Shop
from tests.browser.page_actions import choose, row_count, status
from tests.support.hook_server import Reply, hook_server

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


def test_a_hostile_webhook_and_what_its_receiver_answers_stay_text(page: Page, shop: Shop) -> None:
    with hook_server(lambda _: Reply(status=500, body="".join(HOSTILE).encode())) as server:
        webhook = {"url": server.url(), "events": ["product.created"], "description": HOSTILE[3], "enabled": False}
        created = shop.call("POST", "/webhooks", webhook).json()
        page.goto("/#/webhooks")
        expect(page.get_by_role("table").filter(has_text=HOSTILE[3])).to_be_visible()
        page.get_by_role("button", name=f"Test {server.url()}").click()
        expect(page.get_by_role("table").get_by_role("status").filter(has_text=HOSTILE[0])).to_be_visible()
        page.goto(f"/#/webhooks/{created['id']}")
        deliveries = page.get_by_role("table", name="Deliveries, newest first").locator("tbody").get_by_role("row")
        deliveries.first.get_by_role("button").first.click()
        expect(page.get_by_role("region", name="Response body")).to_contain_text(HOSTILE[1])
        shop.call("DELETE", f"/webhooks/{created['id']}")


HOSTILE_ADDRESSES = [
    "/#/imports/<script>alert(1)</script>",
    "/#/<img src=x onerror=alert(1)>",
    "/#javascript:alert(1)",
    "/#/javascript:alert(1)",
    "/#//evil.example/",
    "/#https://evil.example/",
    "/#/products?sku=<script>alert(1)</script>&sort=<svg/onload=alert(1)>&cursor=%00",
    "/#/products?__proto__[a]=1&constructor=1&toString=1",
    "/#/products/../../api/products",
    "/#/webhooks/%2e%2e%2fproducts?delete=all",
    "/#/imports/%E0%A4%A",
    "/#/imports/__proto__",
    "/#/" + "a/" * 5_000,
    "/?next=javascript:alert(1)#/products",
    "/#/\u202e\x00<iframe srcdoc='<script>alert(1)</script>'>",
]


def test_hostile_urls_do_nothing(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("40[04]|422")  # What the API says to an id that does not exist.
    for address in HOSTILE_ADDRESSES:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.url.startswith(shop.url), address
        injected = "document.querySelectorAll('script:not([src]), iframe, svg[onload], img[onerror]').length"
        assert page.evaluate(injected) == 0, address


ATTEMPTS = {
    "markup": "document.body.innerHTML = '<b>x</b>'",
    "markup beside an element": "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
    "markup for a frame": "document.createElement('iframe').srcdoc = '<b>x</b>'",
    "a policy for markup": "trustedTypes.createPolicy('x', { createHTML: (text) => text })",
    "the default policy": "trustedTypes.createPolicy('default', { createHTML: (text) => text })",
    "text as a script": "document.createElement('script').text = 'window.ran = true'",
    "a script's address": "document.createElement('script').src = 'https://evil.example/x.js'",
    "a timer with text": "setTimeout('window.ran = true')",
    "a worker": "new Worker('data:text/javascript,1')",
    "a request to another server": "await fetch('https://evil.example/')",
    "a request to another port": "await fetch('http://127.0.0.1:1/')",
    "a socket": "await new Promise((_, refuse) => (new WebSocket('wss://evil.example/').onerror = refuse))",
    "an image": "await new Promise((_, refuse) => Object.assign(new Image(), { onerror: refuse }).src = 'https://evil.example/')",
}
"""What an attacker would do first with a hole in the page. Each must fail."""


def test_the_browser_refuses_what_the_page_never_does(page: Page, page_errors: PageErrors) -> None:
    page_errors.expect("policy|Policy|TrustedHTML|TrustedScript|evil.example|127.0.0.1:1|requires|blocked|violates")
    page.goto("/#/products")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for name, attempt in ATTEMPTS.items():
        refused = f"async () => {{ try {{ {attempt} }} catch (error) {{ return String(error) }} return null }}"
        assert page.evaluate(refused) is not None, name
    assert page.evaluate("window.ran") is None
    for directive in ("connect-src", "img-src", "require-trusted-types-for", "trusted-types"):
        assert any(f"policy violated: {directive}" in each for each in page_errors.seen), page_errors.seen


def test_no_other_page_can_frame_it(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("frame-ancestors|violates|refused to connect")
    page.route(
        "http://elsewhere.example/",
        lambda route: route.fulfill(body=f"<iframe src='{shop.url}'></iframe>", content_type="text/html"),
    )
    page.goto("http://elsewhere.example/")
    frame = page.locator("iframe").content_frame
    expect(frame.get_by_role("heading", name="Products")).to_have_count(0)
    assert not page.frames[1].url.startswith(shop.url)
