"""A webhook from its making to its deliveries, in the browser, on the real stack and with a real receiver."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect
from standardwebhooks import Webhook as Verifier

from tests.browser.conftest import SEEN_SECONDS_MAX, Shop, Troubles
from tests.support.hook_server import Received, Reply, hook_server


def test_a_webhook_is_made_tested_told_and_sent_again(
    new_page: Callable[..., Page], shop: Shop, troubles: Troubles
) -> None:
    troubles.expect("412")
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
        dialog.get_by_label("Address").fill(url)
        dialog.get_by_label("Headers").fill("X-Shop: north")
        # An import of another test may end while this one runs: that is no event of this story.
        dialog.get_by_label("Every event").uncheck()
        dialog.get_by_label("product.created").check()
        dialog.get_by_role("button", name="Create").click()
        kept = page.get_by_role("dialog", name="The secret of this webhook")
        secret = kept.get_by_text(re.compile("^whsec_")).inner_text()
        page.get_by_role("button", name="I have kept it").click()

        page.get_by_role("button", name=f"Test {url}").click()
        expect(page.get_by_text(re.compile(r"The test arrived: HTTP 200 in \d+ ms"))).to_be_visible()

        page.get_by_role("button", name=f"Edit {url}").click()
        form = page.get_by_role("dialog", name="Edit webhook")
        expect(form.get_by_label("Headers")).to_have_value("X-Shop")
        form.get_by_label("Headers").fill("X-Shop\nX-Region: eu")
        (made,) = [each for each in shop.call("GET", "/webhooks").json()["items"] if each["url"] == url]
        shop.call("PATCH", f"/webhooks/{made['id']}", {"description": "Written by somebody else"})
        form.get_by_role("button", name="Save").click()
        conflict = form.get_by_role("group", name="Somebody else changed this webhook meanwhile")
        expect(conflict.get_by_role("row", name=re.compile("^Description"))).to_contain_text("Written by somebody else")
        conflict.get_by_role("button", name="Save mine over it").click()
        expect(page.get_by_text("The webhook was saved.")).to_be_visible()

        shop.product("hooked", "A product to tell of")
        assert server.wait_for(lambda received: len(received) == 2, SEEN_SECONDS_MAX)
        told = server.received[-1]
        assert Verifier(secret).verify(told.body, dict(told.headers))["type"] == "product.created"
        assert (told.headers["x-shop"], told.headers["x-region"]) == ("north", "eu")

        answers["/hook"] = 410
        shop.product("unwanted", "A product nobody wants to hear of")
        page.get_by_role("link", name=url).click()
        deliveries = page.get_by_role("table", name="Deliveries, the newest first").locator("tbody").get_by_role("row")
        expect(deliveries.first).to_contain_text("HTTP 410")
        expect(page.get_by_text("410 Gone").first).to_be_visible()
        deliveries.first.get_by_role("button", name="product.created").click()
        shown = page.get_by_role("dialog", name="product.created")
        expect(shown.get_by_role("region", name="The body")).to_contain_text('"sku": "unwanted"')
        expect(shown.get_by_role("region", name="The answer")).to_have_text("noted")
        page.keyboard.press("Escape")

        answers["/hook"] = 200
        page.goto("/#/webhooks")
        page.get_by_role("switch", name=f"{url} is on").click()
        expect(page.get_by_text("The webhook is on.")).to_be_visible()
        page.goto(f"/#/webhooks/{made['id']}")
        deliveries.first.get_by_role("button", name="product.created").click()
        shown.get_by_role("button", name="Deliver again").click()
        expect(deliveries.first).to_contain_text("HTTP 200")
        assert len({each.id for each in server.received}) == 3, "the test, and two products"
    shop.call("DELETE", f"/webhooks/{made['id']}")
