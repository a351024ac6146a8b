"""Brings a stage to AWS, or takes it away: four stacks, each with what the ones before have told.

    python -m infra.deployment deploy|destroy STAGE [ParameterName=value …]

Credentials and region are those of the AWS command line. Doing it again updates what differs; a stack that does not
differ is left alone. Parameters are those of infra/*.yml; one that was set stays as it is until it is set anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra import packaging, page
from infra.dependencies import ROOT, DependenciesMissing, cache_directory
from infra.every_function import functions_of
from infra.local.static_files import security_headers
from infra.packaging import PackagingFailed

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
POLL_SECONDS = 5
STACK_SECONDS_MAX = 3600
"""A database takes a quarter of an hour, a distribution a few minutes."""
PARTS = ("network", "database", "app", "web")


class DeploymentFailed(Exception):
    """A stack is not as it should be; the message says which and why."""


def main(arguments: list[str]) -> int:
    """Runs one of the commands. Returns the exit status."""
    if (
        len(arguments) < 2
        or arguments[0] not in ("deploy", "destroy")
        or any("=" not in each for each in arguments[2:])
    ):
        sys.stderr.write("usage: python -m infra.deployment deploy|destroy STAGE [ParameterName=value …]\n")
        return 2
    command, stage = arguments[:2]
    wanted = dict(each.split("=", 1) for each in arguments[2:])
    try:
        packaging.check_deployable(stage)
        account = Account.of_this_machine()
        if command == "destroy":
            destroy(account, stage)
        else:
            out = packaging.package(stage, Path("out"), cache_directory())
            sys.stdout.write(f"{deploy(account, stage, out, wanted)}\n")
    except (DeploymentFailed, PackagingFailed, DependenciesMissing, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


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
        return cls(number, str(stacks.meta.region_name), stacks, client("s3"), client("lambda"), client("cloudfront"))

    @property
    def waiter(self) -> dict[str, float]:
        """How boto3 shall wait for a stack."""
        return {"Delay": self.poll_seconds, "MaxAttempts": int(STACK_SECONDS_MAX / self.poll_seconds)}

    def say(self, line: str) -> None:
        """Tells the person who waits."""
        self.said.append(line)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def deploy(account: Account, stage: str, out: Path, wanted: Mapping[str, str]) -> str:
    """Makes all four stacks what they should be, migrates, and uploads the page. Returns the address of the page."""
    artifacts = ensure_artifacts_bucket(account, stage)
    known: dict[str, str] = {"Stage": stage, **wanted}
    network = apply(account, stage, "network", text_of("network"), known)
    known |= {"SubnetIds": network["SubnetIds"], "DatabaseGroupId": network["DatabaseGroupId"]}
    known |= {"SecurityGroupIds": network["FunctionsGroupId"]}
    known |= apply(account, stage, "database", text_of("database"), known)
    app = apply(account, stage, "app", uploaded_template(account, artifacts, out), known, artifacts)
    migrate(account, stage)
    policy = dict(security_headers(s3_origin(account.region)))["Content-Security-Policy"]
    known |= {"ApiId": app["RestAPIId"], "ContentSecurityPolicy": policy}
    web = apply(account, stage, "web", text_of("web"), known)
    if "UiOrigins" not in wanted:
        # Only now is it known where the page is: nobody else's page may upload.
        known["UiOrigins"] = web["SiteUrl"]
        apply(account, stage, "app", uploaded_template(account, artifacts, out), known, artifacts)
    page.upload(account.s3, web["PageBucket"])
    account.cloudfront.create_invalidation(
        DistributionId=web["SiteId"],
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": str(time.time_ns())},
    )
    return web["SiteUrl"]


def destroy(account: Account, stage: str) -> None:
    """Removes the stacks, last first. Files, the key of webhooks' secrets and a snapshot of the database stay."""
    bucket = _outputs(account, _name(stage, "web")).get("PageBucket")
    if bucket is not None:
        page.remove(account.s3, bucket)
    for part in reversed(PARTS):
        name = _name(stage, part)
        if _status(account, name) is None:
            continue
        account.say(f"Removing {name}")
        account.cloudformation.delete_stack(StackName=name)
        _wait(account, name, "stack_delete_complete")
    account.say(f"Left: the bucket with files, the key of webhooks' secrets, a snapshot, {_artifacts(account, stage)}")


def s3_origin(region: str) -> str:
    """Where presigned links lead to: what the page may connect to besides itself."""
    return "https://s3.amazonaws.com" if region == "us-east-1" else f"https://s3.{region}.amazonaws.com"


