"""Brings a stage to AWS, or takes it away: five stacks, each with what the ones before have told.

    python -m infra.deploy.deployment deploy|destroy STAGE [ParameterName=value …]

Credentials and region are those of the AWS command line. Doing it again updates what differs; a stack that does not
differ is left alone. Parameters are those of infra/deploy/*.yml; one that was set stays as it is until it is set anew.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import packaging, site, stacks
from infra.deploy.dependencies import DependenciesMissing, cache_directory
from infra.deploy.every_function import functions_of
from infra.deploy.packaging import PackagingFailed
from infra.deploy.stacks import BESIDE_APP, PARTS, Account, DeploymentFailed, s3_origin
from infra.project import ROOT
from infra.site_files import security_headers

ANY_ORIGIN = "*"


def main(arguments: list[str]) -> int:
    """Runs one of the commands. Returns the exit status."""
    if (
        len(arguments) < 2
        or arguments[0] not in ("deploy", "destroy")
        or any("=" not in each for each in arguments[2:])
    ):
        sys.stderr.write("usage: python -m infra.deploy.deployment deploy|destroy STAGE [ParameterName=value …]\n")
        return 2
    command, stage = arguments[:2]
    wanted = dict(each.split("=", 1) for each in arguments[2:])
    try:
        packaging.check_deployable(stage)
        account = Account.of_this_machine()
        if command == "destroy":
            destroy(account, stage)
        else:
            packaging.check_region(account.region)
            out = packaging.package(stage, Path("out"), cache_directory())
            sys.stdout.write(f"{deploy(account, stage, out, wanted)}\n")
    except (DeploymentFailed, PackagingFailed, DependenciesMissing, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def deploy(account: Account, stage: str, out: Path, wanted: Mapping[str, str]) -> str:
    """Makes all stacks what they should be, migrates, and uploads the page. Returns the address of the page."""
    check_parameters(out, wanted)
    artifacts = ensure_artifacts_bucket(account, stage)
    known: dict[str, str] = {"Stage": stage, **wanted}
    network = stacks.apply(account, stage, "network", text_of("network"), known)
    known |= {"SubnetIds": network["SubnetIds"], "DatabaseGroupId": network["DatabaseGroupId"]}
    known |= {"SecurityGroupIds": network["FunctionsGroupId"], "DatabaseProxyHost": ""}
    known |= stacks.apply(account, stage, "database", text_of("database"), known)
    deploy_application(account, stage, out, known, artifacts)
    # It waits until the proxy can log in, as the role that the migration has made.
    if known["DatabaseProxyHost"]:
        stacks.apply(account, stage, "proxy", text_of("proxy"), known)
    else:
        stacks.remove(account, stage, "proxy")
    policy = dict(security_headers(uploads_to(account, stage)))["Content-Security-Policy"]
    known |= {"ApiId": stacks.outputs(account, stage, "app")["RestAPIId"], "ContentSecurityPolicy": policy}
    web = stacks.apply(account, stage, "web", text_of("web"), known)
    if stacks.parameters(account, stage, "app")["UiOrigins"] == ANY_ORIGIN and "UiOrigins" not in wanted:
        # Only now is it known where the page is: nobody else's page may upload.
        known["UiOrigins"] = web["SiteUrl"]
        stacks.apply(account, stage, "app", uploaded_template(account, artifacts, out), known, artifacts)
    site.upload(account.s3, web["PageBucket"])
    account.cloudfront.create_invalidation(
        DistributionId=web["SiteId"],
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": str(time.time_ns())},
    )
    return web["SiteUrl"]


def destroy(account: Account, stage: str) -> None:
    """Removes the stacks, last first. Files, the key of webhooks' secrets and a snapshot of the database stay."""
    bucket = stacks.outputs(account, stage, "web").get("PageBucket")
    if bucket is not None:
        site.remove(account.s3, bucket)
    for part in reversed(PARTS):
        stacks.remove(account, stage, part)
    account.say(f"Left: the bucket with files, the key of webhooks' secrets, a snapshot, {_artifacts(account, stage)}")


def check_parameters(out: Path, wanted: Mapping[str, str]) -> None:
    """Whether each parameter is one of a template. Raises DeploymentFailed: a misspelt one would be of no effect."""
    bodies = [(out / packaging.TEMPLATE).read_text("utf-8"), *map(text_of, BESIDE_APP)]
    known = set().union(*map(stacks.declared, bodies))
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise DeploymentFailed(f"there is no parameter {', '.join(unknown)}; there are {', '.join(sorted(known))}")


def deploy_application(account: Account, stage: str, out: Path, known: Mapping[str, str], artifacts: str) -> None:
    """The application's stack, and the schema that it needs. Raises DeploymentFailed.

    An application that is there already keeps running on the new schema until its code is exchanged: so migrations may
    add, and take away only what the code before them no longer uses.
    """
    template = uploaded_template(account, artifacts, out)
    if stacks.status(account, stage, "app") in (None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"):
        stacks.apply(account, stage, "app", template, known, artifacts)
        migrate(account, stage)
        return
    name = _migrate_function(stage)
    account.lambda_.update_function_code(FunctionName=name, S3Bucket=artifacts, S3Key=_zip_key(out))
    account.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)
    migrate(account, stage)
    stacks.apply(account, stage, "app", template, known, artifacts)


def uploaded_template(account: Account, artifacts: str, out: Path) -> str:
    """The application's template, with the zip where Lambda finds it: under its own digest."""
    key = _zip_key(out)
    account.s3.put_object(Bucket=artifacts, Key=key, Body=(out / packaging.ZIP).read_bytes())
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
    answer = account.lambda_.invoke(FunctionName=_migrate_function(stage))
    told = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise DeploymentFailed(f"the migration failed: {told}")
    account.say(f"Migrations: {', '.join(json.loads(told)['applied']) or 'none was missing'}")


def uploads_to(account: Account, stage: str) -> str:
    """What presigned links begin with: all that the page may connect to besides itself."""
    return f"{s3_origin(account.region)}/product-importer-{stage}-files-{account.number}/"


def text_of(part: str) -> str:
    """The template of a stack that Chalice has no part in."""
    return (ROOT / "infra" / "deploy" / f"{part}.yml").read_text("utf-8")


def _migrate_function(stage: str) -> str:
    return f"product-importer-{stage}-migrate"


def _artifacts(account: Account, stage: str) -> str:
    return f"product-importer-{stage}-artifacts-{account.number}"


def _zip_key(out: Path) -> str:
    return f"code/{hashlib.sha256((out / packaging.ZIP).read_bytes()).hexdigest()}.zip"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
