"""Uploads in the browser: each state says what is true, retries really retry, and a changed file is noticed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PageErrors, Shop
from tests.browser.page_actions import choose, click_three_times, hold, row_count, slow_upload, status

UPLOADS = re.compile(r"/uploads/")
REGISTRATIONS = re.compile(r"/api/imports$")
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
RETRIES_MS = 1000 * (1 + 2 + 4 + 8 + 16)
STALLED_MS = 120_000
SMALL = b"sku,name\nUP-1,Hammer\n"


def start(page: Page, name: str, content: bytes = SMALL) -> None:
    """Chooses a file and starts the import."""
    page.goto("/#/imports")
    choose(page, name, content)
    page.get_by_role("button", name="Start import").click()


def refuse(page: Page, code: int, body: str = "") -> None:
    """Lets the file store refuse every upload from now on."""
    page.route(UPLOADS, lambda route: route.fulfill(status=code, headers=ANY_ORIGIN, body=body))


def imports_named(shop: Shop, name: str) -> list[dict[str, Any]]:
    return [each for each in shop.call("GET", "/imports?limit=200").json()["items"] if each["filename"] == name]


def signed_in_elsewhere(new_page: Callable[..., Page], shop: Shop, url: str) -> Page:
    """The same address in another browser profile."""
    other = new_page()
    other.goto(f"/#token={shop.token}")
    expect(other.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    other.goto(url)
    return other


def test_an_upload_can_be_cancelled(page: Page, shop: Shop, big_file: Path) -> None:
    page.get_by_label("Choose a CSV file").set_input_files(big_file)
    with slow_upload(page, bytes_per_second=500_000):
        page.get_by_role("button", name="Start import").click()
        expect(page.get_by_text(re.compile("MB uploaded"))).to_be_visible()
        expect(page.locator(".chart, .row-counts").filter(visible=True)).to_have_count(0)
        page.get_by_role("button", name="Cancel import").click()
        expect(status(page)).to_have_text("Cancelled before any row was written")
    expect(page.get_by_text("Nothing was written.")).to_be_visible()
    expect(page.locator("progress, .chart, .row-counts").filter(visible=True)).to_have_count(0)
    expect(page.get_by_text(re.compile("took|processed")).filter(visible=True)).to_have_count(0)


def test_an_upload_continues_while_other_pages_are_open(page: Page) -> None:
    rows = [f"HEAVY-{number},Heavy,{'Oak ' * 1250}" for number in range(2000)]
    with slow_upload(page):
        start(page, "heavy.csv", "\n".join(["sku,name,description", *rows]).encode())
        expect(page.get_by_text(re.compile("MB uploaded"))).to_be_visible()
        page.get_by_role("link", name="Products", exact=True).click()
        expect(page.get_by_role("heading", name="Products")).to_be_visible()
        page.go_back()
        expect(page.get_by_text(re.compile("MB uploaded"))).to_be_visible()
    expect(status(page)).to_have_text("Completed")


def test_an_upload_stops_when_its_import_is_cancelled_elsewhere(page: Page, shop: Shop, big_file: Path) -> None:
    page.get_by_label("Choose a CSV file").set_input_files(big_file)
    with slow_upload(page, bytes_per_second=500_000):
        page.get_by_role("button", name="Start import").click()
        expect(page.get_by_text(re.compile("MB uploaded"))).to_be_visible()
        with page.expect_event("requestfailed", lambda request: UPLOADS.search(request.url) is not None):
            shop.call("POST", f"/imports/{page.url.rpartition('/')[2]}/cancel")
    expect(status(page)).to_have_text("Cancelled before any row was written")


def test_a_lost_connection_is_shown_and_the_upload_is_retried(
    page: Page, new_page: Callable[..., Page], shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("ERR_FAILED")
    page.clock.install()
    page.route(UPLOADS, lambda route: route.abort())
    start(page, "lost.csv")
    expect(status(page)).to_have_text("Upload interrupted")
    expect(page.get_by_text("The connection to the file store was lost. Retrying automatically.")).to_be_visible()

    other = signed_in_elsewhere(new_page, shop, page.url)
    expect(status(other)).to_have_text("Waiting for the file")
    expect(other.locator("progress, .chart, .row-counts").filter(visible=True)).to_have_count(0)
    other.goto("/#/imports")
    expect(other.get_by_role("row").filter(has_text="lost.csv")).to_contain_text("Waiting for the file––")

    page.unroute(UPLOADS)
    page.clock.run_for(RETRIES_MS)
    expect(status(page)).to_have_text("Completed")
    expect(other.get_by_role("row").filter(has_text="lost.csv")).to_contain_text("Completed")
    assert len(imports_named(shop, "lost.csv")) == 1


def test_an_upload_that_keeps_failing_waits_for_the_user(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("ERR_FAILED")
    attempts: list[Route] = []

    def lose(route: Route) -> None:
        attempts.append(route)
        route.abort()

    page.clock.install()
    page.route(UPLOADS, lose)
    start(page, "given up.csv")
    last = page.get_by_text("The connection to the file store was lost. Check your connection, then retry the upload.")
    for _ in range(6):
        expect(status(page)).to_have_text("Upload interrupted")
        page.clock.run_for(RETRIES_MS)
    expect(last).to_be_visible()
    assert len(attempts) == 6

    page.unroute(UPLOADS)
    page.get_by_role("button", name="Retry upload").click()
    expect(status(page)).to_have_text("Completed")
    expect(last).to_be_hidden()


def test_an_upload_that_stalls_is_interrupted_and_retried(page: Page, page_errors: PageErrors) -> None:
    page.clock.install()
    held = hold(page, "PUT", UPLOADS)
    start(page, "stalled.csv")
    expect(status(page)).to_have_text("Uploading")
    page.wait_for_function("() => true")  # Handles the events of the held request.
    page.clock.fast_forward(STALLED_MS)
    expect(page.get_by_text("Nothing could be sent for two minutes. Retrying automatically.")).to_be_visible()
    held.routes.clear()
    page.unroute(UPLOADS)
    page.clock.run_for(RETRIES_MS)
    expect(status(page)).to_have_text("Completed")


def test_an_upload_continues_by_itself_once_the_browser_is_online_again(page: Page, page_errors: PageErrors) -> None:
    page_errors.expect("ERR_INTERNET_DISCONNECTED|ERR_FAILED")
    held = hold(page, "PUT", UPLOADS)
    start(page, "offline.csv")
    expect(status(page)).to_have_text("Uploading")
    page.context.set_offline(True)
    for route in held.routes:
        route.abort("internetdisconnected")
    expect(status(page)).to_have_text("Upload interrupted")
    expect(page.get_by_text("You're offline. The upload starts again by itself")).to_be_visible()
    expect(page.get_by_text("Retrying automatically.").filter(visible=True)).to_have_count(
        1
    )  # The page, not the upload.
    page.unroute(UPLOADS)
    page.context.set_offline(False)
    expect(status(page)).to_have_text("Completed")


@pytest.mark.parametrize(
    ("code", "body", "text"),
    [
        (400, "<Error><Code>RequestTimeout</Code></Error>", "refused the file (HTTP 400, RequestTimeout)."),
        (403, "<Error><Code>AccessDenied</Code></Error>", "refused the upload: its link has expired"),
        (503, "", "refused the file (HTTP 503)."),
    ],
)
def test_a_refused_upload_says_so_and_is_retried_with_a_fresh_link(
    page: Page, shop: Shop, page_errors: PageErrors, code: int, body: str, text: str
) -> None:
    page_errors.expect(f"status of {code}")
    page.clock.install()
    refuse(page, code, body)
    name = f"refused {code}.csv"
    start(page, name)
    expect(status(page)).to_have_text("Upload interrupted")
    expect(page.get_by_role("alert").filter(has_text=text)).to_contain_text(re.compile("Retry"))

    page.unroute(UPLOADS)
    registrations = hold(page, "POST", REGISTRATIONS)
    with page.expect_request(REGISTRATIONS):
        click_three_times(page, page.get_by_role("button", name="Retry upload"))
    assert len(registrations.routes) == 1
    registrations.release()
    expect(status(page)).to_have_text("Completed")
    assert len(imports_named(shop, name)) == 1


def test_an_upload_whose_response_was_lost_is_not_sent_into_a_second_import(
    page: Page, shop: Shop, page_errors: PageErrors
) -> None:
    page_errors.expect("ERR_FAILED|status of 412")

    def lose_response(route: Route) -> None:
        assert route.fetch().ok
        route.abort()

    page.clock.install()
    with shop.holding("lock table barrier in exclusive mode"):  # So that the import is not accepted yet.
        page.route(UPLOADS, lose_response)
        start(page, "sent twice.csv")
        expect(status(page)).to_have_text("Upload interrupted")
        page.unroute(UPLOADS)
        page.get_by_role("button", name="Retry upload").click()
        expect(status(page)).to_have_text("File received")
    expect(status(page)).to_have_text("Completed")
    assert len(imports_named(shop, "sent twice.csv")) == 1


@pytest.mark.parametrize("change", ["rewritten with the same size", "appended to", "removed"])
def test_a_file_that_changed_before_the_start_has_to_be_chosen_again(
    page: Page, shop: Shop, tmp_path: Path, change: str
) -> None:
    file = tmp_path / f"{change}.csv"
    file.write_bytes(SMALL)
    page.get_by_label("Choose a CSV file").set_input_files(file)
    expect(page.get_by_role("button", name="Start import")).to_be_enabled()
    change_on_disk(file, change)
    page.get_by_role("button", name="Start import").click()

    expect(page.get_by_text(f"{file.name} has changed on disk since you chose it. Choose it again.")).to_be_visible()
    assert imports_named(shop, file.name) == []
    expect(page.get_by_role("button", name="Start import")).to_be_hidden()
    page.get_by_role("button", name="Choose file again").click()
    file.write_bytes(SMALL)
    page.get_by_label("Choose a CSV file").set_input_files(file)
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text("Completed")


def change_on_disk(file: Path, change: str) -> None:
    """Changes a file as an editor would. Chromium compares times in whole seconds, so the new time is a later one."""
    before = file.stat().st_mtime
    if change == "removed":
        file.unlink()
        return
    content = file.read_bytes()
    file.write_bytes(content.replace(b"Hammer", b"Anvils") if "same size" in change else content + b"UP-2,Nail\n")
    os.utime(file, (before + 2, before + 2))


def test_a_change_within_the_same_second_is_noticed(page: Page, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "quick.csv"
    file.write_bytes(SMALL)
    before = file.stat().st_mtime
    page.get_by_label("Choose a CSV file").set_input_files(file)
    expect(page.get_by_role("button", name="Start import")).to_be_enabled()
    file.write_bytes(SMALL.replace(b"Hammer", b"Anvils"))
    os.utime(file, (before, before))
    page.get_by_role("button", name="Start import").click()
    expect(page.get_by_text("quick.csv has changed on disk since you chose it.")).to_be_visible()
    assert imports_named(shop, "quick.csv") == []


@pytest.mark.parametrize("change", ["rewritten with the same size", "removed"])
def test_an_upload_whose_file_changed_is_not_taken_for_a_lost_connection(
    page: Page, shop: Shop, tmp_path: Path, page_errors: PageErrors, change: str
) -> None:
    page_errors.expect("ERR_FAILED|ERR_UPLOAD_FILE_CHANGED|ERR_FILE_NOT_FOUND|status of 503")
    file = tmp_path / f"{change} while sent.csv"
    file.write_bytes(SMALL)
    page.clock.install()
    refuse(page, 503)
    page.get_by_label("Choose a CSV file").set_input_files(file)
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text("Upload interrupted")

    change_on_disk(file, change)
    page.unroute(UPLOADS)
    page.get_by_role("button", name="Retry upload").click()
    changed = page.get_by_role("alert").filter(has_text=f"{file.name} has changed on disk since you chose it.")
    expect(changed).to_be_visible()
    expect(status(page)).to_have_text("Cancelled before any row was written")
    expect(page.get_by_role("button", name="Retry upload")).to_be_hidden()
    assert [each["status"] for each in imports_named(shop, file.name)] == ["cancelled"]

    page.get_by_role("link", name="Choose file again").click()
    expect(page.get_by_label("Choose a CSV file")).to_be_visible()


def test_a_file_that_changed_while_it_was_uploaded_leaves_a_warning(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "growing.csv"
    file.write_bytes(SMALL)

    def change(route: Route) -> None:
        change_on_disk(file, "appended to")
        route.continue_(post_data=SMALL)

    page.route(UPLOADS, change)
    page.get_by_label("Choose a CSV file").set_input_files(file)
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text("Completed")
    expect(page.get_by_text("growing.csv changed on disk while it was uploaded.")).to_be_visible()
    expect(row_count(page, "Rows")).to_have_text("1")
