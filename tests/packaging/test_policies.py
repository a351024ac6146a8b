"""Every function may do what its code does, on the things it does it to, and nothing more.

What the code does is read from the source (tests/packaging/aws_calls.py). This file translates it into IAM's terms.
"""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

import app
from chalicelib.exporting.exports import EXPORTS_PREFIX
from chalicelib.importing.imports import UPLOADS_PREFIX
from chalicelib.importing.rejected_rows import REJECTED_PREFIX
from chalicelib.importing.splitting import REWRITTEN_PREFIX
from tests.packaging import aws_calls, reached_source
from tests.packaging.aws_calls import Call
from tests.packaging.conftest import STAGE, Package

OBJECT_ACTIONS = {
    "put_object": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    # boto3 gives up its multipart upload when a part fails.
    "upload_fileobj": {"s3:PutObject", "s3:AbortMultipartUpload"},
    # With a version and without.
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_object": {"s3:GetObjectVersion"},
}
BUCKET_ACTIONS = {
    # Without it S3 answers 403, not 404, for what is not there; a link is used by others, who need not know.
    "head_object": {"s3:ListBucket"},
    "get_object": {"s3:ListBucket"},
    "list_object_versions": {"s3:ListBucketVersions"},
}
QUEUE_ACTIONS = {
    "get_queue_url": "sqs:GetQueueUrl",
    "send_message_batch": "sqs:SendMessage",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
}
KEY_ACTIONS = {"generate_data_key": "kms:GenerateDataKey", "decrypt": "kms:Decrypt"}
POLLING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda does in the function's name."""
PREFIXES = {
    "chalicelib.exporting.writing": {EXPORTS_PREFIX},
    "chalicelib.exporting.exports": {EXPORTS_PREFIX},
    "chalicelib.importing.imports": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.importing.rejected_rows": {REJECTED_PREFIX},
    "chalicelib.importing.splitting": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.repair.sweeping": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.importing.upserting": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
}
"""Where the keys begin that each module reads and writes."""
WRITTEN = {"chalicelib.importing.imports": {UPLOADS_PREFIX}, "chalicelib.importing.splitting": {REWRITTEN_PREFIX}}
"""Where it writes, if not everywhere."""
WRITING = {"s3:PutObject", "s3:AbortMultipartUpload"}
WILDCARDS = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
"""Actions that AWS offers for no single resource, or not before it exists."""
FUNCTIONS = ["api", "authorize", *(source.name for source in app.app.event_sources), "migrate", "manage_tokens"]
OWNER = {("secretsmanager:GetSecretValue", "OwnerSecretArn")}
IMPORTER = {("secretsmanager:GetSecretValue", "ImporterSecretArn")}
SECRETS = {"migrate": OWNER | IMPORTER, "manage_tokens": OWNER}
"""The migration gives the role of the other functions its password."""


