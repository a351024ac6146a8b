"""How an export is carried out: in many invocations, by two at once, after a loss, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import fault_points
from chalicelib.backends import connect
from chalicelib.catalogue.listing import Filters
from chalicelib.catalogue.products import Content
from chalicelib.exporting import exports, writing
from chalicelib.limits import MIB
from chalicelib.repair import sweeping
from chalicelib.settings import settings
from tests.support.exported import add, add_long_products, carry_out, export, show, skus

if TYPE_CHECKING:
    from tests.support.pipeline import Pipeline

PEAK_BYTES_MAX = 128 * MIB


def test_an_export_of_many_invocations_is_one_file(pipeline: Pipeline) -> None:
    add_long_products(pipeline, 400)
    invocations = 0

    def count(point: str) -> None:
        nonlocal invocations
        invocations += point == "export.before_hand_over"

    with fault_points.switched_on(count):
        found = export(pipeline, seconds=1)

    assert invocations > 4, "one to open the upload, one for each part, one to find the end"
    assert len(pipeline.sql("select 1 from export_part")) > 2
    stored = pipeline.sql("select sku from product order by sku_key")
    assert skus(found) == [row["sku"] for row in stored]


def test_rows_that_match_seldom_are_found_in_many_short_steps(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PAGE_ROWS", 10)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_STEP_PAGES_MAX", 2)
    add_long_products(pipeline, 200)
    add(pipeline, Content("Q-1", "needle"), Content("P-100a", "Needle"))

    assert skus(export(pipeline, seconds=1, name="needle")) == ["P-100a", "Q-1"]
    assert len(pipeline.sql("select 1 from export_part")) == 1


def test_a_page_holds_few_bytes_however_long_its_rows_are(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PAGE_BYTES", 1)
    add_long_products(pipeline, 5)

    assert len(skus(export(pipeline))) == 5


def test_the_message_of_a_completed_export_does_nothing(pipeline: Pipeline) -> None:
    add(pipeline, Content("A", "a"))
    export_id = pipeline.call("POST", "/exports", {}).json["id"]
    message = pipeline.receive("exports")
    assert message is not None
    pipeline.deliver("export_products", message)
    before = pipeline.sql("select * from export")

    pipeline.deliver("export_products", message)

    assert pipeline.sql("select * from export") == before
    assert len(stored_versions(pipeline)) == 1
    assert show(pipeline, export_id).json["status"] == "completed"


def stored_versions(pipeline: Pipeline) -> list[str]:
    listed = pipeline.s3.list_object_versions(Bucket=pipeline.services.bucket, Prefix=exports.EXPORTS_PREFIX)
    return [version["Key"] for version in listed.get("Versions", [])]


def meanwhile(point: str, work: Callable[[], None]) -> Callable[[str], None]:
    """Does some work the first time a point is reached."""
    waiting = [work]

    def reached(name: str) -> None:
        if name == point and waiting:
            waiting.pop()()

    return reached


@pytest.mark.parametrize(
    "point", ["export.after_open", "export.after_part", "export.before_finish", "export.after_finish"]
)
def test_of_two_that_carry_out_one_export_neither_spoils_it(pipeline: Pipeline, point: str) -> None:
    add_long_products(pipeline, 300)
    accepted = exports.accept(pipeline.backends, Filters())
    other = connect(settings())

    with fault_points.switched_on(meanwhile(point, lambda: writing.carry_out(other, accepted["id"], lambda: 60.0))):
        writing.carry_out(pipeline.backends, accepted["id"], lambda: 60.0)
    other.database.close()

    found = show(pipeline, str(accepted["id"])).json
    assert (found["status"], found["rows"]) == ("completed", 300)
    assert len(set(skus(found))) == 300
    assert len(stored_versions(pipeline)) == 1


def test_a_part_of_another_invocation_is_never_replaced(pipeline: Pipeline) -> None:
    """The slower of two uploads a part that differs, after the faster has written down its own."""
    add_long_products(pipeline, 300)
    accepted = exports.accept(pipeline.backends, Filters())
    other = connect(settings())
    steps = iter([60.0, 0.0])

    def faster() -> None:
        pipeline.sql("delete from product where sku = 'P-1'")
        writing.carry_out(other, accepted["id"], lambda: next(steps))  # Two steps: a part is written down.

    real, slow = pipeline.backends.files.write_part, [faster]

    def write_part(key: str, upload_id: str, number: int, data: bytes) -> dict[str, Any]:
        if slow:
            slow.pop()()
        return real(key, upload_id, number, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline.backends.files, "write_part", write_part)
        writing.carry_out(pipeline.backends, accepted["id"], lambda: 60.0)
    other.database.close()
    found = carry_out(pipeline, str(accepted["id"]))

    assert (found["status"], found["rows"]) == ("completed", 299)
    assert "P-1" not in skus(found)


def test_an_export_whose_upload_was_removed_starts_again(pipeline: Pipeline) -> None:
    add_long_products(pipeline, 300)
    accepted = exports.accept(pipeline.backends, Filters())
    writing.carry_out(pipeline.backends, accepted["id"], iter([60.0, 0.0]).__next__)
    (row,) = pipeline.sql("select upload_id, looked_at from export")
    assert row["looked_at"] > 0
    pipeline.s3.abort_multipart_upload(
        Bucket=pipeline.services.bucket, Key=exports.key_of(accepted["id"]), UploadId=row["upload_id"]
    )

    writing.carry_out(pipeline.backends, accepted["id"], lambda: 60.0)

    found = show(pipeline, str(accepted["id"])).json
    assert (found["status"], found["rows"]) == ("completed", 300)
    assert len(set(skus(found))) == 300


def test_an_export_that_never_ends_is_ended(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_STEPS_MAX", 1)

    found = export(pipeline)

    assert (found["status"], found["error"]["code"]) == ("failed", "export_too_large")


def test_the_sweep_wakes_an_export_whose_message_was_lost(pipeline: Pipeline) -> None:
    export_id = pipeline.call("POST", "/exports", {}).json["id"]
    assert pipeline.receive("exports")  # and it is gone

    sweeping.sweep(pipeline.backends, stalled_seconds=3600)
    assert pipeline.receive("exports") is None
    sweeping.sweep(pipeline.backends, stalled_seconds=0)

    assert carry_out(pipeline, export_id)["status"] == "completed"


def test_memory_stays_bounded(pipeline: Pipeline) -> None:
    add_long_products(pipeline, 2_200)
    accepted = exports.accept(pipeline.backends, Filters())

    command = [sys.executable, "-m", "tests.integration.export_process", str(accepted["id"])]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)

    found = show(pipeline, str(accepted["id"])).json
    assert (found["status"], found["rows"]) == ("completed", 2_200)
    assert found["size_bytes"] > PEAK_BYTES_MAX
    assert int(ran.stdout) < PEAK_BYTES_MAX
