"""Creates, updates and deletes CloudFormation stacks. infra/deploy/deployment.py decides which, and in which order."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from infra.deploy.errors import StackFailed

PARTS = ("network", "database", "app", "proxy", "web")
"""The stacks of a stage, in the order in which they depend on each other."""
STANDALONE_PARTS = tuple(part for part in PARTS if part != "app")
"""The stacks whose templates are infra/deploy/<part>.yml, unchanged. The template of `app` comes from the package."""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
NO_STACK = (None, "REVIEW_IN_PROGRESS")
"""Statuses without any resource: no stack, or one that has only a change set."""
RETRY = "Fix the cause, then run the command again."
POLL_SECONDS = 5
STACK_SECONDS_MAX = 3600
"""A database takes a quarter of an hour, a CloudFront distribution a few minutes."""
INVOCATION_SECONDS_MAX = 330
"""Longer than any function may run. A client that timed out earlier would invoke the function again."""


@dataclass
class Account:
    """The clients of one account and region."""

    number: str
    region: str
    cloudformation: Any
    s3: Any
    lambda_: Any
    cloudfront: Any
    ec2: Any
    rds: Any
    logs: Any
    poll_seconds: float = POLL_SECONDS
    """Time between two checks of a stack's status."""

    @property
    def partition(self) -> str:
        """The region's partition, such as `aws` or `aws-cn`: the second part of every ARN."""
        return boto3.Session().get_partition_for_region(self.region)

    @classmethod
    def from_credentials(cls) -> Account:
        """Returns the account of this machine's AWS credentials. Raises BotoCoreError, ClientError."""
        number = str(boto3.client("sts").get_caller_identity()["Account"])
        client: Any = boto3.client
        cloudformation = client("cloudformation")
        region = str(cloudformation.meta.region_name)
        once = Config(read_timeout=INVOCATION_SECONDS_MAX, retries={"total_max_attempts": 1})
        lambda_ = client("lambda", config=once)
        clients = (client(name) for name in ("cloudfront", "ec2", "rds", "logs"))
        return cls(number, region, cloudformation, client("s3"), lambda_, *clients)

    def wait(self, waiter: str, **what: str) -> None:
        """Waits for at most STACK_SECONDS_MAX. Raises WaiterError."""
        delays = {"Delay": self.poll_seconds, "MaxAttempts": int(STACK_SECONDS_MAX / self.poll_seconds)}
        self.cloudformation.get_waiter(waiter).wait(**what, WaiterConfig=delays)


def report(line: str) -> None:
    """Shows progress in the terminal."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def name_of(stage: str, part: str) -> str:
    """Returns the name of a stage's stack."""
    return f"product-importer-{stage}" if part == "app" else f"product-importer-{stage}-{part}"


def s3_origin(region: str) -> str:
    """Returns the origin of presigned links, which the site must be allowed to connect to."""
    return "https://s3.amazonaws.com" if region == "us-east-1" else f"https://s3.{region}.amazonaws.com"


def s3_prefix_list(account: Account) -> str:
    """Returns the id of the list of S3's addresses in the region. CloudFormation cannot look it up."""
    wanted = {"Name": "prefix-list-name", "Values": [f"com.amazonaws.{account.region}.s3"]}
    lists = account.ec2.describe_managed_prefix_lists(Filters=[wanted])["PrefixLists"]
    return str(lists[0]["PrefixListId"])


def status(account: Account, stage: str, part: str) -> str | None:
    """Returns CloudFormation's status of a stack; None when there is no stack."""
    stack = _described(account, name_of(stage, part))
    return None if stack is None else str(stack["StackStatus"])


def outputs(account: Account, stage: str, part: str) -> dict[str, str]:
    """Returns the outputs of a stack; none when there is no stack."""
    stack = _described(account, name_of(stage, part)) or {}
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def parameters(account: Account, stage: str, part: str) -> dict[str, str]:
    """Returns the current parameters of a stack; none when there is no stack."""
    stack = _described(account, name_of(stage, part)) or {}
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def template(account: Account, stage: str, part: str) -> dict[str, Any]:
    """Returns the template that an existing stack was last deployed with."""
    deployed = account.cloudformation.get_template(StackName=name_of(stage, part), TemplateStage="Original")
    # boto3 returns a template in JSON as a dict, one in YAML as text.
    body: Any = deployed["TemplateBody"]
    loaded: dict[str, Any] = yaml.safe_load(body) if isinstance(body, str) else json.loads(json.dumps(body))
    return loaded


