"""What the tests of the page do again and again, in the words of whoever uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page

UPLOAD_BYTES_PER_SECOND = 5_000_000


def choose(page: Page, name: str, content: bytes) -> None:
    """Chooses a file in the picker."""
    page.get_by_label("Choose a CSV file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def status(page: Page) -> Locator:
    """How the import on the page stands."""
    return page.get_by_role("region", name="Progress").get_by_role("status").first


def receipt(page: Page, label: str) -> Locator:
    """One figure of the receipt."""
    return page.locator("dl.receipt > div").filter(has=page.get_by_text(label, exact=True)).locator("dd").first


@contextmanager
def slow_upload(page: Page, bytes_per_second: int = UPLOAD_BYTES_PER_SECOND) -> Iterator[None]:
    """A connection on which an upload takes long enough to be looked at."""
    session = page.context.new_cdp_session(page)
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1}
    session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": bytes_per_second})
    yield
    session.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": -1})
