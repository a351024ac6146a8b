"""No request costs much more than it is worth: hostile bodies, headers, queries and ids, sent to every route.

The routes are taken from the application. What lists of hostile data cost is in test_page_sizes.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from chalicelib.limits import API_RESPONSE_BYTES_MAX, KIB, MIB
from infra.local.testing import Services
from tests.integration.hostile_process import SOON_SECONDS, TIMES_SMALLER
from tests.support.pipeline import Pipeline

GROWTH_BYTES_MAX = 64 * MIB
"""By how much one process may grow while it answers all of them. One that it cannot handle would need more alone."""
PROBLEM_BYTES_MAX = 64 * KIB
SLACK = 2
"""If time is linear, a request takes TIMES_SMALLER as long as a smaller one, more or less. Squared, it is 16 times."""
KINDS_MIN = 40
"""At least this many kinds are sent to a route that has a body."""

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def found(whole_pipeline: Pipeline, services: Services, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What the responses to all of them were."""
    whole_pipeline.reset()
    file = tmp_path_factory.mktemp("hostile") / "found.jsonl"
    command = [sys.executable, "-m", "tests.integration.hostile_process", whole_pipeline.token, str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_every_route_gets_them(found: Found) -> None:
    from tests.integration import gateway

    for endpoint in gateway.discovered():
        kinds = {each["kind"] for each in found if each["route"] == f"{endpoint.method} {endpoint.path}"}
        assert len(kinds) >= (KINDS_MIN if endpoint.body else 1), endpoint


def test_limits_on_their_number_do_not_hide_what_they_cost(found: Found) -> None:
    assert len([each for each in found if each["status"] == 429]) < len(found) // 20


def test_each_has_a_short_response(found: Found) -> None:
    assert [each for each in found if each["response_bytes"] > API_RESPONSE_BYTES_MAX] == []
    refused = [each for each in found if each["status"] >= 400]
    assert [each for each in refused if each["response_bytes"] > PROBLEM_BYTES_MAX] == []
    assert len(refused) > len(found) // 2, "most of them are refused"


def test_none_is_a_fault_of_ours(found: Found) -> None:
    assert [each for each in found if each["status"] >= 500] == []


def test_the_process_grows_little(found: Found) -> None:
    assert [each for each in found if each["growth_bytes"] > GROWTH_BYTES_MAX][:1] == []


def test_their_time_is_linear(found: Found) -> None:
    slow = [each for each in found if each["cpu_seconds"] > SOON_SECONDS]
    assert [each for each in slow if each["cpu_seconds"] > SLACK * TIMES_SMALLER * each["smaller_cpu_seconds"]] == []
