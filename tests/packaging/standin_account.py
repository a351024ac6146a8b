"""An account that is not AWS: it keeps stacks, parameters and objects, and writes down in which order it was asked.

It knows of CloudFormation what a deployment depends on: parameters with their defaults and previous values, conditions
of outputs, change sets without changes, stacks that failed.
"""

# ruff: noqa: N803  arguments are named as boto3 names them

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml
from botocore.exceptions import ClientError, WaiterError

from infra.deploy.stacks import Account

NUMBER, REGION = "123456789012", "eu-central-1"


@dataclass
class Standin:
    """What was done, what there is now, and what shall fail."""

    outputs: dict[str, dict[str, str]]
    """What each stack tells, by the stack's name."""
    done: list[str] = field(default_factory=list)
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    properties: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    broken: str | None = None
    """A stack that does not come up."""
    migration_fails: bool = False
    changes_listed: bool = True
    """Whether change sets list changes: those of outputs alone do not."""

    @property
    def account(self) -> Account:
        """As a deployment uses it."""
        return Account(NUMBER, REGION, _CloudFormation(self), _S3(self), _Lambda(self), _CloudFront())


class _CloudFormation:
    def __init__(self, standin: Standin) -> None:
        self._is = standin
        self._changes: dict[str, dict[str, Any]] = {}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        if StackName not in self._is.stacks:
            raise ClientError({"Error": {"Message": f"Stack {StackName} does not exist"}}, "DescribeStacks")
        stack = self._is.stacks[StackName]
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack["parameters"].items()]
        told = dict(self._is.outputs.get(StackName, {}))
        if stack["parameters"].get("WithProxy") == "false":
            del told["DatabaseProxyHost"]
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in told.items()]
        return {"Stacks": [{"StackStatus": stack["status"], "Parameters": parameters, "Outputs": outputs}]}

    def create_change_set(self, **asked: Any) -> None:
        name = asked["StackName"]
        known = self._is.stacks.get(name, {}).get("parameters", {})
        body = asked.get("TemplateBody") or self._uploaded(asked["TemplateURL"])
        declared: dict[str, Any] = yaml.safe_load(body).get("Parameters", {})
        given = {
            each["ParameterKey"]: known[each["ParameterKey"]]
            if each.get("UsePreviousValue")
            else each["ParameterValue"]
            for each in asked["Parameters"]
        }
        defaults = {key: str(each["Default"]) for key, each in declared.items() if "Default" in each}
        missing = declared.keys() - given.keys() - defaults.keys()
        assert not missing, f"CloudFormation would want {missing}"
        self._changes[name] = {"kind": asked["ChangeSetType"], "parameters": defaults | given, "body": body}

    def describe_change_set(self, StackName: str, ChangeSetName: str) -> dict[str, Any]:
        changes: list[dict[str, Any]] = [{}] if self._is.changes_listed else []
        return {"Changes": changes, "StatusReason": "The submitted information didn't contain changes."}

    def execute_change_set(self, StackName: str, ChangeSetName: str, RetainExceptOnCreate: bool) -> None:
        assert RetainExceptOnCreate, "what an attempt leaves would stand in the next one's way"
        change = self._changes.pop(StackName)
        self._is.done.append(f"{change.pop('kind')} {StackName}")
        self._is.stacks[StackName] = {"status": "UPDATE_COMPLETE", **change}

    def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
        self._changes.pop(StackName)

    def delete_stack(self, StackName: str) -> None:
        self._is.done.append(f"DELETE {StackName}")
        del self._is.stacks[StackName]

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        told = {
            "LogicalResourceId": "Database",
            "ResourceStatus": "CREATE_FAILED",
            "ResourceStatusReason": "no capacity",
        }
        return {"StackEvents": [told, {"LogicalResourceId": "X", "ResourceStatus": "CREATE_COMPLETE"}]}

    def get_waiter(self, name: str) -> Any:
        return _Waiter(lambda StackName: self._fails(name, StackName), name)

    def _fails(self, waiter: str, name: str) -> bool:
        if waiter != "change_set_create_complete":
            return self._is.broken == name
        change, stack = self._changes[name], self._is.stacks.get(name)
        return stack is not None and all(stack[key] == change[key] for key in ("parameters", "body"))

    def _uploaded(self, url: str) -> str:
        bucket, _, key = urlsplit(url).path.removeprefix("/").partition("/")
        return self._is.objects[bucket, key].decode()


class _Waiter:
    def __init__(self, fails: Any, name: str) -> None:
        self._fails, self._name = fails, name

    def wait(self, StackName: str, WaiterConfig: dict[str, float], **_: Any) -> None:
        assert WaiterConfig["Delay"] * WaiterConfig["MaxAttempts"] >= 3600
        if self._fails(StackName):
            raise WaiterError(self._name, "failed", {})


class _S3:
    def __init__(self, standin: Standin) -> None:
        self._is = standin

    def create_bucket(self, **asked: Any) -> None:
        assert asked["CreateBucketConfiguration"] == {"LocationConstraint": REGION}

    def put_public_access_block(self, **asked: Any) -> None:
        assert all(asked["PublicAccessBlockConfiguration"].values())

    def put_object(self, Bucket: str, Key: str, Body: bytes, **properties: str) -> None:
        self._is.objects[Bucket, Key] = Body
        self._is.properties[Bucket, Key] = properties

    def delete_object(self, Bucket: str, Key: str) -> None:
        del self._is.objects[Bucket, Key]

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:
        return [{"Contents": [{"Key": key} for bucket, key in list(self._is.objects) if bucket == Bucket]}]


class _Lambda:
    def __init__(self, standin: Standin) -> None:
        self._is = standin

    def update_function_code(self, FunctionName: str, S3Bucket: str, S3Key: str) -> None:
        assert (S3Bucket, S3Key) in self._is.objects
        self._is.done.append(f"CODE {FunctionName}")

    def get_waiter(self, _name: str) -> Any:
        return self

    def wait(self, FunctionName: str) -> None:
        return

    def invoke(self, FunctionName: str) -> dict[str, Any]:
        self._is.done.append(f"INVOKE {FunctionName}")
        if self._is.migration_fails:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no database"}')}
        return {"Payload": io.BytesIO(b'{"applied": ["0001_catalogue.sql"]}')}


class _CloudFront:
    def create_invalidation(self, **_: Any) -> None:
        return
