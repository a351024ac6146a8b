"""Deploys a stage to AWS, or deletes it: five stacks, each created with the outputs of those before it.

    python -m infra.deploy.deployment deploy STAGE [ParameterName=value …]
    python -m infra.deploy.deployment destroy STAGE [--confirm STAGE]

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
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra import entry
from infra.arguments import Parser
from infra.deploy import database, packaging, site, stacks
from infra.deploy.artifacts import artifacts_bucket, ensure_artifacts_bucket
from infra.deploy.dependencies import cache_directory
from infra.deploy.errors import (
    DeployError,
    MigrationFailed,
    ReservedParameters,
    StageProtected,
    UnknownParameters,
)
from infra.deploy.every_function import MIGRATE, functions_of
from infra.deploy.stacks import NO_STACK, PARTS, STANDALONE_PARTS, Account, report, s3_origin
from infra.project import ROOT
from infra.site_files import security_headers

MAKE = {"deploy": "make deploy STAGE=dev PARAMETERS='AlarmEmail=ops@shop.example'", "destroy": "make destroy STAGE=dev"}
OWN_PARAMETERS = frozenset({
    "Stage", "S3PrefixListId", "SubnetIds", "SecurityGroupIds", "WebhooksGroupId", "DatabaseGroupId",
    "DatabaseHost", "DatabaseProxyHost", "DatabaseResourceId", "DatabaseProxyResourceId", "ProxyRoleName",
    "FormerPasswords", "ApiId", "SiteSecretName", "ContentSecurityPolicy",
})  # fmt: skip
"""The parameters that connect the stacks of a stage. A deployment sets them itself."""
INTERRUPTED = "AWS completes what it has begun. To complete the rest, run the command again."
NO_ORIGIN = "https://not-deployed-yet.invalid"
"""The default of UiOrigins: until the site's URL is known, no page may upload."""
ANY_ORIGIN = "*"
"""The default in earlier versions."""
OF_MIGRATE = (MIGRATE, f"{MIGRATE}Role", f"{MIGRATE}Logs")
"""The resources without which the function `migrate` cannot run."""
MIGRATION_INVOCATIONS_MAX = 100
"""A migration that needs more invocations than this, of five minutes each, fails; the next deployment continues it."""


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
            destroy(account, stage, options.confirm)
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
    commands.choices["destroy"].add_argument("--confirm", metavar="STAGE")
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
    site.check_secret(account, stage, wanted)
    artifacts = ensure_artifacts_bucket(account, stage)
    values: dict[str, str] = {"Stage": stage, "S3PrefixListId": stacks.s3_prefix_list(account), **wanted}
    values["FormerPasswords"] = database.former_passwords(account, stage)
    network = stacks.apply(account, stage, "network", template_of("network"), values)
    values |= {"SubnetIds": network["SubnetIds"], "DatabaseGroupId": network["DatabaseGroupId"]}
    values |= {"SecurityGroupIds": network["FunctionsGroupId"], "WebhooksGroupId": network["WebhooksGroupId"]}
    values |= database.deploy(account, stage, template_of("database"), values)
    deploy_application(account, stage, out, values, artifacts)
    site_before = stacks.outputs(account, stage, "web").get("SiteUrl", NO_ORIGIN)
    web = _deploy_site(account, stage, values)
    late = known_late(stacks.parameters(account, stage, "app"), wanted, site_before, web["SiteUrl"])
    if late:
        stacks.apply(account, stage, "app", uploaded_template(account, artifacts, out), {**values, **late}, artifacts)
    _upload_site(account, web)
    return web["SiteUrl"]


def known_late(current: Mapping[str, str], wanted: Mapping[str, str], before: str, site: str) -> dict[str, str]:
    """Returns the application's parameters that change once the site is there; `before` is its earlier URL.

    From then on, only the site's pages may upload from a browser, and the API can be called only by way of CloudFront,
    which now sends the secret. Origins that were set in PARAMETERS are kept.
    """
    late = {}
    if current["UiOrigins"] in (NO_ORIGIN, ANY_ORIGIN, before) and current["UiOrigins"] != site:
        late["UiOrigins"] = site
    if current["AroundTheSite"] == "Allow":
        late["AroundTheSite"] = "Deny"
    return {name: value for name, value in late.items() if name not in wanted}


