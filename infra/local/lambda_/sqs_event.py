"""An SQS message in the shape in which Lambda passes it to a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.aws import REGION

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef


def event(message: MessageTypeDef, queue_arn: str) -> dict[str, Any]:
    """The event for a batch of one message. Message attributes are left out: no message of ours has any."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
    return {"Records": [record]}
