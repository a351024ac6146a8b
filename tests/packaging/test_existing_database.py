"""What `make deploy` and `make destroy` do with an existing database, and with the functions that use it.

The account is a fake: nothing runs on AWS.
"""

from __future__ import annotations

import json

import pytest
import yaml

from infra.deploy import deployment
from infra.deploy.errors import MigrationFailed
from infra.deploy.every_function import functions_of
from infra.deploy.stacks import Account
from tests.packaging.conftest import STAGE, Package
from tests.packaging.fake_account import RESOURCE_ID, FakeAccount
from tests.packaging.test_database_template import INSTANCE
from tests.packaging.test_deployment import APP, DATABASE, MIGRATE, NETWORK, OUTPUTS, PROXY

FORMER_DATABASE = "Parameters: {Stage: {}, SubnetIds: {}, DatabaseGroupId: {}, WithProxy: {Default: 'true'}}"
FORMER_SECRETS = {"ImporterSecretArn": "arn:importer", "OwnerSecretArn": "arn:owner"}
"""Parameters of the database and of the application in a release whose functions log in with passwords."""


@pytest.fixture
def aws() -> FakeAccount:
    return FakeAccount(OUTPUTS)


def _deploy(aws: FakeAccount, package: Package, **wanted: str) -> None:
    deployment.deploy(aws.account, STAGE, package.zip.parent, wanted)


def _of_an_earlier_release(body: str) -> str:
    """Returns a template of the application in which everything that may differ differs from the present one."""
    template = json.loads(body)
    for function in functions_of(template).values():
        function["Properties"]["CodeUri"] = "s3://artifacts/earlier.zip"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Role":
            resource["Properties"]["Policies"] = []
    return json.dumps(template, sort_keys=True)


