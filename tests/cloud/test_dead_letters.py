"""What fails at every try, as deployed: the queue moves it to its dead letters, whose function ends it with a reason.

The work fails because the functions lose a right in the database that nothing else needs. Meanwhile the queue's
visibility time-out is short, so that five tries take seconds instead of an hour.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.limits import ADVANCING_SECONDS
from infra.local.postgres.server import ROLE
from infra.local.processes.deadline import wait_until
from tests.cloud.deployed import Deployed
from tests.support.log_lines import told

TRIES = 5
"""MaxReceiveCount in infra/resources.yml. A dead letter has been received once more: by the function that ends it."""
VISIBILITY_SECONDS = "1"
EMPTY_SECONDS_MAX = 120.0
CONTENT = b"sku,name\nDEAD-1,one\nDEAD-2,two\n"


@contextmanager
def failing(cloud: Deployed, queue: str, right: str) -> Iterator[None]:
    """As long as the functions lack `right`; what a queue's function fails at comes back to it at once."""
    sqs = cloud.account.client("sqs")
    url, name = cloud.queue_url(queue), "VisibilityTimeout"
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={name: VISIBILITY_SECONDS})
    cloud.execute(f"revoke {right} from {ROLE}")
    try:
        yield
    finally:
        cloud.execute(f"grant {right} to {ROLE}")
        sqs.set_queue_attributes(QueueUrl=url, Attributes={name: before})


def is_empty(cloud: Deployed, queue: str) -> bool:
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    sqs = cloud.account.client("sqs")
    found = sqs.get_queue_attributes(QueueUrl=cloud.queue_url(queue), AttributeNames=counts)["Attributes"]
    return all(int(found[each]) == 0 for each in counts)


def wait_until_empty(cloud: Deployed, queue: str) -> None:
    """Until no message is left, nor any dead one, that could still do something."""
    queues = (queue, f"{queue}-dead")
    wait_until(lambda: all(is_empty(cloud, each) for each in queues), EMPTY_SECONDS_MAX, f"{queue} empty")


@pytest.mark.parametrize(
    ("queue", "right", "consumer", "code"),
    [
        ("uploads", "insert on chunk", "fail_upload", "split_failed"),
        ("chunks", "insert on product", "fail_chunk", "chunk_failed"),
    ],
)
def test_an_import_that_fails_at_every_try_ends_and_can_be_retried(
    cloud: Deployed, queue: str, right: str, consumer: str, code: str
) -> None:
    assert cloud.ended(f"/imports/{cloud.upload(CONTENT)}")["status"] == "completed"
    with failing(cloud, queue, right):
        place = f"/imports/{cloud.upload(CONTENT)}"
        first = cloud.ended(place)
        # From here on it is not S3 that tells the splitter, but the API.
        cloud.accepted("POST", f"{place}/retry")
        second = cloud.ended(place)
        wait_until_empty(cloud, queue)
    cloud.accepted("POST", f"{place}/retry")
    third = cloud.ended(place)

    for ended in (first, second):
        assert (ended["status"], ended["error"]["code"], ended["error"]["retryable"]) == ("failed", code, True)
    assert (third["status"], third["rows"]["total"]) == ("completed", 2)
    ends = [line for line in told(cloud.lines(consumer), "import failed") if line["import_id"] == first["id"]]
    assert [(line["code"], line["receive_count"], line["ImportsFailed"]) for line in ends] == [(code, TRIES + 1, 1)] * 2


@pytest.mark.parametrize(
    ("queue", "right", "consumer", "route", "body", "table", "code"),
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
def test_a_job_that_fails_at_every_try_ends_and_the_next_one_does_not(
    cloud: Deployed, queue: str, right: str, consumer: str, route: str, body: Any, table: str, code: str
) -> None:
    def job() -> str:
        cloud.accepted("POST", "/products", {"sku": f"DEAD-{uuid.uuid4()}", "name": "To be found by a job"})
        return f"{route}/{cloud.accepted('POST', route, body)['id']}"

    before = cloud.ended(job())
    with failing(cloud, queue, right):
        place = job()
        # What may have been advanced a moment ago is not ended by a dead letter.
        cloud.execute(f"update {table} set advanced_at = advanced_at - interval '{ADVANCING_SECONDS + 1} s'")
        failed = cloud.ended(place)
        wait_until_empty(cloud, queue)
    after = cloud.ended(job())

    assert [each["status"] for each in (before, failed, after)] == ["completed", "failed", "completed"]
    assert failed["error"]["code"] == code
    ends = [line for line in cloud.lines(consumer) if line.get(f"{table}_id") == failed["id"]]
    assert [(line["code"], line["receive_count"]) for line in ends] == [(code, TRIES + 1)]
