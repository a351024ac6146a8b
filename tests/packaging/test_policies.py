"""Every function's policy allows exactly what its code does, on exactly the resources that it uses.

What the code does is read from the source (tests/packaging/aws_calls.py). This file translates it into IAM actions.
"""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

import app
from chalicelib.backends.roles import ROLES
from chalicelib.exporting.exports import EXPORTS_PREFIX
from chalicelib.importing.imports import UPLOADS_PREFIX
from chalicelib.importing.rejected_rows import REJECTED_PREFIX
from chalicelib.importing.rewriting import REWRITTEN_PREFIX
from tests.packaging import aws_calls, reached_source
from tests.packaging.aws_calls import DEAD_LETTERS, Call
from tests.packaging.conftest import STAGE, Package

OBJECT_ACTIONS = {
    "put_object": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    # boto3 aborts its multipart upload when a part fails.
    "upload_fileobj": {"s3:PutObject", "s3:AbortMultipartUpload"},
    # Both with and without a version, like the reads of S3FileStore.find, which is the only user of HEAD.
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_object": {"s3:GetObjectVersion"},
}
BUCKET_ACTIONS = {
    # Without it, S3 answers 403 instead of 404 for a missing object. Presigned downloads do not need the difference.
    "head_object": {"s3:ListBucket"},
    "get_object": {"s3:ListBucket"},
    "list_object_versions": {"s3:ListBucketVersions"},
}
QUEUE_ACTIONS = {
    "get_queue_url": "sqs:GetQueueUrl",
    "send_message_batch": "sqs:SendMessage",
    "change_message_visibility": "sqs:ChangeMessageVisibility",
    "delete_message": "sqs:DeleteMessage",
    "get_queue_attributes": "sqs:GetQueueAttributes",
}
KEY_ACTIONS = {"generate_data_key": "kms:GenerateDataKey", "decrypt": "kms:Decrypt"}
SEALED = "webhook:*"
"""What the key encrypts: only values whose context begins with their webhook (chalicelib/backends/sealing.py)."""
POLLING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda does with the function's role."""
PREFIXES = {
    "chalicelib.exporting.writing": {EXPORTS_PREFIX},
    "chalicelib.exporting.exports": {EXPORTS_PREFIX},
    "chalicelib.importing.imports": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.importing.rejected_rows": {REJECTED_PREFIX},
    "chalicelib.importing.splitting": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.importing.rewriting": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.repair.retention": {UPLOADS_PREFIX},
    "chalicelib.repair.sweeping": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.importing.pieces": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
    "chalicelib.importing.chunk_rows": {UPLOADS_PREFIX, REWRITTEN_PREFIX},
}
"""The key prefixes that each module reads and writes."""
WRITTEN = {"chalicelib.importing.imports": {UPLOADS_PREFIX}, "chalicelib.importing.rewriting": {REWRITTEN_PREFIX}}
"""The key prefixes that a module writes, if it only reads some of its prefixes."""
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
"""Actions that AWS cannot limit to a resource, or only after it exists."""
FOR_LAMBDA_ALONE = {action for action in WILDCARDS if action.startswith("ec2:")} | {"ec2:DetachNetworkInterface"}
"""What Lambda does with a function's role to connect it to the network. Code of the function must not do it."""
AWS_LIBRARIES = {"boto3", "botocore", "s3transfer"}
FUNCTIONS = ["api", "authorize", *(source.name for source in app.app.event_sources), "migrate", "manage_tokens"]
DATABASE_USER = "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:"
OWNER = "importer_owner"


def _statements(package: Package, function: str) -> list[dict[str, Any]]:
    logical = package.functions[function]["Role"]["Fn::GetAtt"][0]
    (inline,) = package.template["Resources"][logical]["Properties"]["Policies"]
    statements: list[dict[str, Any]] = inline["PolicyDocument"]["Statement"]
    return statements


def _granted(package: Package, function: str) -> set[tuple[str, str]]:
    granted: set[tuple[str, str]] = set()
    for statement in _statements(package, function):
        if statement["Effect"] == "Deny":
            continue
        assert set(statement) - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        condition = _condition_text(statement.get("Condition"))
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        granted |= {(action, _resource_text(each) + condition) for action in statement["Action"] for each in resources}
    return granted


def _resource_text(resource: Any) -> str:
    match resource:
        case str(text) | {"Fn::Sub": str(text)} | {"Ref": str(text)}:
            return text
        case {"Fn::GetAtt": [name, "Arn"]}:
            return f"{name}.Arn"
        case {"Fn::If": [condition, one, other]}:
            return f"{_resource_text(one)} if {condition}, otherwise {_resource_text(other)}"
    raise AssertionError(f"unknown form of a resource in a policy: {resource}")


def _condition_text(condition: Any) -> str:
    match condition:
        case None:
            return ""
        case {"StringLike": {"s3:prefix": str(prefix), **others}, **more} if not others and not more:
            return f" listed under {prefix}"
        case {"StringLike": {"kms:EncryptionContext:context": str(context), **others}, **more} if not (others or more):
            return f" for {context}"
    raise AssertionError(f"unknown form of a condition in a policy: {condition}")


def _needed(package: Package, function: str) -> set[tuple[str, str]]:
    group = f"log-group:/aws/lambda/product-importer-${{Stage}}-{function}:*"
    log = f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:{group}"
    needed = {("logs:CreateLogStream", log), ("logs:PutLogEvents", log)}
    needed |= {(action, "*") for action in WILDCARDS}
    needed.add(("rds-db:connect", _database_user(package, function)))
    source = _source_queue(package, function)
    if source:
        needed |= {(action, f"{source}.Arn") for action in POLLING}
    operations = aws_calls.operations()
    for call in aws_calls.calls_of(f"functions.{function}"):
        for operation in operations[call.client, call.method]:
            needed |= set(_permissions(package, call, operation, source))
    return needed