def test_the_schema_is_migrated_before_the_code_that_needs_it_is_deployed(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    present = aws.stacks[APP]["body"]
    earlier = aws.stacks[APP]["body"] = _of_an_earlier_release(present)
    aws.actions.clear()
    aws.invocations.clear()
    _deploy(aws, package)
    assert aws.actions == [f"UPDATE {APP}", f"INVOKE {MIGRATE}", f"UPDATE {APP}", f"INVOKE {MIGRATE}"]
    before, after = aws.invocations
    # First, only `migrate` is new: its code, its settings, its permissions. All other functions still run the code that
    # needs what a migration may take away.
    assert before.event == {"contract": False}
    new = {"Migrate", "MigrateRole"}
    assert {name: before.resources[name] for name in new} == {
        name: json.loads(present)["Resources"][name] for name in new
    }
    unchanged = before.resources.keys() - new
    assert {name: before.resources[name] for name in unchanged} == {
        name: json.loads(earlier)["Resources"][name] for name in unchanged
    }
    assert (after.event, after.app["body"]) == ({"contract": True}, present)


def _deploy_former_release(aws: FakeAccount, package: Package) -> None:
    """Leaves the account as a release leaves it whose functions log in with passwords from secrets."""
    _deploy(aws, package)
    database, app = aws.stacks[DATABASE], aws.stacks[APP]
    database["body"] = FORMER_DATABASE
    database["parameters"] = {
        name: database["parameters"][name] for name in yaml.safe_load(FORMER_DATABASE)["Parameters"]
    }
    template = json.loads(_of_an_earlier_release(app["body"]))
    for resource_id in ("DatabaseResourceId", "DatabaseProxyResourceId"):
        del template["Parameters"][resource_id], app["parameters"][resource_id]
    template["Parameters"] |= {name: {"Type": "String"} for name in FORMER_SECRETS}
    app["parameters"] |= FORMER_SECRETS
    app["body"] = json.dumps(template, sort_keys=True)
    assert aws.instance is not None
    aws.instance["DeletionProtection"] = False
    aws.actions.clear()
    aws.invocations.clear()


def test_functions_that_log_in_with_a_password_can_do_so_until_they_are_replaced(
    aws: FakeAccount, package: Package
) -> None:
    _deploy_former_release(aws, package)
    _deploy(aws, package)
    assert aws.actions == [
        f"UPDATE {NETWORK}",
        f"UPDATE {DATABASE}",
        f"UPDATE {APP}",
        f"INVOKE {MIGRATE}",
        f"UPDATE {APP}",
        # The proxy forgets the password, and then the migration removes it.
        f"UPDATE {DATABASE}",
        f"INVOKE {MIGRATE}",
        # They read it from Secrets Manager, which other functions cannot reach.
        f"UPDATE {NETWORK}",
    ]
    before, after = aws.invocations
    assert before.event == {"contract": False}
    assert before.app["parameters"].items() >= FORMER_SECRETS.items()
    assert before.app["parameters"]["DatabaseResourceId"] == RESOURCE_ID
    assert after.event == {"contract": True}
    assert not FORMER_SECRETS.keys() & after.app["parameters"].keys()
    assert {aws.stacks[name]["parameters"]["FormerPasswords"] for name in (NETWORK, DATABASE)} == {"unused"}
    assert aws.instance == {"DbiResourceId": RESOURCE_ID, "DeletionProtection": True}
    aws.actions.clear()
    _deploy(aws, package)
    assert aws.actions == [f"INVOKE {MIGRATE}", f"INVOKE {MIGRATE}"]


def test_the_secrets_are_kept_when_the_deployment_ends_before_the_functions_are_replaced(
    aws: FakeAccount, package: Package
) -> None:
    _deploy_former_release(aws, package)
    aws.migration_fails = True
    for _ in range(2):
        with pytest.raises(MigrationFailed):
            _deploy(aws, package)
        assert {aws.stacks[name]["parameters"]["FormerPasswords"] for name in (NETWORK, DATABASE)} == {"in use"}
    aws.migration_fails = False
    _deploy(aws, package)
    assert aws.stacks[DATABASE]["parameters"]["FormerPasswords"] == "unused"


def test_a_new_stage_has_no_secrets(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    assert aws.stacks[DATABASE]["parameters"]["FormerPasswords"] == "none"


def test_policies_name_a_restored_database_before_anything_logs_in(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    # It has the name of the former instance. CloudFormation does not notice.
    aws.instance = {"DbiResourceId": "db-RESTORED", "DeletionProtection": False}
    aws.actions.clear()
    aws.invocations.clear()
    _deploy(aws, package)
    assert aws.actions[:3] == [f"PROTECT {APP}", f"UPDATE {APP}", f"INVOKE {MIGRATE}"]
    assert [each.app["parameters"]["DatabaseResourceId"] for each in aws.invocations] == ["db-RESTORED"] * 2
    assert aws.stacks[PROXY]["parameters"]["DatabaseResourceId"] == "db-RESTORED"


def test_logs_of_the_database_are_kept_as_long_as_all_others(
    aws: FakeAccount, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    instance, key = f"/aws/rds/instance/{APP}", "arn:aws:kms:eu-central-1:123456789012:key/1"
    groups = [*(f"{instance}/{log}" for log in INSTANCE["EnableCloudwatchLogsExports"]), f"/aws/rds/proxy/{APP}"]
    aws.logs[groups[0]] = {}  # RDS has created this one already.
    _deploy(aws, package)
    assert aws.logs == {group: {"days": 30} for group in groups}
    _deploy(aws, package, LogDays="90", LogKeyArn=key)
    assert aws.logs == {group: {"days": 90, "key": key} for group in groups}
    capsys.readouterr()
    deployment.destroy(aws.account, STAGE, STAGE)
    kept = capsys.readouterr().out.partition("Kept: ")[2]
    assert all(group in kept for group in groups)


@pytest.mark.parametrize("confirmed", [None, "prod", ""])
def test_a_protected_database_is_deleted_only_if_the_stage_is_confirmed(
    confirmed: str | None,
    aws: FakeAccount,
    package: Package,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _deploy(aws, package)
    aws.actions.clear()
    objects = dict(aws.objects)
    monkeypatch.setattr(Account, "from_credentials", lambda: aws.account)
    confirmation = [] if confirmed is None else ["--confirm", confirmed]
    assert deployment.main(["destroy", *confirmation, "--", STAGE]) == 1
    assert "nothing was deleted" in (said := capsys.readouterr().err)
    assert f"make destroy STAGE={STAGE} CONFIRM={STAGE}" in said
    assert (aws.actions, aws.objects) == ([], objects)
    assert deployment.main(["destroy", "--confirm", STAGE, "--", STAGE]) == 0
    assert DATABASE not in aws.stacks


def test_a_database_without_protection_is_deleted_without_confirmation(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package, DeletionProtection="false")
    deployment.destroy(aws.account, STAGE)
    assert not aws.stacks


def test_a_database_whose_deletion_was_interrupted_is_protected_again(aws: FakeAccount, package: Package) -> None:
    _deploy(aws, package)
    assert aws.instance is not None
    aws.instance["DeletionProtection"] = False
    _deploy(aws, package)
    assert aws.instance["DeletionProtection"] is True
