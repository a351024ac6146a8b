"""What we need of the events that S3 puts into a queue."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import unquote_plus

from chalicelib.messages import UploadMessage
from tests.conformance.conftest import Stand

POLLS_MAX = 10
POLL_SECONDS = 2
AWKWARD = ("a b.csv", "a+b.csv", "ä/ö.csv", "100%.csv", "a&b=c.csv")


def _bodies(sqs: Any, url: str, enough: int, mentioning: str) -> list[str]:
    """Messages that mention a text, until there are enough; every message is deleted."""
    found: list[str] = []
    for _ in range(POLLS_MAX):
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=POLL_SECONDS)
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if mentioning in message["Body"]:
                found.append(message["Body"])
        if len(found) >= enough:
            break
    return found


def test_setting_notifications_up_sends_a_test_event_that_is_no_import(s3: Any, sqs: Any, stand: Stand) -> None:
    url = sqs.create_queue(QueueName=f"conformance-{uuid.uuid4().hex[:12]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bucket = f"conformance-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    wanted = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    (body,) = _bodies(sqs, url, 1, "s3:TestEvent")
    assert json.loads(body)["Bucket"] == bucket
    message = UploadMessage.model_validate_json(body)
    assert list(message.objects()) == []
    assert message.continue_import is None


def test_an_object_is_told_of_with_key_version_and_size(s3: Any, sqs: Any, stand: Stand) -> None:
    folder = uuid.uuid4().hex
    put: dict[str, str] = {}
    for name in AWKWARD:
        key = f"uploads/{folder}/{name}"
        put[key] = s3.put_object(Bucket=stand.bucket, Key=key, Body=b"12345")["VersionId"]
    bodies = _bodies(sqs, stand.uploads_url, len(AWKWARD), folder)
    told = {
        stored.key: (bucket, stored.version, stored.size_bytes)
        for body in bodies
        for bucket, stored in UploadMessage.model_validate_json(body).objects()
    }
    assert told == {key: (stand.bucket, version, 5) for key, version in put.items()}


def test_nothing_is_told_of_other_folders_and_of_removals(s3: Any, sqs: Any, stand: Stand) -> None:
    mark = uuid.uuid4().hex
    s3.put_object(Bucket=stand.bucket, Key=f"rewritten/{mark}.csv", Body=b"x")
    s3.put_object(Bucket=stand.bucket, Key=f"uploads/{mark}-removed.csv", Body=b"x")
    s3.delete_object(Bucket=stand.bucket, Key=f"uploads/{mark}-removed.csv")
    # What comes last has come after all that went before it would have.
    s3.put_object(Bucket=stand.bucket, Key=f"uploads/{mark}-last.csv", Body=b"x")
    told: list[str] = []
    for body in _bodies(sqs, stand.uploads_url, 2, mark):
        told += [unquote_plus(record["s3"]["object"]["key"]) for record in json.loads(body)["Records"]]
    assert sorted(told) == [f"uploads/{mark}-last.csv", f"uploads/{mark}-removed.csv"]


def test_an_object_of_several_parts_is_told_of_once(s3: Any, sqs: Any, stand: Stand) -> None:
    key = f"uploads/{uuid.uuid4().hex}.csv"
    upload = s3.create_multipart_upload(Bucket=stand.bucket, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=stand.bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"12345")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=stand.bucket, Key=key, UploadId=upload, MultipartUpload=parts)
    (body,) = _bodies(sqs, stand.uploads_url, 1, key)
    ((_, stored),) = UploadMessage.model_validate_json(body).objects()
    assert (stored.key, stored.size_bytes) == (key, 5)
    assert stored.version == s3.head_object(Bucket=stand.bucket, Key=key)["VersionId"]
