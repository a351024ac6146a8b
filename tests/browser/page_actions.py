"""Actions and locators that several tests of the page share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from re import Pattern

from playwright.sync_api import Locator, Page, Route

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


@dataclass
class Held:
    """Requests of a page that wait for their response until they are released."""

    routes: list[Route] = field(default_factory=list)

    def release(self) -> None:
        """Lets the requests continue, to the server or to a fake that was installed before."""
        for each in self.routes:
            each.fallback()
        self.routes.clear()


def hold(page: Page, method: str, url: str | Pattern[str]) -> Held:
    """Holds every request with this method and URL from now on."""
    held = Held()
    page.route(url, lambda route: held.routes.append(route) if route.request.method == method else route.fallback())
    return held


def click_three_times(page: Page, target: Locator) -> None:
    """Three clicks of the mouse, whatever state the first one leaves the target in."""
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box is not None
    for _ in range(3):
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