def declared_parameters(body: str) -> set[str]:
    """Returns the names of the parameters that a template declares."""
    return set(yaml.safe_load(body).get("Parameters", {}))


def apply(
    account: Account, stage: str, part: str, body: str, values: Mapping[str, str], artifacts: str | None = None
) -> dict[str, str]:
    """Creates or updates one stack. Returns its outputs. Raises StackFailed.

    Parameters that are not in `values` keep their current value. With `artifacts`, the template is sent by way of that
    bucket, because a large one is not accepted in a request.
    """
    name, current = name_of(stage, part), status(account, stage, part)
    if current == "ROLLBACK_COMPLETE":  # Its creation failed: it has no resources and cannot be updated.
        remove(account, stage, part)
        current = None
    if current not in NO_STACK and str(current).endswith("_IN_PROGRESS"):
        raise StackFailed(
            f"{name} is being changed by another operation ({current}). Wait for its end, then try again."
        )
    kind = "CREATE" if current in NO_STACK else "UPDATE"
    change = f"deploy-{time.time_ns()}"
    account.cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=change,
        ChangeSetType=kind,
        Capabilities=CAPABILITIES,
        Parameters=_arguments(body, values, set() if kind == "CREATE" else set(parameters(account, stage, part))),
        Tags=[{"Key": "product-importer-stage", "Value": stage}],
        **_template_source(account, name, body, artifacts),
    )
    if _has_changes(account, name, change):
        report(f"{'Creating' if kind == 'CREATE' else 'Updating'} {name}")
        # Otherwise resources with the policy Retain would survive a failed creation and block the next attempt.
        account.cloudformation.execute_change_set(StackName=name, ChangeSetName=change, RetainExceptOnCreate=True)
        _wait(account, name, f"stack_{kind.lower()}_complete")
    else:
        report(f"{name} is up to date")
        account.cloudformation.delete_change_set(StackName=name, ChangeSetName=change)
    return outputs(account, stage, part)


def remove(account: Account, stage: str, part: str) -> None:
    """Deletes a stack if it exists. Raises StackFailed."""
    if status(account, stage, part) is not None:
        name = name_of(stage, part)
        report(f"Deleting {name}")
        account.cloudformation.delete_stack(StackName=name)
        _wait(account, name, "stack_delete_complete")


def _arguments(body: str, values: Mapping[str, str], stored: set[str]) -> list[dict[str, Any]]:
    arguments: list[dict[str, Any]] = []
    for parameter in sorted(declared_parameters(body)):
        if parameter in values:
            arguments.append({"ParameterKey": parameter, "ParameterValue": values[parameter]})
        elif parameter in stored:
            arguments.append({"ParameterKey": parameter, "UsePreviousValue": True})
    return arguments


def _has_changes(account: Account, name: str, change: str) -> bool:
    """Returns whether the change set can be executed. It may list no changes: changed outputs are not listed."""
    try:
        account.wait("change_set_create_complete", StackName=name, ChangeSetName=change)
    except WaiterError as error:
        described = account.cloudformation.describe_change_set(StackName=name, ChangeSetName=change)
        reason = described.get("StatusReason", "")
        if any(each in reason for each in NO_CHANGES):
            return False
        raise StackFailed(f"{name} cannot be changed: {reason or error}\n{RETRY}") from None
    return True


def _wait(account: Account, name: str, waiter: str) -> None:
    try:
        account.wait(waiter, StackName=name)
    except WaiterError as error:
        events = account.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}"
            for each in events
            if each["ResourceStatus"].endswith("_FAILED")
        ]
        lines = [f"{name} failed:", *(reversed(reasons) if reasons else [str(error)]), RETRY]
        raise StackFailed("\n".join(lines)) from None


def _described(account: Account, name: str) -> dict[str, Any] | None:
    try:
        stack: dict[str, Any] = account.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stack


def _template_source(account: Account, name: str, body: str, artifacts: str | None) -> dict[str, str]:
    if artifacts is None:
        return {"TemplateBody": body}
    key = f"{name}/{hashlib.sha256(body.encode()).hexdigest()}.json"
    account.s3.put_object(Bucket=artifacts, Key=key, Body=body.encode())
    return {"TemplateURL": f"{s3_origin(account.region)}/{artifacts}/{key}"}
