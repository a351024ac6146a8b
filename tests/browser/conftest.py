"""One running stack, one headless Chromium, and for each test a page that fails on every unexpected error."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright

from infra.local.client import demo_file
from infra.local.processes.deadline import wait_until
from infra.local.testing import RunningStack, running_stack
from tests.browser.chromium import executable

SEEN_SECONDS_MAX = 30
"""Generous: only a machine under heavy load takes this long."""
IMPORTED_SECONDS_MAX = 120.0
ROWS = 100_000
VIOLATION_WATCH = (
    "addEventListener('securitypolicyviolation', (event) =>"
    " console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`))"
)

if os.environ.get("BROWSER_TESTS") == "skip":
    reason = "BROWSER_TESTS=skip: the browser tests are switched off"

    @pytest.fixture(autouse=True, scope="session")
    def _skipped() -> None:
        pytest.skip(reason)


@dataclass
class Shop:
    """The running stack, as an API client sees it."""

    stack: RunningStack

    @property
    def url(self) -> str:
        return self.stack.file.url

    @property
    def token(self) -> str:
        return self.stack.file.token

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Calls the API; fails unless the call succeeds."""
        sent = {"Authorization": f"Bearer {self.token}", **headers}
        answer = requests.request(method, f"{self.url}/api{path}", json=body, headers=sent, timeout=30)
        assert answer.ok, answer.text
        return answer

    def product(self, sku: str, name: str, **more: Any) -> dict[str, Any]:
        """Creates a product."""
        return cast(dict[str, Any], self.call("POST", "/products", {"sku": sku, "name": name, **more}).json())

    def upload(self, content: bytes, filename: str = "products.csv") -> str:
        """Registers and uploads a file without waiting for the import. Returns the import's id."""
        created = self.call("POST", "/imports", {"filename": filename, "size_bytes": len(content)}).json()
        link = created["upload"]
        put = requests.request(link["method"], link["url"], data=content, headers=link["headers"], timeout=30)
        assert put.ok, put.text
        return str(created["id"])

    def aged_import(self, content: bytes, filename: str) -> str:
        """An import whose file and details are gone, for the database and the page."""
        import_id = self.upload(content, filename)
        self.wait_for_imports()
        self.sql("delete from rejected_row where import_id = %s", import_id)
        self.sql(
            "update import set details_kept = false, file_gone_at = now(), file_check_at = now() + interval '1 day'"
            " where id = %s",
            import_id,
        )
        return import_id

    def wait_for_imports(self) -> None:
        """Waits until every import with an uploaded file has ended."""
        wait_until(self._imports_ended, IMPORTED_SECONDS_MAX, "every import ended")

    def _imports_ended(self) -> bool:
        found = self.call("GET", "/imports?limit=200").json()["items"]
        return not any(
            each["status"] == "processing"
            or (each["started_at"] is None and each["bytes"]["total"] > 5 and each["status"] == "pending")
            for each in found
        )

    def sql(self, statement: str, *parameters: Any) -> None:
        """Runs a statement as the database owner."""
        with psycopg.connect(self.stack.file.owner_conninfo) as connection:
            connection.execute(statement.encode(), parameters)

    def holding(self, statement: str) -> psycopg.Connection[Any]:
        """A connection whose transaction holds the locks the statement takes until it is closed."""
        connection = psycopg.connect(self.stack.file.owner_conninfo)
        connection.execute(statement.encode())
        return connection


@dataclass
class PageErrors:
    """Everything that went wrong on the page. A test declares the errors it provokes before they happen."""

    seen: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, pattern: str) -> None:
        """Allows errors that match this pattern from now on."""
        self.expected.append(pattern)

    def check(self) -> None:
        """Fails if any other error was seen."""
        assert [each for each in self.seen if not any(re.search(pattern, each) for pattern in self.expected)] == []

    def watch(self, page: Page) -> None:
        """Records a page's errors. Browsers also report every response above 399 as an error."""
        page.add_init_script(VIOLATION_WATCH)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.seen.append(f"script failed: {error}"))
        page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.seen.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.seen.append(f"dialog: {dialog.type} {dialog.message}")
        dialog.dismiss()


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with running_stack(tmp_path_factory.mktemp("browser"), WORKERS="2") as started:
        yield Shop(started)


@pytest.fixture(scope="package")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 rows, as generated by `make demo`."""
    file = tmp_path_factory.mktemp("files") / "catalogue.csv"
    demo_file.write(file, ROWS)
    return file


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=1000 * SEEN_SECONDS_MAX)
        started = playwright.chromium.launch(executable_path=executable())
        yield started
        started.close()


@pytest.fixture
def page_errors() -> PageErrors:
    return PageErrors()


@pytest.fixture
def new_page(browser: Browser, shop: Shop, page_errors: PageErrors) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in its own browser profile. The options are those of Playwright's contexts."""
    contexts = []

    def make(**options: Any) -> Page:
        # Without a graphics card, animations cost the most time.
        calm = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"}
        settings: dict[str, Any] = {**calm, **options}
        context = browser.new_context(base_url=shop.url, **settings)
        context.set_default_timeout(1000 * SEEN_SECONDS_MAX)
        contexts.append(context)
        page = context.new_page()
        page_errors.watch(page)
        return page

    yield make
    for each in contexts:
        each.close()
    page_errors.check()


@pytest.fixture
def page(new_page: Callable[..., Page], shop: Shop) -> Page:
    """A page that is signed in and shows the imports."""
    page = new_page()
    page.goto(f"/#token={shop.token}")
    return page