def destroy(account: Account, stage: str, confirmed: str | None = None) -> None:
    """Deletes the stacks, last first. Keeps the uploaded files, the webhooks' key, and a snapshot of the database.

    A protected database is deleted only if `confirmed` is the name of the stage; otherwise raises StageProtected before
    anything is deleted.
    """
    if database.is_protected(account, stage) and confirmed != stage:
        raise StageProtected(
            f"The database of {stage} is protected from deletion, so nothing was deleted. To delete the stage with its "
            f"database, of which a snapshot is kept: make destroy STAGE={stage} CONFIRM={stage}"
        )
    bucket = stacks.outputs(account, stage, "web").get("PageBucket")
    if bucket is not None:
        site.remove(account.s3, bucket)
    for part in reversed(PARTS):
        if part == "database":
            database.protect(account, stage, protected=False)
        stacks.remove(account, stage, part)
    report(
        f"Kept: the buckets {_files_bucket(account, stage)} and {artifacts_bucket(account, stage)}, the KMS key of "
        "webhooks' secrets, the role for API Gateway's logs, two buckets with logs, the log groups "
        f"{', '.join(database.log_groups(stage))}, and a snapshot of the database. "
        "Delete them manually if you no longer need them."
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

    An existing application runs on the new schema until its code is replaced. So the migrations that run before that
    only add things; those that take something away (…_contract.sql) run afterwards.
    """
    template = uploaded_template(account, artifacts, out)
    if stacks.status(account, stage, "app") not in (*NO_STACK, "ROLLBACK_COMPLETE"):
        previous = stacks.template(account, stage, "app")
        stacks.apply(account, stage, "app", with_new_migrate(previous, json.loads(template)), values, artifacts)
        migrate(account, stage, contract=False)
        _connect_proxy(account, stage, values)
    stacks.apply(account, stage, "app", template, values, artifacts)
    unused = {**values, "FormerPasswords": "unused"}
    if values["FormerPasswords"] == "in use":
        # The proxy must forget the password before the migration removes it. No function needs it from here on.
        database.deploy(account, stage, template_of("database"), unused)
    migrate(account, stage)
    _connect_proxy(account, stage, values)
    if values["FormerPasswords"] == "in use":
        stacks.apply(account, stage, "network", template_of("network"), unused)


def with_new_migrate(previous: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Returns the deployed template with the function `migrate` of the new one: its code, settings and permissions."""
    resources = {name: new["Resources"][name] for name in OF_MIGRATE}
    changed = {"Resources": {**previous["Resources"], **resources}}
    for section in ("Parameters", "Conditions"):
        changed[section] = {**previous.get(section, {}), **new.get(section, {})}
    return json.dumps({**previous, **changed}, sort_keys=True)


def uploaded_template(account: Account, artifacts: str, out: Path) -> str:
    """Uploads the zip, under a key with its hash. Returns the application's template, which refers to that key."""
    key = _zip_key(out)
    account.s3.put_object(Bucket=artifacts, Key=key, Body=(out / packaging.ZIP).read_bytes())
    template = json.loads((out / packaging.TEMPLATE).read_text("utf-8"))
    for function in functions_of(template).values():
        function["Properties"]["CodeUri"] = f"s3://{artifacts}/{key}"
    return json.dumps(template, sort_keys=True)


def migrate(account: Account, stage: str, *, contract: bool = True) -> None:
    """Runs the missing migrations; without `contract`, only those that take nothing away. Raises MigrationFailed.

    A long migration does not finish in one invocation. Each of them continues where the one before has stopped.
    """
    for _ in range(MIGRATION_INVOCATIONS_MAX):
        migrated = _migrate_once(account, stage, contract=contract)
        report(f"Migrations applied: {', '.join(migrated['applied']) or 'none (the schema is up to date)'}")
        for each in migrated["reports"]:
            report(each)
        if migrated["finished"]:
            return
        report("A migration has not finished yet, and continues")
    raise MigrationFailed(
        f"The migration has not finished after {MIGRATION_INVOCATIONS_MAX} invocations. Deploy again to continue it."
    )


def _migrate_once(account: Account, stage: str, *, contract: bool) -> dict[str, Any]:
    event = json.dumps({"contract": contract})
    response = account.lambda_.invoke(FunctionName=_migrate_function(stage), Payload=event)
    result = response["Payload"].read().decode()
    if "FunctionError" in response:
        raise MigrationFailed(f"The migration failed. See the log of {_migrate_function(stage)}. It returned: {result}")
    migrated: dict[str, Any] = json.loads(result)
    return migrated


def upload_url(account: Account, stage: str) -> str:
    """Returns the beginning of presigned links: the only other address that the site may connect to."""
    return f"{s3_origin(account.region)}/{_files_bucket(account, stage)}/"


def template_of(part: str) -> str:
    """Returns the template of a stack that is deployed without Chalice."""
    return (ROOT / "infra" / "deploy" / f"{part}.yml").read_text("utf-8")


def _connect_proxy(account: Account, stage: str, values: Mapping[str, str]) -> None:
    """Lets the proxy log in to the database, with the roles that the migration has created."""
    if values["DatabaseProxyHost"]:
        stacks.apply(account, stage, "proxy", template_of("proxy"), values)


def _deploy_site(account: Account, stage: str, values: Mapping[str, str]) -> dict[str, str]:
    policy = dict(security_headers(upload_url(account, stage)))["Content-Security-Policy"]
    app = stacks.outputs(account, stage, "app")
    values = {**values, "ApiId": app["RestAPIId"], "SiteSecretName": app["SiteSecretName"]}
    web = stacks.apply(account, stage, "web", template_of("web"), {**values, "ContentSecurityPolicy": policy})
    if web["SiteUrl"] != f"https://{web['SiteAddress']}":
        report(f"{web['SiteUrl']} must be an alias of {web['SiteAddress']}: add a CNAME record to its DNS")
    return web


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


def _zip_key(out: Path) -> str:
    return f"code/{hashlib.sha256((out / packaging.ZIP).read_bytes()).hexdigest()}.zip"


if __name__ == "__main__":
    entry.run(main)
