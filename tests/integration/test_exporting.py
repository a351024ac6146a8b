"""How an export is carried out: in several invocations, by two at once, after a loss, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
import uuid
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


def test_an_export_in_many_invocations_is_one_file(pipeline: Pipeline) -> None:
    add_long_products(pipeline, 400)
    invocations = 0

    def count(point: str) -> None:
        nonlocal invocations
        invocations += point == "export.before_hand_over"

    with fault_points.switched_on(count):
        ended = export(pipeline, seconds=1)

    assert invocations > 4, "one to open the upload, one for each part, one to find the end"
    assert len(pipeline.sql("select 1 from export_part")) > 2
    stored = pipeline.sql("select sku from product order by sku_key")
    assert skus(ended) == [row["sku"] for row in stored]


def test_rare_matches_are_found_in_many_short_steps(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PAGE_ROWS", 10)
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_STEP_PAGES_MAX", 2)
    add_long_products(pipeline, 200)
    add(pipeline, Content("Q-1", "needle"), Content("P-100a", "Needle"))

    assert skus(export(pipeline, seconds=1, name="needle")) == ["P-100a", "Q-1"]
    assert len(pipeline.sql("select 1 from export_part")) == 1


def test_a_page_is_limited_in_bytes(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_PAGE_BYTES", 1)
    add_long_products(pipeline, 5)

    assert len(skus(export(pipeline))) == 5


def test_a_message_for_a_completed_export_does_nothing(pipeline: Pipeline) -> None:
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


def once_at(point: str, work: Callable[[], None]) -> Callable[[str], None]:
    """Returns a hook that does some work the first time a point is reached."""
    waiting = [work]

    def reached(name: str) -> None:
        if name == point and waiting:
            waiting.pop()()

    return reached


@pytest.mark.parametrize(
    "point", ["export.after_open", "export.after_part", "export.before_finish", "export.after_finish"]
)
def test_two_invocations_of_one_export_do_not_spoil_it(pipeline: Pipeline, point: str) -> None:
    add_long_products(pipeline, 300)
    accepted = exports.accept(pipeline.backends, Filters(), uuid.uuid4())
    other = connect(settings())

    with fault_points.switched_on(once_at(point, lambda: writing.carry_out(other, accepted.id, lambda: 60.0))):
        writing.carry_out(pipeline.backends, accepted.id, lambda: 60.0)
    other.database.close()

    ended = show(pipeline, str(accepted.id)).json
    assert (ended["status"], ended["rows"]) == ("completed", 300)
    assert len(set(skus(ended))) == 300
    assert len(stored_versions(pipeline)) == 1


def test_an_invocation_never_replaces_the_part_of_another(pipeline: Pipeline) -> None:
    """The slower of two invocations uploads a different part after the faster one has recorded its own."""
    add_long_products(pipeline, 300)
    accepted = exports.accept(pipeline.backends, Filters(), uuid.uuid4())
    other = connect(settings())
    steps = iter([60.0, 0.0])

    def faster() -> None:
        pipeline.sql("delete from product where sku = 'P-1'")
        writing.carry_out(other, accepted.id, lambda: next(steps))  # Two steps: a part is recorded.

    real, slow = pipeline.backends.files.write_part, [faster]

    def write_part(key: str, upload_id: str, number: int, data: bytes) -> dict[str, Any]:
        if slow:
            slow.pop()()
        return real(key, upload_id, number, data)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline.backends.files, "write_part", write_part)
        writing.carry_out(pipeline.backends, accepted.id, lambda: 60.0)
    other.database.close()
    ended = carry_out(pipeline, str(accepted.id))

    assert (ended["status"], ended["rows"]) == ("completed", 299)
    assert "P-1" not in skus(ended)


def test_an_export_starts_again_when_its_upload_was_removed(pipeline: Pipeline) -> None:
    add_long_products(pipeline, 300)
    accepted = exports.accept(pipeline.backends, Filters(), uuid.uuid4())
    writing.carry_out(pipeline.backends, accepted.id, iter([60.0, 0.0]).__next__)
    (row,) = pipeline.sql("select upload_id, looked_at from export")
    assert row["looked_at"] > 0
    pipeline.s3.abort_multipart_upload(
        Bucket=pipeline.services.bucket, Key=exports.key_of(accepted.id), UploadId=row["upload_id"]
    )

    writing.carry_out(pipeline.backends, accepted.id, lambda: 60.0)

    ended = show(pipeline, str(accepted.id)).json
    assert (ended["status"], ended["rows"]) == ("completed", 300)
    assert len(set(skus(ended))) == 300


def test_an_export_with_too_many_steps_fails(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.exporting.writing.EXPORT_STEPS_MAX", 1)

    ended = export(pipeline)

    assert (ended["status"], ended["error"]["code"]) == ("failed", "export_too_large")


def test_the_sweep_wakes_an_export_whose_message_was_lost(pipeline: Pipeline) -> None:
    export_id = pipeline.call("POST", "/exports", {}).json["id"]
    assert pipeline.receive("exports")  # It is lost.

    sweeping.sweep(pipeline.backends, stalled_seconds=3600)
    assert pipeline.receive("exports") is None
    sweeping.sweep(pipeline.backends, stalled_seconds=0)

    assert carry_out(pipeline, export_id)["status"] == "completed"


def test_memory_stays_bounded(pipeline: Pipeline) -> None:
    add_long_products(pipeline, 2_200)
    accepted = exports.accept(pipeline.backends, Filters(), uuid.uuid4())

    command = [sys.executable, "-m", "tests.integration.export_process", str(accepted.id)]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)

    ended = show(pipeline, str(accepted.id)).json
    assert (ended["status"], ended["rows"]) == ("completed", 2_200)
    assert ended["size_bytes"] > PEAK_BYTES_MAX
    assert int(ran.stdout) < PEAK_BYTES_MAX
