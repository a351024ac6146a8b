"""The sweep runs every minute and has the permissions it needs; what it finds, and what messages wake, is done."""

from __future__ import annotations

from datetime import UTC, datetime

from infra.local.lambda_.scheduler import event
from infra.local.processes.deadline import wait_until
from tests.cloud.deployed import Deployed
from tests.cloud.lost_work import LostWork
from tests.support.log_lines import Line, with_message

DUE_SECONDS_MAX = 90.0
"""A minute, the ten seconds between the emulator's checks, and time for a slow machine."""


def test_the_sweep_runs_and_finds_an_upload_whose_message_was_lost(cloud: Deployed, lost_work: LostWork) -> None:
    def finds() -> list[Line]:
        lines = with_message(cloud.lines("sweep"), "upload without an event accepted")
        return [line for line in lines if line["import_id"] == lost_work.upload]

    wait_until(lambda: bool(finds()), DUE_SECONDS_MAX, "the sweep has run")
    # It may have been cancelled, because another test deletes all products.
    assert cloud.wait_for_end(f"/imports/{lost_work.upload}")["status"] in {"completed", "cancelled"}
    assert [line["Repairs"] for line in finds()] == [1]


def test_indexing_is_woken_and_adds_what_was_edited(cloud: Deployed, lost_work: LostWork) -> None:
    wait_until(lambda: not lost_work.is_edit_waiting(cloud), DUE_SECONDS_MAX, "the search index is up to date")


def test_the_sweep_can_do_all_of_its_work_with_its_own_permissions(cloud: Deployed) -> None:
    answer = cloud.run("sweep", event("sweep", datetime.now(UTC)))
    assert "FunctionError" not in answer, answer["Payload"].read()
