"""One deployment for all tests. The report of a failed test contains the logs of the functions."""

from __future__ import annotations

import platform
import sys
from collections.abc import Generator, Iterator

import pytest

from tests.cloud.deployed import Deployed, deployed
from tests.cloud.lost_work import LostWork, lose_work


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        pytest.skip("the package is for Linux on x86-64")
    with deployed(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def lost_work(cloud: Deployed) -> LostWork:
    """Set up first, so that the minute until schedules run passes during other tests."""
    return lose_work(cloud)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    running = getattr(item, "funcargs", {}).get("cloud")
    if report.failed and call.when == "call" and running is not None:
        report.sections.append(("logs of the functions", running.account.logs()))
    return report
