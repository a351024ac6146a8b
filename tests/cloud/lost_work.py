"""Work that no message tells of any more: nobody finds it but what is scheduled. It leaves no product behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cloud.deployed import STACK, Deployed

SPLITTER = "split_upload"
MESSAGE_SECONDS_MAX = 20
"""The longest that SQS waits for one."""


@dataclass(frozen=True)
class LostWork:
    """`upload` is an import whose message was lost; `edited` a SKU that the copy for search has not heard of yet."""

    upload: str
    edited: str = "EDITED-1"

    def is_edit_waiting(self, cloud: Deployed) -> bool:
        """Whether the edit is still noted beside the copy."""
        return bool(cloud.query(f"select id from product_search_edit where sku_key = sku_key('{self.edited}')"))


def lose_work(cloud: Deployed) -> LostWork:
    """Uploads a file and takes away the message that tells of it; adds a product, and removes it."""
    with _splitter_away(cloud):
        lost = LostWork(cloud.upload(b"sku,name\n"))
        sqs, url = cloud.account.client("sqs"), cloud.queue_url("uploads")
        (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=MESSAGE_SECONDS_MAX)["Messages"]
        assert "ObjectCreated" in message["Body"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    product = cloud.accepted("POST", "/products", {"sku": lost.edited, "name": "Comes and goes"})
    assert cloud.call("DELETE", f"/products/{product['id']}").status_code == 204
    assert lost.is_edit_waiting(cloud)
    return lost


@contextmanager
def _splitter_away(cloud: Deployed) -> Iterator[None]:
    lambda_ = cloud.deployer.lambda_
    (source,) = lambda_.list_event_source_mappings(FunctionName=f"{STACK}-{SPLITTER}")["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    try:
        yield
    finally:
        lambda_.update_event_source_mapping(UUID=source["UUID"], Enabled=True)