def _granted(package: Package, function: str) -> set[tuple[str, str]]:
    logical = package.functions[function]["Role"]["Fn::GetAtt"][0]
    (inline,) = package.template["Resources"][logical]["Properties"]["Policies"]
    granted: set[tuple[str, str]] = set()
    for statement in inline["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow"
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        granted |= {(action, _written(each)) for action in statement["Action"] for each in resources}
    return granted


def _written(resource: Any) -> str:
    match resource:
        case str(text) | {"Fn::Sub": str(text)} | {"Ref": str(text)}:
            return text
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"{name}.Arn"
    raise AssertionError(f"a policy speaks of {resource}")


def _needed(package: Package, function: str) -> set[tuple[str, str]]:
    group = f"log-group:/aws/lambda/product-importer-${{Stage}}-{function}:*"
    log = f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:{group}"
    needed = {("logs:CreateLogStream", log), ("logs:PutLogEvents", log)}
    needed |= {(action, "*") for action in WILDCARDS}
    needed |= SECRETS.get(function, IMPORTER)
    source = _source_queue(package, function)
    if source:
        needed |= {(action, f"{source}.Arn") for action in POLLING}
    operations = aws_calls.operations()
    for call in aws_calls.calls_of(f"functions.{function}"):
        for operation in operations[call.room, call.method]:
            needed |= set(_meaning(package, call, operation, source))
    return needed


def _meaning(package: Package, call: Call, operation: str, source: str | None) -> set[tuple[str, str]]:
    match call.room:
        case "queues":
            queue = _logical_queue(package, call.queue) if call.queue else source
            return {(QUEUE_ACTIONS[operation], f"{queue}.Arn")}
        case "sealer":
            return {(KEY_ACTIONS[operation], "WebhookKey.Arn")}
    if operation == "list_object_versions":
        return {(action, "Files.Arn") for action in BUCKET_ACTIONS[operation]}
    meant: set[tuple[str, str]] = set()
    for action in OBJECT_ACTIONS[operation]:
        prefixes = PREFIXES[call.caller]
        if action in WRITING:
            prefixes = WRITTEN.get(call.caller, prefixes)
        meant |= {(action, f"${{Files.Arn}}/{prefix}*") for prefix in prefixes}
    if call.method != "presign_download":
        meant |= {(action, "Files.Arn") for action in BUCKET_ACTIONS.get(operation, set())}
    return meant


def _source_queue(package: Package, function: str) -> str | None:
    events = package.functions[function].get("Events", {}).values()
    arns = [event["Properties"]["Queue"]["Fn::Sub"] for event in events if event["Type"] == "SQS"]
    return _logical_queue(package, arns[0].rpartition(f":product-importer-{STAGE}-")[2]) if arns else None


def _logical_queue(package: Package, name: str) -> str:
    queues = package.of_type("AWS::SQS::Queue")
    return next(
        logical
        for logical, each in queues.items()
        if each["QueueName"]["Fn::Sub"] == f"product-importer-${{Stage}}-{name}"
    )


def test_all_functions_are_looked_at(package: Package) -> None:
    assert set(FUNCTIONS) == set(package.functions)


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS)))
def test_policy_is_what_the_code_needs_and_nothing_more(package: Package, function: str) -> None:
    granted, needed = _granted(package, function), _needed(package, function)
    assert sorted(needed - granted) == [], "the code does this, but may not"
    assert sorted(granted - needed) == [], "this is allowed, but the code does not do it"


def test_no_policy_is_wider_than_one_thing(package: Package) -> None:
    for function in package.functions:
        for action, resource in _granted(package, function):
            assert "*" not in action
            assert resource != "*" or action in WILDCARDS


def test_every_function_has_a_role_of_its_own(package: Package) -> None:
    roles = [json.dumps(function["Role"]) for function in package.functions.values()]
    assert len(set(roles)) == len(roles)
    for role in package.of_type("AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role


def test_reading_calls_from_source_notices_a_new_one() -> None:
    # The yardstick itself: calls that are known to be there are found, and followed through other modules.
    split = aws_calls.calls_of("functions.split_upload")
    assert Call("queues", "send", "chalicelib.importing.splitting", "chunks") in split
    assert Call("queues", "wake", "chalicelib.events", "events") in split
    assert Call("sealer", "open", "chalicelib.webhooks.webhooks") in aws_calls.calls_of("functions.deliver_webhook")
    assert aws_calls.calls_of("functions.authorize") == set()


def test_nothing_else_speaks_to_aws() -> None:
    """The rooms that are looked into above, and the one call that every function makes."""
    importing, clients, asked = set(), {}, set()
    for package in reached_source.PACKAGES:
        for file in (reached_source.ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                match node:
                    case ast.Import(names=names) if {"boto3", "botocore"} & {each.name for each in names}:
                        importing.add(file.name)
                    case ast.Call(
                        func=ast.Attribute(attr="client" | "resource"), args=[ast.Constant(value=service), *_]
                    ):
                        clients[file.name] = service
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="client"), attr=operation)):
                        asked.add((file.name, operation))
    assert clients == {
        "file_store.py": "s3",
        "queues.py": "sqs",
        "sealing.py": "kms",
        "credentials.py": "secretsmanager",
    }
    assert importing == set(clients)
    assert {operation for file, operation in asked if file in clients} == {"get_secret_value"}
