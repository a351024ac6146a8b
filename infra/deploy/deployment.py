"""Deploys a stage to AWS, or deletes it: five stacks, each created with the outputs of those before it.

    python -m infra.deploy.deployment deploy|destroy STAGE [ParameterName=value …]

Credentials and region are those of the AWS command line. Deploying again updates only the stacks that differ. The
parameters are those of infra/resources.yml and infra/deploy/*.yml, except those that a deployment sets itself; one that
was set keeps its value until it is set again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra import entry
from infra.arguments import Parser
from infra.deploy import packaging, site, stacks
from infra.deploy.dependencies import cache_directory
from infra.deploy.errors import DeployError, MigrationFailed, ReservedParameters, UnknownParameters
from infra.deploy.every_function import functions_of
from infra.deploy.stacks import NO_STACK, PARTS, STANDALONE_PARTS, Account, report, s3_origin
from infra.project import ROOT
from infra.site_files import security_headers

MAKE = {"deploy": "make deploy STAGE=dev PARAMETERS='AlarmEmail=ops@shop.example'", "destroy": "make destroy STAGE=dev"}
OWN_PARAMETERS = frozenset({
    "Stage", "S3PrefixListId", "SubnetIds", "SecurityGroupIds", "WebhooksGroupId", "DatabaseGroupId",
    "DatabaseHost", "DatabaseProxyHost", "OwnerSecretArn", "ImporterSecretArn", "ApiId", "ContentSecurityPolicy",
})  # fmt: skip
"""The parameters that connect the stacks of a stage. A deployment sets them itself."""
INTERRUPTED = "AWS completes what it has begun. To complete the rest, run the command again."
ANY_ORIGIN = "*"


def main(arguments: list[str]) -> int:
    """Runs one of the commands. Returns the exit status."""
    options = _parse(arguments)
    command, stage = options.command, options.stage
    wanted = dict(getattr(options, "parameters", ()))
    try:
        packaging.check_stage(stage)
        check_own_parameters(wanted)
        account = Account.from_credentials()
        if command == "destroy":
            destroy(account, stage)
        else:
            packaging.check_region(account.region)
            out = packaging.package(stage, Path("out"), cache_directory())
            sys.stdout.write(f"{deploy(account, stage, out, wanted)}\n")
    except (DeployError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        raise entry.Interrupted(INTERRUPTED) from None
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m infra.deploy.deployment", make=MAKE["deploy"])
    commands = parser.add_subparsers(required=True, dest="command")
    for command, make in MAKE.items():
        commands.add_parser(command, make=make).add_argument("stage")
    commands.choices["deploy"].add_argument("parameters", nargs="*", type=_parameter)
    return parser.parse_args(arguments)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be Name=value, or several separated by spaces, not {text!r}")
    return name, value


def deploy(account: Account, stage: str, out: Path, wanted: Mapping[str, str]) -> str:
    """Creates or updates all stacks, runs migrations, and uploads the site. Returns the site's URL.

    Raises DeployError, BotoCoreError, ClientError.
    """
    check_parameters(out, wanted)
    artifacts = ensure_artifacts_bucket(account, stage)
    values: dict[str, str] = {"Stage": stage, "S3PrefixListId": stacks.s3_prefix_list(account), **wanted}
    network = stacks.apply(account, stage, "network", template_of("network"), values)
    values |= {"SubnetIds": network["SubnetIds"], "DatabaseGroupId": network["DatabaseGroupId"]}
    values |= {"SecurityGroupIds": network["FunctionsGroupId"], "WebhooksGroupId": network["WebhooksGroupId"]}
    values |= {"DatabaseProxyHost": ""}
    values |= stacks.apply(account, stage, "database", template_of("database"), values)
    deploy_application(account, stage, out, values, artifacts)
    # This stack is complete only when the proxy has logged in, with the role that the migration creates.
    if values["DatabaseProxyHost"]:
        stacks.apply(account, stage, "proxy", template_of("proxy"), values)
    else:
        stacks.remove(account, stage, "proxy")
    web = _deploy_site(account, stage, values)
    if stacks.parameters(account, stage, "app")["UiOrigins"] == ANY_ORIGIN and "UiOrigins" not in wanted:
        # The site's URL is known only now. From here on, no other site may upload from a browser.
        values["UiOrigins"] = web["SiteUrl"]
        stacks.apply(account, stage, "app", uploaded_template(account, artifacts, out), values, artifacts)
    _upload_site(account, web)
    return web["SiteUrl"]


def destroy(account: Account, stage: str) -> None:
    """Deletes the stacks, last first. Keeps the uploaded files, the webhooks' key, and a snapshot of the database."""
    bucket = stacks.outputs(account, stage, "web").get("PageBucket")
    if bucket is not None:
        site.remove(account.s3, bucket)
    for part in reversed(PARTS):
        stacks.remove(account, stage, part)
    report(
        f"Kept: the buckets {_files_bucket(account, stage)} and {_artifacts_bucket(account, stage)}, the KMS key of "
        "webhooks' secrets, and a snapshot of the database. Delete them manually if you no longer need them."
    )


