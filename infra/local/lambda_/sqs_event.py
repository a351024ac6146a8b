"""SQS messages in the shape in which Lambda hands them to functions, and what functions say about them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infra.local.aws import REGION

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueOutputTypeDef, MessageTypeDef

FAILURES_KEY = "batchItemFailures"
IDENTIFIER_KEY = "itemIdentifier"


class BadFailureReport(Exception):
    """The function returned batchItemFailures that cannot be understood: as on AWS, the whole batch has failed."""


def event(messages: Sequence[MessageTypeDef], queue_arn: str) -> dict[str, Any]:
    """The event for a batch."""
    return {"Records": [_record(message, queue_arn) for message in messages]}


def succeeded(messages: Sequence[MessageTypeDef], result: Any) -> list[MessageTypeDef]:
    """The messages that are done: all, unless the result names some that failed. Raises BadFailureReport."""
    if not isinstance(result, dict) or not result.get(FAILURES_KEY):
        return list(messages)
    failures = result[FAILURES_KEY]
    if not isinstance(failures, list) or not all(isinstance(failure, dict) for failure in failures):
        raise BadFailureReport(f"{FAILURES_KEY} is not a list of objects: {failures!r}")
    failed = {failure.get(IDENTIFIER_KEY) for failure in failures}
    unknown = failed - {message["MessageId"] for message in messages}
    if unknown:
        raise BadFailureReport(f"{FAILURES_KEY} names messages that are not in the batch: {unknown!r}")
    return [message for message in messages if message["MessageId"] not in failed]


def _record(message: MessageTypeDef, queue_arn: str) -> dict[str, Any]:
    attributes = message.get("MessageAttributes", {})
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


def _attribute(value: MessageAttributeValueOutputTypeDef) -> Mapping[str, Any]:
    shaped: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        shaped["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shaped["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shaped
