"""A fake AWS account: it stores stacks, parameters and objects, and records the order of the calls that change them.

Of CloudFormation it imitates what a deployment depends on: parameters with defaults and previous values, conditions of
outputs, change sets without changes, and failed stacks.
"""

# ruff: noqa: N803  arguments have the names that boto3 uses

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml
from botocore.exceptions import ClientError, WaiterError

from infra.deploy.stacks import Account

NUMBER, REGION = "123456789012", "eu-central-1"
S3_PREFIX_LIST = "pl-s3"
RESOURCE_ID = "db-FIRST"


OF_THE_PROXY = ("DatabaseProxyHost", "DatabaseProxyResourceId", "ProxyRoleName")
"""The outputs that exist only with WithProxy=true."""


@dataclass(frozen=True)
class Invocation:
    """What `migrate` was invoked with, and the application's stack at that moment."""

    event: dict[str, Any]
    app: dict[str, Any]

    @property
    def resources(self) -> dict[str, Any]:
        """The resources of the application at that moment."""
        found: dict[str, Any] = json.loads(self.app["body"])["Resources"]
        return found


@dataclass
class FakeAccount:
    """What was done, the current state, and what is to fail."""

    outputs: dict[str, dict[str, str]]
    """The outputs of each stack, by the stack's name."""
    actions: list[str] = field(default_factory=list)
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    properties: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    settings: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What was set for a bucket, by its name and the operation."""
    failing_stack: str | None = None
    """The name of a stack whose creation fails."""
    migration_fails: bool = False
    unfinished_migrations: int = 0
    """After this many invocations, a migration has finished."""
    outputs_after: dict[str, dict[str, str]] = field(default_factory=dict)
    """Outputs that a stack has once it is next changed."""
    invocations: list[Invocation] = field(default_factory=list)
    """Those of the function `migrate`."""
    instance: dict[str, Any] | None = None
    """The database instance, as RDS describes it."""
    logs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Log groups that CloudFormation did not create, with their days and key."""
    changes_listed: bool = True
    """Whether change sets list their changes: when only outputs change, they do not."""

    @property
    def account(self) -> Account:
        """The account as the deployment sees it."""
        others = (_CloudFront(), _Ec2(), _Rds(self), _Logs(self))
        return Account(NUMBER, REGION, _CloudFormation(self), _S3(self), _Lambda(self), *others)


class _CloudFormation:
    def __init__(self, fake: FakeAccount) -> None:
        self._fake = fake
        self._changes: dict[str, dict[str, Any]] = {}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName not in self._fake.stacks:
            raise ClientError({"Error": {"Message": f"Stack {StackName} does not exist"}}, "DescribeStacks")
        stack = self._fake.stacks[StackName]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["parameters"].items()]
        outputs = dict(self._fake.outputs.get(StackName, {}))
        for name in _missing_outputs(stack["parameters"]):
            outputs.pop(name, None)
        listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
        return {"Stacks": [{"StackStatus": stack["status"], "Parameters": parameters, "Outputs": listed}]}

    def create_change_set(self, **request: Any) -> None:
        name = request["StackName"]
        known = self._fake.stacks.get(name, {}).get("parameters", {})
        body = request.get("TemplateBody") or self._uploaded(request["TemplateURL"])
        declared: dict[str, Any] = yaml.safe_load(body).get("Parameters", {})
        given = {
            each["ParameterKey"]: known[each["ParameterKey"]]
            if each.get("UsePreviousValue")
            else each["ParameterValue"]
            for each in request["Parameters"]
        }
        defaults = {key: str(each["Default"]) for key, each in declared.items() if "Default" in each}
        missing = declared.keys() - given.keys() - defaults.keys()
        assert not missing, f"CloudFormation would require {missing}"
        self._changes[name] = {"kind": request["ChangeSetType"], "parameters": defaults | given, "body": body}

    def describe_change_set(self, StackName: str, ChangeSetName: str) -> dict[str, Any]:
        changes: list[dict[str, Any]] = [{}] if self._fake.changes_listed else []
        return {"Changes": changes, "StatusReason": "The submitted information didn't contain changes."}

    def execute_change_set(self, StackName: str, ChangeSetName: str, RetainExceptOnCreate: bool) -> None:
        assert RetainExceptOnCreate, "resources left by a failed creation would block the next attempt"
        change = self._changes.pop(StackName)
        self._fake.actions.append(f"{change.pop('kind')} {StackName}")
        before = self._fake.stacks.get(StackName, {}).get("parameters", {})
        self._fake.stacks[StackName] = {"status": "UPDATE_COMPLETE", **change}
        self._fake.outputs |= {name: each for name, each in self._fake.outputs_after.items() if name == StackName}
        protection = change["parameters"].get("DeletionProtection")
        if protection != before.get("DeletionProtection"):
            self._fake.instance = self._fake.instance or {"DbiResourceId": RESOURCE_ID}
            self._fake.instance["DeletionProtection"] = protection == "true"

    def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
        self._changes.pop(StackName)

    def delete_stack(self, StackName: str) -> None:
        self._fake.actions.append(f"DELETE {StackName}")
        if "DeletionProtection" in self._fake.stacks.pop(StackName)["parameters"]:
            assert self._fake.instance is not None
            assert not self._fake.instance["DeletionProtection"], "RDS would refuse to delete the instance"
            self._fake.instance = None

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        assert TemplateStage == "Original", "a processed template has no functions of SAM"
        return {"TemplateBody": yaml.safe_load(self._fake.stacks[StackName]["body"])}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        failure = {
            "LogicalResourceId": "Database",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no capacity",
        }
        return {"StackEvents": [failure, {"LogicalResourceId": "X", "ResourceStatus": "CREATE_COMPLETE"}]}

    def get_waiter(self, name: str) -> Any:
        return _Waiter(lambda StackName: self._fails(name, StackName), name)

    def _fails(self, waiter: str, name: str) -> bool:
        if waiter != "change_set_create_complete":
            return self._fake.failing_stack == name
        change, stack = self._changes[name], self._fake.stacks.get(name)
        return stack is not None and all(stack[key] == change[key] for key in ("parameters", "body"))

    def _uploaded(self, url: str) -> str:
        bucket, _, key = urlsplit(url).path.removeprefix("/").partition("/")
        return self._fake.objects[bucket, key].decode()


