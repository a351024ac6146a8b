"""Actions and locators that several tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page

UPLOAD_BYTES_PER_SECOND = 5_000_000


def choose(page: Page, name: str, content: bytes) -> None:
    """Chooses a file in the picker."""
    page.get_by_label("Choose a CSV file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def status(page: Page) -> Locator:
    """The status of the import on the page."""
    return page.get_by_role("region", name="Progress").get_by_role("status").first


def row_count(page: Page, label: str) -> Locator:
    """One figure of the import's row counts."""
    return page.locator("dl.row-counts > div").filter(has=page.get_by_text(label, exact=True)).locator("dd").first


@contextmanager
def slow_upload(page: Page, bytes_per_second: int = UPLOAD_BYTES_PER_SECOND) -> Iterator[None]:
    """Throttles the connection so that an upload takes long enough to be observed."""
    session = page.context.new_cdp_session(page)
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": bytes_per_second})
    yield
    session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": -1})
