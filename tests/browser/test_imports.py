"""Imports in the browser: preview, upload, progress, result, history."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ROWS, PageErrors, Shop
from tests.browser.page_actions import choose, click_three_times, hold, row_count, slow_upload, status

SMALL = b"sku,name,description\nIMP-1,Hammer,Ash handle\nIMP-2,Nail,\n,No SKU,\nIMP-1,Claw hammer,Steel\n"


def import_file(page: Page, content: bytes, name: str = "small.csv") -> None:
    """Chooses a file and starts the import."""
    page.goto("/#/imports")
    choose(page, name, content)
    page.get_by_role("button", name="Start import").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_a_file_of_100_000_rows_is_previewed_uploaded_and_imported(page: Page, shop: Shop, big_file: Path) -> None:
    page.get_by_label("Choose a CSV file").set_input_files(big_file)
    expect(page.get_by_role("heading", name="catalogue.csv")).to_be_focused()
    expect(page.get_by_text(re.compile(r"MB, about 1\d\d,000 rows|MB, about 9\d,000 rows"))).to_be_visible()
    sample = page.get_by_role("table", name="Preview: first 5 rows")
    expect(sample.get_by_role("row")).to_have_count(6)
    expect(sample.get_by_role("columnheader", name=re.compile("^sku"))).to_contain_text("SKU")

    with slow_upload(page):
        page.get_by_role("button", name="Start import").click()
        expect(status(page)).to_have_text("Uploading")
        detail = page.get_by_text(re.compile(r"MB of 1\d\.\d MB uploaded · [\d.]+ MB/s · about \d+ secs? left"))
        expect(detail).to_be_visible()

    expect(status(page)).to_have_text("Completed")
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "100")
    expect(row_count(page, "Rows")).to_have_text(f"{ROWS:,}")
    expect(row_count(page, "Created")).to_have_text("99,990")
    expect(row_count(page, "Duplicates")).to_have_text("10")
    expect(page.get_by_role("status").filter(has_text="catalogue.csv: Completed")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"Rows per second over .*: peak [\d,]+"))).to_be_visible()

    page.get_by_role("link", name="All imports").click()
    row = page.get_by_role("row").filter(has_text="catalogue.csv")
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text("100,000")


def test_progress_is_live_survives_a_reload_and_can_be_shared(
    page: Page, new_page: Callable[..., Page], shop: Shop, big_file: Path, tmp_path: Path
) -> None:
    # Another transaction holds a product of the last chunk, so the import pauses just before its end.
    shop.call("POST", "/products", {"sku": "HELD-LAST", "name": "Held"})
    file = tmp_path / "held.csv"
    file.write_bytes(big_file.read_bytes() + b"\r\nHeld,held-last,by another transaction")
    page.get_by_label("Choose a CSV file").set_input_files(file)
    with shop.holding("select from product where sku = 'HELD-LAST' for update"):
        page.get_by_role("button", name="Start import").click()
        expect(status(page)).to_have_text("Processing")
        expect(row_count(page, "Rows")).not_to_have_text("0")
        expect(page.get_by_text(re.compile(r"MB of 1\d\.\d MB processed · [\d,]+ rows per second"))).to_be_visible()
        bar = page.get_by_role("progressbar", name="Progress")
        expect(bar).not_to_have_attribute("value", "100")
        expect(bar).not_to_have_attribute("value", "0")

        page.reload()
        expect(status(page)).to_have_text("Processing")
        expect(row_count(page, "Rows")).not_to_have_text("0")

        other_page = new_page()
        other_page.goto(page.url)
        other_page.get_by_label("API token").fill(shop.token)
        other_page.get_by_role("button", name="Sign in").click()
        expect(other_page.get_by_role("heading", name="held.csv")).to_be_visible()
        expect(status(other_page)).to_have_text("Processing")

        page.goto("/#/imports")
        expect(page.get_by_role("row").filter(has_text="held.csv")).to_contain_text("Processing")
    expect(page.get_by_role("row").filter(has_text="held.csv")).to_contain_text("Completed")
    expect(status(other_page)).to_have_text("Completed")
    expect(row_count(other_page, "Unchanged").or_(row_count(other_page, "Created")).first).to_be_visible()


def test_a_running_import_can_be_cancelled(page: Page, shop: Shop) -> None:
    shop.call("POST", "/products", {"sku": "HELD-1", "name": "Held"})
    with shop.holding("select from product where sku = 'HELD-1' for update"):
        import_file(page, b"sku,name\nHELD-1,Held by another transaction\n", "cancelled.csv")
        expect(status(page)).to_have_text("Processing")
        cancels = hold(page, "POST", re.compile("/cancel$"))
        with page.expect_request(re.compile("/cancel$")):
            click_three_times(page, page.get_by_role("button", name="Cancel import"))
        expect(page.get_by_role("button", name="Cancel import")).to_have_attribute("aria-busy", "true")
        assert len(cancels.routes) == 1
        cancels.release()
        expect(status(page)).to_have_text("Cancelled before any row was written")
    expect(page.get_by_text("cancelled.csv: Cancelled before any row was written")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel import")).to_be_hidden()


def test_rejected_rows_are_listed_and_can_be_downloaded_fixed_and_imported(page: Page, tmp_path: Path) -> None:
    import_file(page, SMALL)
    expect(status(page)).to_have_text("Completed with 1 rejected row")
    expect(row_count(page, "Rejected")).to_have_text("1")
    expect(page.get_by_role("heading", name="1 rejected row")).to_be_visible()
    expect(page.get_by_text("All other rows were imported. Fix this row in the downloaded file")).to_be_visible()
    row = page.get_by_role("table", name="Rejected rows by line").get_by_role("row").nth(1)
    for expected in ("4", "sku", "The SKU is empty. Every product needs a SKU.", ",No SKU,"):
        expect(row).to_contain_text(expected)

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download CSV").click()
    saved = tmp_path / "rejected.csv"
    downloading.value.save_as(saved)
    lines = saved.read_text("utf-8-sig").splitlines()
    assert lines[0].startswith("rejected_line,rejected_because,sku,name")

    fixed = lines[0] + "\n" + lines[1].replace(",No SKU,", "IMP-3,Now with a SKU,")
    import_file(page, fixed.encode(), "fixed.csv")
    expect(status(page)).to_have_text("Completed")
    expect(row_count(page, "Created")).to_have_text("1")
    expect(row_count(page, "Rejected")).to_have_text("0")


def test_on_a_phone_reasons_use_the_full_width_and_words_stay_whole(page: Page, shop: Shop) -> None:
    page.set_viewport_size({"width": 320, "height": 800})
    choose(page, "phone.csv", b"sku,name,description\nPH-1,Leading edge,Unbreakable words everywhere\n")
    words = page.locator(".sample td span").evaluate_all(
        """cells => cells.flatMap(cell => [...cell.textContent.matchAll(/\\S+/g)].map(word => {
          const range = document.createRange();
          range.setStart(cell.firstChild, word.index);
          range.setEnd(cell.firstChild, word.index + word[0].length);
          return range.getClientRects().length;
        }))"""
    )
    assert words == [1] * 6

    import_id = shop.upload(b"sku,name\n,x\n", "phone rejected.csv")
    page.goto(f"/#/imports/{import_id}")
    reason = page.get_by_role("table", name="Rejected rows by line").get_by_role("cell").filter(has_text="is empty")
    expect(reason).to_be_visible()
    assert reason.evaluate("each => getComputedStyle(each).textAlign") == "start"
    inner, whole = (each.bounding_box() for each in (reason.locator(".cell"), reason))
    assert inner is not None
    assert whole is not None
    assert inner["width"] == pytest.approx(whole["width"], abs=1)


def test_many_rejected_rows_are_paged(page: Page) -> None:
    import_file(page, b"sku,name\n" + b",x\n" * 60, "many.csv")
    expect(page.get_by_role("heading", name="60 rejected rows")).to_be_visible()
    pages = page.get_by_role("navigation", name="Pages").last
    expect(pages).to_contain_text("Lines 2 to 26")
    pages.get_by_role("button", name="Next").click()
    expect(pages).to_contain_text("Lines 27 to 51")
    expect(pages.get_by_role("button", name="Next")).to_be_focused()
    pages.get_by_role("button", name="Previous").click()
    expect(pages).to_contain_text("Lines 2 to 26")


def test_the_page_says_what_is_not_stored_of_rejected_rows(page: Page, shop: Shop) -> None:
    import_id = shop.upload(b"sku,name\nCUT-1," + b"x" * 1_100_000 + b"\n" + b",x\n" * 3, "not stored.csv")
    page.goto(f"/#/imports/{import_id}")
    rows = page.get_by_role("table", name="Rejected rows by line").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("(only the beginning of the row is shown)")
    expect(rows.nth(2)).not_to_contain_text("only the beginning")
    expect(page.get_by_text(re.compile("rejected but not stored"))).to_be_hidden()
    shop.sql("delete from rejected_row where import_id = %s and line > 3", import_id)
    page.reload()
    expect(page.get_by_text("2 more rows were rejected but not stored. Fix the original file too.")).to_be_visible()


def test_an_import_that_failed_on_our_side_can_be_retried(page: Page, shop: Shop) -> None:
    import_file(page, b"sku,name\nRETRY-1,Again\n", "retried.csv")
    expect(status(page)).to_have_text("Completed")
    shop.sql(
        "update import set status = 'failed', chunks_done = 0, retryable = true, error_code = 'chunk_failed',"
        " error_message = 'A part of the file could not be imported.' where filename = 'retried.csv'"
    )
    shop.sql(
        "update chunk set done = false, done_at = null where import_id in"
        " (select id from import where filename = 'retried.csv')"
    )
    page.reload()
    expect(status(page)).to_have_text("Failed after 1 row was written")
    expect(page.get_by_text("A part of the file could not be imported.")).to_be_visible()

    page.get_by_role("button", name="Retry import").click()

    expect(status(page)).to_have_text("Completed")
    expect(page.get_by_text("attempt 2")).to_be_visible()


def test_an_import_of_an_unusable_file_says_why(page: Page, shop: Shop) -> None:
    import_id = shop.upload(b"sku,price\nA,1\n", "nameless.csv")
    page.goto(f"/#/imports/{import_id}")
    expect(status(page)).to_have_text("Failed before any row was written")
    expect(page.get_by_text("The file has no name column.")).to_be_visible()
    expect(page.get_by_text("Nothing was written.")).to_be_visible()
    expect(page.get_by_text(re.compile("failed after"))).to_be_visible()
    expect(page.locator("progress, .chart, .row-counts").filter(visible=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Retry import")).to_be_hidden()


def test_a_missing_column_is_reported_before_the_upload(page: Page) -> None:
    choose(page, "nameless.csv", b"sku;price\nA;1\n")
    expect(page.get_by_text("This file has no name column.")).to_be_visible()
    expect(page.get_by_text("semicolon")).to_be_visible()
    expect(page.get_by_role("button", name="Start import")).to_be_disabled()

    page.get_by_role("button", name="Choose another file").click()
    expect(page.get_by_label("Choose a CSV file")).to_be_focused()
    choose(page, "book.csv", b"PK\x03\x04xl/workbook.xml")
    expect(page.get_by_text("This is an Excel workbook")).to_be_visible()
    expect(page.get_by_label("Encoding")).to_be_hidden()


def test_a_file_without_rows_is_announced_before_the_upload(page: Page) -> None:
    choose(page, "header only.csv", b"sku,name\n")
    expect(page.get_by_text("This file has column names, but no rows. Nothing would be imported.")).to_be_visible()
    expect(page.get_by_role("table", name="Preview: column names")).to_be_visible()


def test_a_file_with_many_columns_says_which_are_used(page: Page) -> None:
    others = [f"Option {number}" for number in range(1, 40)]
    choose(page, "wide.csv", ",".join([*others, "Title", "SKU"]).encode() + b"\n")
    expect(
        page.get_by_text(
            "Imported: Name from column 40, “Title”; SKU from column 41, “SKU”. Ignored: 39 other columns."
        )
    ).to_be_visible()


def test_a_file_in_another_encoding_is_previewed_and_stored_correctly(page: Page, shop: Shop) -> None:
    choose(page, "old.csv", "sku,name\nENC-1,Größe\n".encode("cp1252"))
    expect(page.get_by_text("This file isn't UTF-8")).to_be_visible()
    expect(page.get_by_role("cell", name="Größe")).to_be_visible()
    page.get_by_label("Encoding").select_option("windows-1253")
    expect(page.get_by_role("cell", name="Grφίe")).to_be_visible()
    page.get_by_label("Encoding").select_option("windows-1252")
    expect(page.get_by_text("21 bytes, 1 row")).to_be_visible()
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text("Completed")
    expect(page.get_by_text("21 bytes, started")).to_be_visible()
    expect(page.get_by_text("21 bytes processed")).to_be_visible()
    assert shop.call("GET", "/products?sku=ENC-1").json()["items"][0]["name"] == "Größe"


def test_a_compressed_file_is_previewed(page: Page) -> None:
    choose(page, "packed.csv.gz", gzip.compress(b"sku|name\nGZ-1|Packed\n"))
    expect(page.get_by_role("cell", name="Packed")).to_be_visible()
    page.get_by_role("button", name="Start import").click()
    expect(status(page)).to_have_text("Completed")
    expect(row_count(page, "Created")).to_have_text("1")


def test_a_file_can_be_dropped(page: Page) -> None:
    expect(page.get_by_role("heading", name="Imports", exact=True)).to_be_visible()
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['sku,name\\nDROP-1,Dropped\\n'], 'dropped.csv')); return data; }"
    )
    zone = page.get_by_role("region", name="New import")
    zone.dispatch_event("dragover", {"dataTransfer": dropped})
    expect(zone).to_have_class(re.compile("dragged-over"))
    zone.dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.get_by_role("heading", name="dropped.csv")).to_be_focused()
    expect(page.get_by_role("cell", name="DROP-1")).to_be_visible()


def test_the_pages_of_the_history_are_in_the_url(page: Page, shop: Shop) -> None:
    for number in range(25):
        shop.call("POST", "/imports", {"filename": f"history {number}.csv", "size_bytes": 5})
    page.goto("/#/products")
    page.goto("/#/imports")
    expect(page.get_by_role("row").filter(has_text="history 24.csv")).to_contain_text("Waiting for the file")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("history 4.csv")).to_be_visible()
    page.reload()
    expect(page.get_by_text("history 4.csv")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("history 24.csv")).to_be_visible()


def test_the_link_to_an_import_can_be_copied(new_page: Callable[..., Page], shop: Shop) -> None:
    import_id = shop.upload(b"sku,name\nLINK-1,x\n", "linked.csv")
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/#token={shop.token}")
    page.goto(f"/#/imports/{import_id}")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == f"{shop.url}/#/imports/{import_id}"


def test_an_unknown_import_shows_an_error(page: Page, page_errors: PageErrors) -> None:
    page_errors.expect("404")
    page.goto("/#/imports/none")
    expect(page.get_by_role("alert").filter(has_text="There is no import none (HTTP 404)")).to_be_visible()


def test_the_page_reconnects_to_an_unreachable_server(page: Page, shop: Shop, page_errors: PageErrors) -> None:
    page_errors.expect("ERR_FAILED|503")
    with shop.holding("lock table barrier in exclusive mode"):
        import_file(page, b"sku,name\nAWAY-1,x\n", "away.csv")
        expect(status(page)).to_have_text("File received")
        page.route("**/api/imports/*", lambda route: route.abort())
        expect(page.get_by_text("Can't reach the server.").first).to_be_visible()
        page.unroute("**/api/imports/*")
    expect(status(page)).to_have_text("Completed")
    expect(page.get_by_text("Can't reach the server.")).to_be_hidden()
