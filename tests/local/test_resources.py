"""infra/resources.yml in a real emulator, and the errors for what the local stack does not support."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
import requests

from infra.local.errors import TemplateError
from infra.local.lambda_.triggers import chalice_config
from infra.local.s3_sqs import resources, template
from infra.local.testing import Services
from infra.project import ROOT

EVENT_SECONDS_MAX = 10
ORIGIN = "http://127.0.0.1:8000"


def _attributes(services: Services, queue: str) -> dict[str, Any]:
    url = services.queue_urls[f"product-importer-local-{queue}"]
    attributes: Any = services.endpoint.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {**attributes}


def test_queues_have_dead_letter_queues_and_the_given_parameters(local_services: Services) -> None:
    chunks, dead = _attributes(local_services, "chunks"), _attributes(local_services, "chunks-dead")
    assert chunks["VisibilityTimeout"] == "7"
    redrive = json.loads(chunks["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == dead["QueueArn"]
    assert int(redrive["maxReceiveCount"]) == 3
    assert dead["MessageRetentionPeriod"] == str(14 * 24 * 3600)


def test_the_bucket_is_versioned_encrypted_and_private(local_services: Services) -> None:
    s3, bucket = local_services.endpoint.s3(), local_services.bucket
    assert bucket == "product-importer-local-files-000000000000"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules: Any = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["ID"] for rule in lifecycle} == {"expire-files", "abort-incomplete-uploads"}


def test_only_objects_below_uploads_are_announced(local_services: Services) -> None:
    s3, sqs = local_services.endpoint.s3(), local_services.endpoint.sqs()
    url = local_services.queue_urls["product-importer-local-uploads"]
    for key in ("elsewhere/b.csv", "uploads/a b.csv"):
        s3.put_object(Bucket=local_services.bucket, Key=key, Body=b"x")
    keys: list[str] = []
    while not keys:
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=EVENT_SECONDS_MAX, MaxNumberOfMessages=10)
        for message in messages["Messages"]:
            # The first message is S3's own test event.
            keys += [record["s3"]["object"]["key"] for record in json.loads(message["Body"]).get("Records", [])]
    assert [unquote_plus(key) for key in keys] == ["uploads/a b.csv"]


def test_only_our_page_may_upload_from_a_browser(local_services: Services) -> None:
    url = f"{local_services.endpoint_url}/{local_services.bucket}/uploads/x.csv"
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,if-none-match"}
    # ministack answers every origin in the same way; our guard in front of it refuses the others.
    origin, header = ("*", "*") if local_services.emulator == "ministack" else (ORIGIN, "if-none-match")
    with requests.Session() as browser:
        browser.trust_env = False
        ours = browser.options(url, headers={"Origin": ORIGIN, **asked}, timeout=EVENT_SECONDS_MAX)
        assert ours.headers["Access-Control-Allow-Origin"] == origin
        assert header in ours.headers["Access-Control-Allow-Headers"].lower()
        foreign = browser.options(url, headers={"Origin": "http://evil.example", **asked}, timeout=EVENT_SECONDS_MAX)
        assert foreign.headers.get("Access-Control-Allow-Origin") not in ("*", "http://evil.example")


def test_creating_resources_again_updates_them(local_services: Services) -> None:
    overrides = {"Stage": "again", "MaxReceiveCount": "4"}
    for count in ("4", "9"):
        declared = resources.declared({**overrides, "MaxReceiveCount": count})
        created = resources.create(local_services.endpoint, declared)
        url = created.queue_urls["product-importer-again-chunks"]
        answer = local_services.endpoint.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
        assert int(json.loads(answer["Attributes"]["RedrivePolicy"])["maxReceiveCount"]) == int(count)


@pytest.mark.parametrize(
    ("parameter", "function"),
    [
        ("UploadsVisibilitySeconds", "split_upload"),
        ("RewritesVisibilitySeconds", "rewrite_upload"),
        ("ChunksVisibilitySeconds", "upsert_chunk"),
        ("ExportsVisibilitySeconds", "export_products"),
        ("DeadVisibilitySeconds", "fail_upload"),
        ("DeadVisibilitySeconds", "fail_rewrite"),
        ("DeadVisibilitySeconds", "fail_chunk"),
        ("DeadVisibilitySeconds", "fail_export"),
    ],
)
def test_the_default_visibility_is_six_times_the_functions_time_out(parameter: str, function: str) -> None:
    timeout = chalice_config(ROOT, "dev").scope("dev", function).lambda_timeout
    assert resources.declared({}).values[parameter] == 6 * timeout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Resources: {T: {Type: AWS::DynamoDB::Table}}",
            "resource T: the local stack does not know the type AWS::DynamoDB::Table",
        ),
        ("Resources: {Q: {Type: AWS::SQS::Queue, Condition: C}}", "unknown attribute of resource Q: Condition"),
        ("Mappings: {}\nResources: {}", "unknown section of t.yml: Mappings"),
        ("Parameters: {P: {Type: String}}\nResources: {}", "parameter P has no default: set PARAMETER_P"),
        ("Parameters: {P: {Type: Number, Default: x}}\nResources: {}", "parameter P must be a whole number, not 'x'"),
        ("Parameters: {P: {Type: Weird, Default: x}}\nResources: {}", "does not support the type Weird"),
    ],
)
def test_a_template_outside_the_subset_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "t.yml"
    file.write_text(text)
    with pytest.raises(TemplateError, match=message):
        template.read(file, {}, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q, FifoQueue: true}}}", "does not support FifoQueue"),
        ("{Q: {Type: AWS::SQS::Queue, Properties: {QueueName: {Ref: Nothing}}}}", "Nothing is neither a parameter"),
        ("{Q: {Type: AWS::SQS::Queue, Properties: {QueueName: {'Fn::Join': [a, [b]]}}}}", "Fn::Join in this form"),
        ("{Q: {Type: AWS::SQS::Queue}}", "queue Q needs a QueueName"),
        (
            "{A: {Type: AWS::SQS::Queue, DependsOn: B}, B: {Type: AWS::SQS::Queue, DependsOn: A}}",
            "in a circle: A → B → A",
        ),
    ],
)
def test_a_resource_that_cannot_be_created_is_an_error(
    local_services: Services, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "t.yml"
    file.write_text(f"Resources: {text}")
    with pytest.raises(TemplateError, match=message):
        resources.create(local_services.endpoint, resources.declared({}, file))


def test_an_unknown_parameter_is_an_error() -> None:
    with pytest.raises(TemplateError, match="unknown parameter: ChunkVisibility"):
        resources.declared({"ChunkVisibility": "3"})
