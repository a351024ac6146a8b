"""Deploys the database's stack, and does what CloudFormation cannot.

CloudFormation does not notice that the instance was replaced by a restored one of the same name; RDS does. And RDS
creates the log groups of the instance and the proxy itself, without a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import stacks
from infra.deploy.stacks import Account

NOT_FOUND = "DBInstanceNotFound"
GROUP_EXISTS = "ResourceAlreadyExistsException"
EXPORTED_LOGS = ("postgresql", "upgrade", "iam-db-auth-error")
"""The logs that the instance sends to CloudWatch (infra/deploy/database.yml), each to a group of its own."""


def deploy(account: Account, stage: str, body: str, values: Mapping[str, str]) -> dict[str, str]:
    """Creates or updates the stack. Returns the values that the other stacks need of it. Raises StackFailed."""
    if values.get("WithProxy") == "false":
        # The proxy's IAM role cannot be deleted while this stack adds a policy to it.
        stacks.remove(account, stage, "proxy")
    outputs = stacks.apply(account, stage, "database", body, values)
    limit_logs(account, stage)
    if stacks.parameters(account, stage, "database")["DeletionProtection"] == "true":
        # A restored instance may be without it, and so may one whose deletion was interrupted.
        protect(account, stage, protected=True)
    without_proxy = {"DatabaseProxyHost": "", "DatabaseProxyResourceId": ""}
    return {**without_proxy, **outputs, "DatabaseResourceId": resource_id(account, stage)}


def former_passwords(account: Account, stage: str) -> str:
    """Returns whether functions log in with passwords, as in earlier releases: the value of FormerPasswords."""
    if "OwnerSecretArn" not in stacks.outputs(account, stage, "database"):
        return "none"
    return "in use" if "ImporterSecretArn" in stacks.parameters(account, stage, "app") else "unused"


def log_groups(stage: str) -> list[str]:
    """Returns the names of the log groups of the instance and of the proxy."""
    name = stacks.name_of(stage, "app")
    return [*(f"/aws/rds/instance/{name}/{log}" for log in EXPORTED_LOGS), f"/aws/rds/proxy/{name}"]


def limit_logs(account: Account, stage: str) -> None:
    """Keeps the logs of the database for LogDays, encrypted with the key LogKeyArn if there is one.

    RDS creates a group with its first line, so those that are missing are created here.
    """
    network = stacks.parameters(account, stage, "network")
    for group in log_groups(stage):
        try:
            account.logs.create_log_group(logGroupName=group)
        except ClientError as error:
            if error.response["Error"]["Code"] != GROUP_EXISTS:
                raise
        account.logs.put_retention_policy(logGroupName=group, retentionInDays=int(network["LogDays"]))
        if network["LogKeyArn"]:
            account.logs.associate_kms_key(logGroupName=group, kmsKeyId=network["LogKeyArn"])


def resource_id(account: Account, stage: str) -> str:
    """Returns the id that policies name the instance with, db-…. A restored instance has an id of its own."""
    return str(_instance(account, stage)["DbiResourceId"])


def is_protected(account: Account, stage: str) -> bool:
    """Returns whether RDS refuses to delete the instance; False when there is none."""
    try:
        return bool(_instance(account, stage)["DeletionProtection"])
    except ClientError as error:
        if error.response["Error"]["Code"] == NOT_FOUND:
            return False
        raise


def protect(account: Account, stage: str, *, protected: bool) -> None:
    """Switches the protection from deletion on or off."""
    if is_protected(account, stage) != protected:
        name = stacks.name_of(stage, "app")
        account.rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=protected, ApplyImmediately=True)


def _instance(account: Account, stage: str) -> dict[str, Any]:
    name = stacks.name_of(stage, "app")
    described: dict[str, Any] = account.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return described
