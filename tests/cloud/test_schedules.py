"""What is scheduled every minute: that it falls due, and that it has the rights it needs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.local.lambda_.scheduler import event
from infra.local.processes.deadline import wait_until
from tests.cloud.deployed import Deployed
from tests.cloud.lost_work import LostWork
from tests.support.log_lines import Line, told

DUE_SECONDS_MAX = 90.0
"""A minute, the ten seconds after which the emulator looks again, and a slow machine."""


def test_the_sweep_falls_due_and_finds_an_upload_that_no_event_told_of(cloud: Deployed, lost_work: LostWork) -> None:
    def finds() -> list[Line]:
        lines = told(cloud.lines("sweep"), "an upload was found that no event told of")
        return [line for line in lines if line["import_id"] == lost_work.upload]

    wait_until(lambda: bool(finds()), DUE_SECONDS_MAX, "the sweep has run")
    # All that can still happen to it is that another test deletes everything.
    assert cloud.ended(f"/imports/{lost_work.upload}")["status"] in {"completed", "cancelled"}
    assert [line["Repairs"] for line in finds()] == [1]


def test_the_index_falls_due_and_takes_in_what_was_edited(cloud: Deployed, lost_work: LostWork) -> None:
    wait_until(lambda: not lost_work.is_edit_waiting(cloud), DUE_SECONDS_MAX, "the index has been kept")


@pytest.mark.parametrize("function", ["sweep", "index_products"])
def test_what_is_scheduled_does_all_of_its_work_with_its_own_rights(cloud: Deployed, function: str) -> None:
    answer = cloud.run(function, event(function, datetime.now(UTC)))
    assert "FunctionError" not in answer, answer["Payload"].read()
