"""CloudFormation stacks: create, update, remove. infra/deploy/deployment.py decides which, and in which order."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

PARTS = ("network", "database", "app", "proxy", "web")
"""The stacks of a stage, in the order in which they need each other."""
BESIDE_APP = tuple(part for part in PARTS if part != "app")
"""Those that stand as they are in infra/deploy/<part>.yml. The application's comes out of a package."""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
POLL_SECONDS = 5
STACK_SECONDS_MAX = 3600
"""A database takes a quarter of an hour, a distribution a few minutes."""
INVOCATION_SECONDS_MAX = 330
"""Longer than any function runs: who stops listening before would invoke it a second time."""


class DeploymentFailed(Exception):
    """A stack is not as it should be; the message says which and why."""


@dataclass
class Account:
    """The clients of one account and region."""

    number: str
    region: str
    cloudformation: Any
    s3: Any
    lambda_: Any
    cloudfront: Any
    poll_seconds: float = POLL_SECONDS
    """How often it is asked whether a stack is there."""
    said: list[str] = field(default_factory=list)

    @classmethod
    def of_this_machine(cls) -> Account:
        """The account that the credentials of this machine belong to. Raises BotoCoreError, ClientError."""
        number = str(boto3.client("sts").get_caller_identity()["Account"])
        client: Any = boto3.client
        stacks = client("cloudformation")
        region = str(stacks.meta.region_name)
        once = Config(read_timeout=INVOCATION_SECONDS_MAX, retries={"total_max_attempts": 1})
        return cls(number, region, stacks, client("s3"), client("lambda", config=once), client("cloudfront"))

    def wait(self, waiter: str, **what: str) -> None:
        """Waits as long as a stack may take. Raises WaiterError."""
        delays = {"Delay": self.poll_seconds, "MaxAttempts": int(STACK_SECONDS_MAX / self.poll_seconds)}
        self.cloudformation.get_waiter(waiter).wait(**what, WaiterConfig=delays)

    def say(self, line: str) -> None:
        """Tells the person who waits."""
        self.said.append(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def name_of(stage: str, part: str) -> str:
    """What a stage's stack is called."""
    return f"product-importer-{stage}" if part == "app" else f"product-importer-{stage}-{part}"


def s3_origin(region: str) -> str:
    """Where presigned links lead to: what the page may connect to besides itself."""
    return "https://s3.amazonaws.com" if region == "us-east-1" else f"https://s3.{region}.amazonaws.com"


def status(account: Account, stage: str, part: str) -> str | None:
    """CloudFormation's word for how a stack is; None when there is none."""
    found = _described(account, name_of(stage, part))
    return None if found is None else str(found["StackStatus"])


def outputs(account: Account, stage: str, part: str) -> dict[str, str]:
    """What a stack tells the next ones; nothing when there is none."""
    found = _described(account, name_of(stage, part)) or {}
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def parameters(account: Account, stage: str, part: str) -> dict[str, str]:
    """What a stack was given; nothing when there is none."""
    found = _described(account, name_of(stage, part)) or {}
    return {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}


def declared(body: str) -> set[str]:
    """The parameters that a template asks for."""
    return set(yaml.safe_load(body).get("Parameters", {}))


def apply(
    account: Account, stage: str, part: str, body: str, known: Mapping[str, str], artifacts: str | None = None
) -> dict[str, str]:
    """Makes or updates one stack. Parameters that are not known stay as they are. A template that is too large to be
    sent is put into the bucket `artifacts`. Returns its outputs. Raises DeploymentFailed.
    """
    name, now = name_of(stage, part), status(account, stage, part)
    if now == "ROLLBACK_COMPLETE":  # It never came up; nothing is in it.
        remove(account, stage, part)
        now = None
    if now is not None and now.endswith("_IN_PROGRESS") and now != "REVIEW_IN_PROGRESS":
        raise DeploymentFailed(f"{name} is being changed ({now}): wait until that is done, then do this again")
    kind = "CREATE" if now in (None, "REVIEW_IN_PROGRESS") else "UPDATE"
    change = f"deploy-{time.time_ns()}"
    account.cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=change,
        ChangeSetType=kind,
        Capabilities=CAPABILITIES,
        Parameters=_chosen(body, known, set() if kind == "CREATE" else set(parameters(account, stage, part))),
        Tags=[{"Key": "product-importer-stage", "Value": stage}],
        **_source(account, name, body, artifacts),
    )
    if _has_changes(account, name, change):
        account.say(f"{'Making' if kind == 'CREATE' else 'Updating'} {name}")
        # What is kept for ever would otherwise be kept of an attempt that failed too, and stand in the next one's way.
        account.cloudformation.execute_change_set(StackName=name, ChangeSetName=change, RetainExceptOnCreate=True)
        _wait(account, name, f"stack_{kind.lower()}_complete")
    else:
        account.say(f"{name} is as it should be")
        account.cloudformation.delete_change_set(StackName=name, ChangeSetName=change)
    return outputs(account, stage, part)


def remove(account: Account, stage: str, part: str) -> None:
    """Removes a stack, if it is there. Raises DeploymentFailed."""
    if status(account, stage, part) is not None:
        name = name_of(stage, part)
        account.say(f"Removing {name}")
        account.cloudformation.delete_stack(StackName=name)
        _wait(account, name, "stack_delete_complete")


def _chosen(body: str, known: Mapping[str, str], stored: set[str]) -> list[dict[str, Any]]:
    chosen: list[dict[str, Any]] = []
    for parameter in sorted(declared(body)):
        if parameter in known:
            chosen.append({"ParameterKey": parameter, "ParameterValue": known[parameter]})
        elif parameter in stored:
            chosen.append({"ParameterKey": parameter, "UsePreviousValue": True})
    return chosen


def _has_changes(account: Account, name: str, change: str) -> bool:
    """Whether the change set can be carried out. Its list of changes may be empty: outputs do not stand in it."""
    try:
        account.wait("change_set_create_complete", StackName=name, ChangeSetName=change)
    except WaiterError as error:
        found = account.cloudformation.describe_change_set(StackName=name, ChangeSetName=change)
        reason = found.get("StatusReason", "")
        if any(each in reason for each in NOTHING_TO_DO):
            return False
        raise DeploymentFailed(f"{name} cannot be changed: {reason or error}") from None
    return True


def _wait(account: Account, name: str, waiter: str) -> None:
    try:
        account.wait(waiter, StackName=name)
    except WaiterError:
        events = account.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        told = [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}"
            for each in events
            if each["ResourceStatus"].endswith("_FAILED")
        ]
        raise DeploymentFailed("\n".join([f"{name} failed:", *reversed(told)])) from None


def _described(account: Account, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = account.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return found


def _source(account: Account, name: str, body: str, artifacts: str | None) -> dict[str, str]:
    if artifacts is None:
        return {"TemplateBody": body}
    key = f"{name}/{hashlib.sha256(body.encode()).hexdigest()}.json"
    account.s3.put_object(Bucket=artifacts, Key=key, Body=body.encode())
    return {"TemplateURL": f"{s3_origin(account.region)}/{artifacts}/{key}"}
