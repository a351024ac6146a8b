"""The life of a webhook in the browser, on the real stack and with a real receiver."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect
from standardwebhooks import Webhook as Verifier

from tests.browser.conftest import SEEN_SECONDS_MAX, PageErrors, Shop
from tests.support.hook_server import Received, Reply, hook_server


def test_a_webhook_is_created_tested_edited_called_and_redelivered(
    new_page: Callable[..., Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("412")
    answers = {"/hook": 200}

    def reply(request: Received) -> Reply:
        return Reply(status=answers[request.path], body=b"noted")

    with hook_server(reply) as server:
        url = server.url()
        page = new_page()
        page.goto(f"/#token={shop.token}")
        page.get_by_role("link", name="Webhooks").click()
        page.get_by_role("button", name="New webhook").first.click()
        dialog = page.get_by_role("dialog", name="New webhook")
        dialog.get_by_label("URL").fill(url)
        dialog.get_by_label("Headers").fill("X-Shop: north")
        # An import of another test may end while this one runs, so subscribe to product events only.
        dialog.get_by_label("All events").uncheck()
        dialog.get_by_label("product.created").check()
        dialog.get_by_role("button", name="Create").click()
        secret_dialog = page.get_by_role("dialog", name="Webhook secret")
        secret = secret_dialog.get_by_text(re.compile("^whsec_")).inner_text()
        page.get_by_role("button", name="I've saved it").click()

        page.get_by_role("button", name=f"Test {url}").click()
        tested = page.get_by_role("table").get_by_role("row").filter(has_text=url)
        expect(tested.get_by_role("status")).to_contain_text(re.compile(r"Test delivered: HTTP 200 in \d+ ms"))
        expect(tested.get_by_role("status")).to_contain_text("Response: noted")
        expect(tested).not_to_contain_text("None yet")

        page.get_by_role("button", name=f"Edit {url}").click()
        form = page.get_by_role("dialog", name="Edit webhook")
        expect(form.get_by_label("Headers")).to_have_value("X-Shop")
        form.get_by_label("Headers").fill("X-Shop\nX-Region: eu")
        (webhook,) = [each for each in shop.call("GET", "/webhooks").json()["items"] if each["url"] == url]
        shop.call("PATCH", f"/webhooks/{webhook['id']}", {"description": "Written by another user"})
        form.get_by_role("button", name="Save").click()
        conflict = form.get_by_role("group", name="Someone else has changed this webhook")
        expect(conflict.get_by_role("row", name=re.compile("^Description"))).to_contain_text("Written by another user")
        conflict.get_by_role("button", name="Overwrite with mine").click()
        expect(page.get_by_text("Webhook saved.")).to_be_visible()

        shop.product("hooked", "A product to announce")
        assert server.wait_for(lambda received: len(received) == 2, SEEN_SECONDS_MAX)
        received = server.received[-1]
        assert Verifier(secret).verify(received.body, dict(received.headers))["type"] == "product.created"
        assert (received.headers["x-shop"], received.headers["x-region"]) == ("north", "eu")

        answers["/hook"] = 410
        shop.product("unwanted", "A product the receiver refuses")
        page.get_by_role("link", name=url).click()
        deliveries = page.get_by_role("table", name="Deliveries, newest first").locator("tbody").get_by_role("row")
        expect(deliveries.first).to_contain_text("HTTP 410")
        expect(page.get_by_text("410 Gone").first).to_be_visible()
        deliveries.first.get_by_role("button", name="product.created").click()
        shown = page.get_by_role("dialog", name="product.created")
        expect(shown.get_by_role("region", name="Request body")).to_contain_text('"sku": "unwanted"')
        expect(shown.get_by_role("region", name="Response body")).to_have_text("noted")
        page.keyboard.press("Escape")

        answers["/hook"] = 200
        page.goto("/#/webhooks")
        page.get_by_role("switch", name=f"{url} is on").click()
        expect(page.get_by_text("Webhook turned on.")).to_be_visible()
        page.goto(f"/#/webhooks/{webhook['id']}")
        deliveries.first.get_by_role("button", name="product.created").click()
        shown.get_by_role("button", name="Redeliver").click()
        expect(deliveries.first).to_contain_text("HTTP 200")
        assert len({each.id for each in server.received}) == 3, "the test and two products"
    shop.call("DELETE", f"/webhooks/{webhook['id']}")
