"""Work whose message was lost, so that only scheduled functions can find it. It leaves no product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cloud.deployed import STACK, Deployed

SPLITTER = "split_upload"
MESSAGE_SECONDS_MAX = 20
"""The longest time that SQS waits for a message."""


@dataclass(frozen=True)
class LostWork:
    """`upload` is an import whose message was lost; `edited` is a SKU that is not in the search index yet."""

    upload: str
    edited: str = "EDITED-1"

    def is_edit_waiting(self, cloud: Deployed) -> bool:
        """Returns whether the edit still waits to be written to the search index."""
        query = "select 1 from catalogue_change join product_change using (position) where stage < 2"
        return bool(cloud.query(f"{query} and sku_key = sku_key('{self.edited}')"))


def lose_work(cloud: Deployed) -> LostWork:
    """Uploads a file and deletes its message; adds a product and deletes it."""
    with _splitter_paused(cloud):
        lost = LostWork(cloud.upload(b"sku,name\n"))
        sqs, url = cloud.account.client("sqs"), cloud.queue_url("uploads")
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=MESSAGE_SECONDS_MAX)["Messages"]
        assert "ObjectCreated" in message["Body"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    product = cloud.json("POST", "/products", {"sku": lost.edited, "name": "Comes and goes"})
    assert cloud.call("DELETE", f"/products/{product['id']}").status_code == 204
    return lost


@contextmanager
def _splitter_paused(cloud: Deployed) -> Iterator[None]:
    lambda_ = cloud.deployer.lambda_
    (source,) = lambda_.list_event_source_mappings(FunctionName=f"{STACK}-{SPLITTER}")["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        yield
    finally:
        lambda_.update_event_source_mapping(UUID=source["UUID"], Enabled=True)
