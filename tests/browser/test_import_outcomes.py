"""How an import ended: in the same words, colours and shapes in the history, on its page and in the notice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.browser.page_actions import row_count, status

TOKEN_COLOR = """name => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}"""


def color_of(page: Page) -> str:
    """The colour of the import's status."""
    return str(status(page).locator(".status").evaluate("each => getComputedStyle(each).color"))


@pytest.mark.parametrize(
    ("name", "content", "summary", "kind"),
    [
        ("all good.csv", b"sku,name\nOUT-1,x\n", "Completed", "good"),
        ("some bad.csv", b"sku,name\nOUT-1,x\n" + b",y\n" * 1240, "Completed with 1,240 rejected rows", "warn"),
        ("all bad.csv", b"sku,name\n" + b",y\n" * 30, "Nothing was imported: all 30 rows were rejected", "warn"),
        ("no rows.csv", b"sku,name\n", "Nothing was imported: the file has no rows", "warn"),
        ("no file.csv", b"sku,price\n1,2\n", "Failed before any row was written", "bad"),
    ],
)
def test_an_import_says_how_it_ended_everywhere_in_the_same_words(
    page: Page, shop: Shop, name: str, content: bytes, summary: str, kind: str
) -> None:
    with shop.holding("lock table barrier in exclusive mode"):  # So that the page sees the import run and end.
        import_id = shop.upload(content, name)
        page.goto(f"/#/imports/{import_id}")
        expect(status(page)).to_have_text("Waiting for the file")
    expect(status(page)).to_have_text(summary)
    notice = page.locator(".notice").filter(has_text=f"{name}: {summary}")
    expect(notice).to_have_class(re.compile(rf"\b{kind}\b"))
    expect(page.get_by_text("All other rows were imported.")).to_have_count(int("Completed with" in summary))
    if kind != "good":
        expect(page.locator(".icon-check").filter(visible=True)).to_have_count(0)
    badges = {color_of(page)}
    page.get_by_role("link", name="All imports").click()
    row = page.get_by_role("row").filter(has_text=name)
    expect(row.get_by_text(summary, exact=True)).to_be_visible()
    badges.add(str(row.locator(".status").evaluate("each => getComputedStyle(each).color")))
    tokens = {"good": "--good", "warn": "--warn", "bad": "--bad"}
    assert badges == {page.evaluate(TOKEN_COLOR, tokens[kind])}


def test_a_cancelled_import_says_what_was_written(page: Page, shop: Shop, tmp_path: Path) -> None:
    shop.call("POST", "/products", {"sku": "STOP-LAST", "name": "Held"})
    file = tmp_path / "stopped midway.csv"
    lines = [f"STOP-{number},Chair {number},{'Oak ' * 25}" for number in range(50_000)]
    file.write_text("\n".join(["sku,name,description", *lines, "stop-last,Held,"]), "utf-8")
    page.get_by_label("Choose a CSV file").set_input_files(file)
    with shop.holding("select from product where sku = 'STOP-LAST' for update"):
        page.get_by_role("button", name="Start import").click()
        expect(row_count(page, "Created")).to_have_text(re.compile(r"[1-9][\d,]{4,}"))
        page.get_by_role("button", name="Cancel import").click()
        expect(status(page)).to_have_text(re.compile(r"^Cancelled after [\d,]+ rows were written$"))
    written = row_count(page, "Created").inner_text()
    page.reload()
    expect(status(page)).to_have_text(f"Cancelled after {written} rows were written")
    stays = rf"{written} rows were written before it was cancelled; they stay\. The other [\d.]+% of the file"
    expect(page.get_by_text(re.compile(stays))).to_be_visible()
    expect(page.get_by_text(re.compile("cancelled after [0-9.]+ sec"))).to_be_visible()