def _database_user(package: Package, function: str) -> str:
    """The database role of the function, at the database or, if it connects through the proxy, at the proxy."""
    role = OWNER if function == "migrate" else ROLES["api_handler" if function == "api" else function]
    at_database = f"{DATABASE_USER}${{DatabaseResourceId}}/{role}"
    match package.functions[function]["Environment"]["Variables"]["DATABASE_HOST"]:
        case {"Ref": "DatabaseHost"}:
            return at_database
        case {"Fn::If": ["HasProxy", {"Ref": "DatabaseProxyHost"}, {"Ref": "DatabaseHost"}]}:
            return f"{DATABASE_USER}${{DatabaseProxyResourceId}}/{role} if HasProxy, otherwise {at_database}"
    raise AssertionError(f"unknown host of {function}")


def _permissions(package: Package, call: Call, operation: str, source: str | None) -> set[tuple[str, str]]:
    match call.client:
        case "queues":
            queue = source
            if call.queue:
                queue = f"{source}Dead" if call.queue == DEAD_LETTERS else _logical_queue(package, call.queue)
            return {(QUEUE_ACTIONS[operation], f"{queue}.Arn")}
        case "sealer":
            return {(KEY_ACTIONS[operation], f"WebhookKey.Arn for {SEALED}")}
    if operation == "list_object_versions":
        return {(action, f"Files.Arn listed under {UPLOADS_PREFIX}*") for action in BUCKET_ACTIONS[operation]}
    permissions: set[tuple[str, str]] = set()
    for action in OBJECT_ACTIONS[operation]:
        prefixes = PREFIXES[call.caller]
        if action in WRITING:
            prefixes = WRITTEN.get(call.caller, prefixes)
        permissions |= {(action, f"${{Files.Arn}}/{prefix}*") for prefix in prefixes}
    if call.method != "presign_download":
        permissions |= {(action, "Files.Arn") for action in BUCKET_ACTIONS.get(operation, set())}
    return permissions


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


def test_all_functions_are_checked(package: Package) -> None:
    assert set(FUNCTIONS) == set(package.functions)


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS)))
def test_policy_allows_what_the_code_needs_and_nothing_more(package: Package, function: str) -> None:
    granted, needed = _granted(package, function), _needed(package, function)
    assert sorted(needed - granted) == [], "the code does this, but the policy does not allow it"
    assert sorted(granted - needed) == [], "the policy allows this, but the code does not do it"


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS)))
def test_code_of_a_function_cannot_use_the_rights_on_network_interfaces(package: Package, function: str) -> None:
    """Lambda needs them in the role. Requests that come from inside the function have its ARN, and are denied."""
    (denied,) = [each for each in _statements(package, function) if each["Effect"] == "Deny"]
    assert (set(denied["Action"]), denied["Resource"]) == (FOR_LAMBDA_ALONE, "*")
    name = package.functions[function]["FunctionName"]["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name}"
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": {"Fn::Sub": arn}}}


def test_no_policy_has_a_wildcard_that_can_be_avoided(package: Package) -> None:
    for function in package.functions:
        for action, resource in _granted(package, function):
            assert "*" not in action
            assert resource != "*" or action in WILDCARDS


def test_every_function_has_a_role_of_its_own(package: Package) -> None:
    roles = [json.dumps(function["Role"]) for function in package.functions.values()]
    assert len(set(roles)) == len(roles)
    for function in package.functions.values():
        role = package.template["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]
        assert "ManagedPolicyArns" not in role


def test_calls_are_found_in_the_source() -> None:
    # A check of the check: calls that are known to exist are found, also by way of other modules.
    split = aws_calls.calls_of("functions.split_upload")
    assert Call("queues", "send", "chalicelib.importing.window", "chunks") in split
    assert Call("queues", "wake", "chalicelib.events", "events") in split
    assert Call("sealer", "open", "chalicelib.webhooks.webhooks") in aws_calls.calls_of("functions.deliver_webhook")
    assert aws_calls.calls_of("functions.authorize") == set()


def test_no_other_module_calls_aws() -> None:
    """Only the modules that are read above create clients."""
    importing, clients, calls = set(), {}, set()
    for package in reached_source.PACKAGES:
        for file in (reached_source.ROOT / package).rglob("*.py"):
            name = file.relative_to(reached_source.ROOT).as_posix()
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                match node:
                    case ast.Import(names=names) if AWS_LIBRARIES & {each.name.partition(".")[0] for each in names}:
                        importing.add(name)
                    case ast.ImportFrom(module=str(source)) if source.partition(".")[0] in AWS_LIBRARIES:
                        importing.add(name)
                    case ast.Call(
                        func=ast.Attribute(attr="client" | "resource"), args=[ast.Constant(value=service), *_]
                    ):
                        clients[name] = service
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="client"), attr=operation)):
                        calls.add((name, operation))
    assert clients == {
        "chalicelib/backends/s3.py": "s3",
        "chalicelib/backends/sqs.py": "sqs",
        "chalicelib/backends/sealing.py": "kms",
    }
    # The time-outs of all clients, what S3's errors mean, and what signs tokens for the database. They create none.
    without_client = {f"chalicelib/backends/{name}.py" for name in ("clients", "credentials", "s3_errors")}
    assert importing == {*clients, *without_client}
    assert not {operation for name, operation in calls if name in clients}
