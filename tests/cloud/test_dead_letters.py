"""Work that ends with an unexpected error at every try, as deployed: it becomes a dead letter, and ends with a reason.

The work fails because the functions lose a database privilege that nothing else needs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.backends.roles import ROLES
from chalicelib.limits import ADVANCING_SECONDS
from infra.local.processes.deadline import wait_until
from tests.cloud.deployed import Deployed
from tests.support.log_lines import with_message

EMPTY_SECONDS_MAX = 120.0
CONTENT = b"sku,name\nDEAD-1,one\nDEAD-2,two\n"


@contextmanager
def failing(cloud: Deployed, privilege: str) -> Iterator[None]:
    """The functions lack `privilege` until the block ends."""
    cloud.execute(f"revoke {privilege} from {ROLES['upsert_chunk']}")
    try:
        yield
    finally:
        cloud.execute(f"grant {privilege} to {ROLES['upsert_chunk']}")


def is_empty(cloud: Deployed, queue: str) -> bool:
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs = cloud.account.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=cloud.queue_url(queue), AttributeNames=counts)["Attributes"]
    return all(int(attributes[each]) == 0 for each in counts)


def wait_until_empty(cloud: Deployed, queue: str) -> None:
    """Waits until the queue and its dead-letter queue are empty, so that no message can change anything later."""
    queues = (queue, f"{queue}-dead")
    wait_until(lambda: all(is_empty(cloud, each) for each in queues), EMPTY_SECONDS_MAX, f"{queue} empty")


@pytest.mark.parametrize(
    ("queue", "privilege", "consumer", "code"),
    [
        ("uploads", "insert on chunk", "fail_upload", "split_failed"),
        ("chunks", "insert on product", "fail_chunk", "chunk_failed"),
    ],
)
def test_an_import_that_fails_at_every_attempt_ends_and_can_be_retried(
    cloud: Deployed, queue: str, privilege: str, consumer: str, code: str
) -> None:
    assert cloud.wait_for_end(f"/imports/{cloud.upload(CONTENT)}")["status"] == "completed"
    with failing(cloud, privilege):
        path = f"/imports/{cloud.upload(CONTENT)}"
        first = cloud.wait_for_end(path)
        # This time the message comes from the API, not from S3.
        cloud.json("POST", f"{path}/retry")
        second = cloud.wait_for_end(path)
        wait_until_empty(cloud, queue)
    cloud.json("POST", f"{path}/retry")
    third = cloud.wait_for_end(path)

    for ended in (first, second):
        assert (ended["status"], ended["error"]["code"], ended["error"]["retryable"]) == ("failed", code, True)
    assert (third["status"], third["rows"]["total"]) == ("completed", 2)
    ends = [line for line in with_message(cloud.lines(consumer), "import failed") if line["import_id"] == first["id"]]
    assert [(line["code"], line["ImportsFailed"]) for line in ends] == [(code, 1)] * 2


@pytest.mark.parametrize(
    ("queue", "privilege", "consumer", "route", "body", "table", "code"),
    [
        (
            *("exports", "delete on export_part", "fail_export"),
            *("/exports", {}, "export", "export_failed"),
        ),
        (
            *("bulk-deletes", "delete on product", "fail_bulk_delete"),
            *("/bulk-deletes", {"confirm": "DELETE ALL"}, "bulk_delete", "delete_failed"),
        ),
    ],
)
def test_a_job_that_fails_at_every_attempt_ends_and_the_next_one_completes(
    cloud: Deployed, queue: str, privilege: str, consumer: str, route: str, body: Any, table: str, code: str
) -> None:
    def job() -> str:
        cloud.json("POST", "/products", {"sku": f"DEAD-{uuid.uuid4()}", "name": "For a job to process"})
        return f"{route}/{cloud.json('POST', route, body)['id']}"

    before = cloud.wait_for_end(job())
    with failing(cloud, privilege):
        path = job()
        # A dead letter does not end a job that may have advanced recently.
        cloud.execute(f"update {table} set advanced_at = advanced_at - interval '{ADVANCING_SECONDS + 1} s'")
        failed = cloud.wait_for_end(path)
        wait_until_empty(cloud, queue)
    after = cloud.wait_for_end(job())

    assert [each["status"] for each in (before, failed, after)] == ["completed", "failed", "completed"]
    assert failed["error"]["code"] == code
    ends = [line for line in cloud.lines(consumer) if line.get(f"{table}_id") == failed["id"]]
    assert [line["code"] for line in ends] == [code]