def check_own_parameters(wanted: Mapping[str, str]) -> None:
    """Raises ReservedParameters when a parameter is one that the deployment sets: a stack would get a foreign value."""
    reserved = sorted(OWN_PARAMETERS.intersection(wanted))
    if reserved:
        raise ReservedParameters(
            f"PARAMETERS must not contain {', '.join(reserved)}: the deployment sets it. To deploy another stage: "
            "make deploy STAGE=…"
        )


def check_parameters(out: Path, wanted: Mapping[str, str]) -> None:
    """Raises UnknownParameters when a parameter is in none of the templates: it would have no effect."""
    bodies = [(out / packaging.TEMPLATE).read_text("utf-8"), *map(template_of, STANDALONE_PARTS)]
    declared = set().union(*map(stacks.declared_parameters, bodies))
    valid = declared - OWN_PARAMETERS
    unknown = sorted(set(wanted) - valid)
    if unknown:
        raise UnknownParameters(f"Unknown parameter: {', '.join(unknown)}. Valid names: {', '.join(sorted(valid))}.")


def deploy_application(account: Account, stage: str, out: Path, values: Mapping[str, str], artifacts: str) -> None:
    """Deploys the application's stack, and runs migrations. Raises StackFailed, MigrationFailed.

    An existing application runs on the new schema until its code is replaced. So a migration may add things, but remove
    only what the code before it no longer uses.
    """
    template = uploaded_template(account, artifacts, out)
    if stacks.status(account, stage, "app") in (*NO_STACK, "ROLLBACK_COMPLETE"):
        stacks.apply(account, stage, "app", template, values, artifacts)
        migrate(account, stage)
        return
    name = _migrate_function(stage)
    account.lambda_.update_function_code(FunctionName=name, S3Bucket=artifacts, S3Key=_zip_key(out))
    account.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)
    migrate(account, stage)
    stacks.apply(account, stage, "app", template, values, artifacts)


def uploaded_template(account: Account, artifacts: str, out: Path) -> str:
    """Uploads the zip, under a key with its hash. Returns the application's template, which refers to that key."""
    key = _zip_key(out)
    account.s3.put_object(Bucket=artifacts, Key=key, Body=(out / packaging.ZIP).read_bytes())
    template = json.loads((out / packaging.TEMPLATE).read_text("utf-8"))
    for function in functions_of(template).values():
        function["Properties"]["CodeUri"] = f"s3://{artifacts}/{key}"
    return json.dumps(template, sort_keys=True)


def ensure_artifacts_bucket(account: Account, stage: str) -> str:
    """Creates the bucket for packages and large templates if it is missing. Returns its name."""
    bucket = _artifacts_bucket(account, stage)
    location = {} if account.region == "us-east-1" else {"LocationConstraint": account.region}
    try:
        account.s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": location} if location else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    account.s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))
    return bucket


def migrate(account: Account, stage: str) -> None:
    """Runs the migrations that are missing. Raises MigrationFailed."""
    response = account.lambda_.invoke(FunctionName=_migrate_function(stage))
    result = response["Payload"].read().decode()
    if "FunctionError" in response:
        raise MigrationFailed(f"The migration failed. See the log of {_migrate_function(stage)}. It returned: {result}")
    report(f"Migrations applied: {', '.join(json.loads(result)['applied']) or 'none (the schema is up to date)'}")


def upload_url(account: Account, stage: str) -> str:
    """Returns the beginning of presigned links: the only other address that the site may connect to."""
    return f"{s3_origin(account.region)}/{_files_bucket(account, stage)}/"


def template_of(part: str) -> str:
    """Returns the template of a stack that is deployed without Chalice."""
    return (ROOT / "infra" / "deploy" / f"{part}.yml").read_text("utf-8")


def _deploy_site(account: Account, stage: str, values: Mapping[str, str]) -> dict[str, str]:
    policy = dict(security_headers(upload_url(account, stage)))["Content-Security-Policy"]
    api = stacks.outputs(account, stage, "app")["RestAPIId"]
    values = {**values, "ApiId": api, "ContentSecurityPolicy": policy}
    return stacks.apply(account, stage, "web", template_of("web"), values)


def _upload_site(account: Account, web: Mapping[str, str]) -> None:
    site.upload(account.s3, web["PageBucket"])
    account.cloudfront.create_invalidation(
        DistributionId=web["SiteId"],
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": str(time.time_ns())},
    )


def _migrate_function(stage: str) -> str:
    return f"product-importer-{stage}-migrate"


def _files_bucket(account: Account, stage: str) -> str:
    return f"product-importer-{stage}-files-{account.number}"


def _artifacts_bucket(account: Account, stage: str) -> str:
    return f"product-importer-{stage}-artifacts-{account.number}"


def _zip_key(out: Path) -> str:
    return f"code/{hashlib.sha256((out / packaging.ZIP).read_bytes()).hexdigest()}.zip"


if __name__ == "__main__":
    entry.run(main)