def apply(
    account: Account, stage: str, part: str, body: str, known: Mapping[str, str], artifacts: str | None = None
) -> dict[str, str]:
    """Makes or updates one stack. Returns its outputs. Raises DeploymentFailed."""
    name = _name(stage, part)
    status = _status(account, name)
    if status == "ROLLBACK_COMPLETE":  # It never came up; nothing is in it.
        account.cloudformation.delete_stack(StackName=name)
        _wait(account, name, "stack_delete_complete")
        status = None
    source = _source(account, name, body, artifacts)
    change = f"deploy-{time.time_ns()}"
    kind = "CREATE" if status in (None, "REVIEW_IN_PROGRESS") else "UPDATE"
    parameters = _parameters(account, name, body, known, fresh=kind == "CREATE")
    account.cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=change,
        ChangeSetType=kind,
        Capabilities=CAPABILITIES,
        Parameters=parameters,
        Tags=[{"Key": "product-importer-stage", "Value": stage}],
        **source,
    )
    if _has_changes(account, name, change):
        account.say(f"{'Making' if kind == 'CREATE' else 'Updating'} {name}")
        account.cloudformation.execute_change_set(StackName=name, ChangeSetName=change)
        _wait(account, name, f"stack_{kind.lower()}_complete")
    else:
        account.say(f"{name} is as it should be")
        account.cloudformation.delete_change_set(StackName=name, ChangeSetName=change)
    return _outputs(account, name)


def _parameters(
    account: Account, name: str, body: str, known: Mapping[str, str], *, fresh: bool
) -> list[dict[str, Any]]:
    declared = yaml.safe_load(body).get("Parameters", {})
    stored: set[str] = set()
    if not fresh:
        stack = account.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        stored = {each["ParameterKey"] for each in stack.get("Parameters", [])}
    chosen: list[dict[str, Any]] = []
    for parameter in declared:
        if parameter in known:
            chosen.append({"ParameterKey": parameter, "ParameterValue": known[parameter]})
        elif parameter in stored:
            chosen.append({"ParameterKey": parameter, "UsePreviousValue": True})
    return chosen


def _has_changes(account: Account, name: str, change: str) -> bool:
    waiter = account.cloudformation.get_waiter("change_set_create_complete")
    try:
        waiter.wait(StackName=name, ChangeSetName=change, WaiterConfig=account.waiter)
    except WaiterError as error:
        found = account.cloudformation.describe_change_set(StackName=name, ChangeSetName=change)
        reason = found.get("StatusReason", "")
        if any(each in reason for each in NOTHING_TO_DO):
            return False
        raise DeploymentFailed(f"{name} cannot be changed: {reason or error}") from None
    return bool(account.cloudformation.describe_change_set(StackName=name, ChangeSetName=change).get("Changes"))


def _wait(account: Account, name: str, waiter: str) -> None:
    try:
        account.cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig=account.waiter)
    except WaiterError:
        events = account.cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        told = [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}"
            for each in events
            if each["ResourceStatus"].endswith("_FAILED")
        ]
        raise DeploymentFailed("\n".join([f"{name} failed:", *reversed(told)])) from None


def _status(account: Account, name: str) -> str | None:
    try:
        stacks = account.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return str(stacks[0]["StackStatus"])


def _outputs(account: Account, name: str) -> dict[str, str]:
    if _status(account, name) is None:
        return {}
    stack = account.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def _source(account: Account, name: str, body: str, artifacts: str | None) -> dict[str, str]:
    """A template as CloudFormation takes it: what is large has to lie in a bucket."""
    if artifacts is None:
        return {"TemplateBody": body}
    key = f"{name}/{hashlib.sha256(body.encode()).hexdigest()}.json"
    account.s3.put_object(Bucket=artifacts, Key=key, Body=body.encode())
    return {"TemplateURL": f"{s3_origin(account.region)}/{artifacts}/{key}"}


def uploaded_template(account: Account, artifacts: str, out: Path) -> str:
    """The application's template, with the zip where Lambda finds it: under its own digest, so it is uploaded once."""
    zip_file = out / packaging.ZIP
    key = f"code/{_digest(zip_file)}.zip"
    account.s3.put_object(Bucket=artifacts, Key=key, Body=zip_file.read_bytes())
    template = json.loads((out / packaging.TEMPLATE).read_text("utf-8"))
    for function in functions_of(template).values():
        function["Properties"]["CodeUri"] = f"s3://{artifacts}/{key}"
    return json.dumps(template, sort_keys=True)


def ensure_artifacts_bucket(account: Account, stage: str) -> str:
    """The bucket for packages and large templates, made where it is missing. Returns its name."""
    bucket = _artifacts(account, stage)
    place = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
    try:
        account.s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    account.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))
    return bucket


def migrate(account: Account, stage: str) -> None:
    """Brings the schema up to date. Raises DeploymentFailed."""
    answer = account.lambda_.invoke(FunctionName=f"product-importer-{stage}-migrate")
    told = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise DeploymentFailed(f"the migration failed: {told}")
    account.say(f"Migrations: {', '.join(json.loads(told)['applied']) or 'none was missing'}")


def text_of(part: str) -> str:
    """The template of a stack that Chalice has no part in."""
    return (ROOT / "infra" / f"{part}.yml").read_text("utf-8")


def _name(stage: str, part: str) -> str:
    return f"product-importer-{stage}" if part == "app" else f"product-importer-{stage}-{part}"


def _artifacts(account: Account, stage: str) -> str:
    return f"product-importer-{stage}-artifacts-{account.number}"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
