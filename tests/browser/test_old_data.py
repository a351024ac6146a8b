"""What is no longer kept is said, instead of shown as if it had never been."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.page_actions import status

CONTENT = b"sku,name\nAGED-1,Old lamp\n,Nameless\n,Nameless too\n"


def test_an_old_import_says_that_its_file_and_rejected_rows_are_no_longer_kept(page: Page, shop: Shop) -> None:
    page.goto(f"/#/imports/{shop.aged_import(CONTENT, 'aged.csv')}")

    expect(status(page)).to_have_text("Completed with 2 rejected rows")
    expect(page.get_by_text("The file is no longer kept.")).to_be_visible()
    rejected = page.get_by_role("region", name="2 rejected rows")
    expect(rejected.get_by_text("The rows are no longer kept.")).to_be_visible()
    expect(rejected.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("alert").filter(visible=True).filter(has_text="kept")).to_have_count(0)
    expect(page.get_by_role("figure")).to_have_count(0)


def test_a_failed_import_without_its_file_cannot_be_retried(page: Page, shop: Shop) -> None:
    import_id = shop.aged_import(b"sku,name\nAGED-2,x\n", "aged and failed.csv")
    shop.sql(
        "update import set status = 'failed', error_code = 'stalled', error_message = 'The import made no progress.'"
        " where id = %s",
        import_id,
    )

    page.goto(f"/#/imports/{import_id}")

    expect(page.get_by_text("The file is no longer kept, so the import cannot be retried.")).to_be_visible()
    expect(page.get_by_role("button", name="Retry import")).to_have_count(0)


def test_the_list_of_products_says_that_a_file_is_no_longer_kept(page: Page, shop: Shop) -> None:
    shop.aged_import(b"sku,name\nAGED-3,Old lamp\n", "aged.csv")
    page.goto("/#/products?sku=AGED-3")
    row = page.get_by_role("row").filter(has_text="AGED-3")
    expect(row.get_by_text("line 2 of aged.csv")).to_be_visible()
    expect(row.get_by_text("The file is no longer kept.")).to_be_visible()
    expect(row.get_by_role("link", name="aged.csv")).to_be_visible()

    shop.sql("delete from import where file_gone_at is not null and filename = 'aged.csv'")
    page.reload()
    expect(row.get_by_text("line 2 of an imported file")).to_be_visible()
    expect(row.get_by_text("The file is no longer kept.")).to_be_visible()
    expect(row.get_by_role("link")).to_have_count(0)
