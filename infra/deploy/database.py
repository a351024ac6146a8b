"""Deploys the database's stack, and asks RDS what CloudFormation does not know.

CloudFormation does not notice that the instance was replaced by a restored one of the same name; RDS does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import stacks
from infra.deploy.stacks import Account

NOT_FOUND = "DBInstanceNotFound"


def deploy(account: Account, stage: str, body: str, values: Mapping[str, str]) -> dict[str, str]:
    """Creates or updates the stack. Returns the values that the other stacks need of it. Raises StackFailed."""
    if values.get("WithProxy") == "false":
        # The proxy's IAM role cannot be deleted while this stack adds a policy to it.
        stacks.remove(account, stage, "proxy")
    values = {"FormerPasswords": former_passwords(account, stage), **values}
    outputs = stacks.apply(account, stage, "database", body, values)
    if stacks.parameters(account, stage, "database")["DeletionProtection"] == "true":
        # A restored instance may be without it, and so may one whose deletion was interrupted.
        protect(account, stage, protected=True)
    known = {"FormerPasswords": values["FormerPasswords"], "DatabaseResourceId": resource_id(account, stage)}
    return {"DatabaseProxyHost": "", "DatabaseProxyResourceId": "", **outputs, **known}


def former_passwords(account: Account, stage: str) -> str:
    """Returns whether functions log in with passwords, as in earlier releases: the value of FormerPasswords."""
    if "OwnerSecretArn" not in stacks.outputs(account, stage, "database"):
        return "none"
    return "in use" if "ImporterSecretArn" in stacks.parameters(account, stage, "app") else "unused"


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