def _missing_outputs(parameters: dict[str, str]) -> Iterator[str]:
    """The outputs whose condition is false. A release that had passwords has no parameter FormerPasswords."""
    if parameters.get("WithProxy") == "false":
        yield from OF_THE_PROXY
    passwords = parameters.get("FormerPasswords", "in use")
    if passwords == "none":
        yield "OwnerSecretArn"
    if passwords != "in use":
        yield "ImporterSecretArn"


class _Waiter:
    def __init__(self, fails: Any, name: str) -> None:
        self._fails, self._name = fails, name

    def wait(self, StackName: str, WaiterConfig: dict[str, float], **_: Any) -> None:
        assert WaiterConfig["Delay"] * WaiterConfig["MaxAttempts"] >= 3600
        if self._fails(StackName):
            raise WaiterError(self._name, "failed", {})


class _S3:
    def __init__(self, fake: FakeAccount) -> None:
        self._fake = fake

    def create_bucket(self, **request: Any) -> None:
        assert request["CreateBucketConfiguration"] == {"LocationConstraint": REGION}

    def __getattr__(self, operation: str) -> Any:
        """Any other operation is a setting of a bucket."""

        def put(Bucket: str, **setting: Any) -> None:
            assert operation.startswith("put_")
            ((_, self._fake.settings[Bucket, operation]),) = setting.items()

        return put

    def put_object(self, Bucket: str, Key: str, Body: bytes, **properties: str) -> None:
        self._fake.objects[Bucket, Key] = Body
        self._fake.properties[Bucket, Key] = properties

    def delete_object(self, Bucket: str, Key: str) -> None:
        del self._fake.objects[Bucket, Key]

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": key} for bucket, key in list(self._fake.objects) if bucket == Bucket]}]


class _Lambda:
    def __init__(self, fake: FakeAccount) -> None:
        self._fake = fake

    def invoke(self, FunctionName: str, Payload: str) -> dict[str, Any]:
        self._fake.actions.append(f"INVOKE {FunctionName}")
        app = FunctionName.removesuffix("-migrate")
        self._fake.invocations.append(Invocation(json.loads(Payload), copy.deepcopy(self._fake.stacks)[app]))
        if self._fake.migration_fails:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no database"}')}
        finished = len(self._fake.invocations) > self._fake.unfinished_migrations
        answer = {"applied": ["0001_catalogue.sql"], "reports": ["2 products have gone"], "finished": finished}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


class _Ec2:
    def describe_managed_prefix_lists(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:
        assert Filters == [{"Name": "prefix-list-name", "Values": [f"com.amazonaws.{REGION}.s3"]}]
        return {"PrefixLists": [{"PrefixListId": S3_PREFIX_LIST}]}


class _Rds:
    def __init__(self, fake: FakeAccount) -> None:
        self._fake = fake

    def describe_db_instances(self, DBInstanceIdentifier: str) -> dict[str, Any]:
        if self._fake.instance is None:
            raise ClientError({"Error": {"Code": "DBInstanceNotFound"}}, "DescribeDBInstances")
        return {"DBInstances": [self._fake.instance]}

    def modify_db_instance(self, DBInstanceIdentifier: str, DeletionProtection: bool, ApplyImmediately: bool) -> None:
        assert ApplyImmediately, "otherwise the change waits for a maintenance window"
        assert self._fake.instance is not None
        self._fake.actions.append(f"{'PROTECT' if DeletionProtection else 'UNPROTECT'} {DBInstanceIdentifier}")
        self._fake.instance["DeletionProtection"] = DeletionProtection


class _Logs:
    def __init__(self, fake: FakeAccount) -> None:
        self._fake = fake

    def create_log_group(self, logGroupName: str) -> None:
        if logGroupName in self._fake.logs:
            raise ClientError({"Error": {"Code": "ResourceAlreadyExistsException"}}, "CreateLogGroup")
        self._fake.logs[logGroupName] = {}

    def put_retention_policy(self, logGroupName: str, retentionInDays: int) -> None:
        self._fake.logs[logGroupName]["days"] = retentionInDays

    def associate_kms_key(self, logGroupName: str, kmsKeyId: str) -> None:
        self._fake.logs[logGroupName]["key"] = kmsKeyId


class _CloudFront:
    def create_invalidation(self, **_: Any) -> None:
        return
