"""Who may log in to the deployed database, as whom, and what the database logs and keeps."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

import app
from chalicelib.backends.credentials import RDS_AUTHORITIES
from chalicelib.backends.roles import ROLES
from infra.deploy.deployment import template_of
from infra.local.postgres.server import SETTINGS
from tests.packaging.conftest import Package

OWNER = "importer_owner"
DATABASE: dict[str, Any] = yaml.safe_load(template_of("database"))
PROXY: dict[str, Any] = yaml.safe_load(template_of("proxy"))
INSTANCE: dict[str, Any] = DATABASE["Resources"]["Database"]["Properties"]
IN_APP = ["api_handler", "authorize", *(source.name for source in app.app.event_sources), "migrate", "manage_tokens"]


def _role_of(name: str) -> str:
    """The role of a function in app.py, in the table that the local stack and the migrations use too."""
    return OWNER if name == "migrate" else ROLES[name]


def _pooled(package: Package) -> set[str]:
    """The roles of the functions that connect through the proxy."""
    functions = {"api_handler" if name == "api" else name: each for name, each in package.functions.items()}
    return {_role_of(name) for name, each in functions.items() if "DATABASE_POOLED" in each["Environment"]["Variables"]}


def test_every_function_of_the_application_has_a_role() -> None:
    assert {*ROLES, "migrate"} == set(IN_APP)


@pytest.mark.parametrize("name", IN_APP)
def test_a_function_logs_in_as_its_own_role(name: str, package: Package) -> None:
    function = package.functions["api" if name == "api_handler" else name]
    assert function["Environment"]["Variables"]["DATABASE_USER"] == _role_of(name)


def test_the_proxy_may_log_in_as_the_roles_of_the_functions_that_use_it(package: Package) -> None:
    (statement,) = PROXY["Resources"]["ProxyPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "rds-db:connect")
    users = "arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${DatabaseResourceId}/"
    allowed = [each["Fn::Sub"] for each in statement["Resource"]]
    assert sorted(allowed) == sorted(f"{users}{role}" for role in _pooled(package))
    assert len(allowed) == 3


def test_no_function_may_read_secrets(package: Package) -> None:
    assert "secretsmanager" not in str(package.of_type("AWS::IAM::Role"))


def test_no_login_has_a_password() -> None:
    assert INSTANCE["MasterUserAuthenticationType"] == "iam-db-auth"
    assert INSTANCE["EnableIAMDatabaseAuthentication"] is True
    assert not INSTANCE.keys() & {"MasterUserPassword", "ManageMasterUserPassword"}
    proxy = DATABASE["Resources"]["Proxy"]["Properties"]
    assert (proxy["DefaultAuthScheme"], proxy["RequireTLS"]) == ("IAM_AUTH", True)
    assert proxy["Auth"]["Fn::If"][0] == "HasPasswords"
    assert proxy["Auth"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    policies = DATABASE["Resources"]["ProxyRole"]["Properties"]["Policies"]["Fn::If"]
    assert (policies[0], policies[2]) == ("HasPasswords", {"Ref": "AWS::NoValue"})


def test_only_stages_of_earlier_releases_have_secrets() -> None:
    secrets = {
        name: each for name, each in DATABASE["Resources"].items() if each["Type"] == "AWS::SecretsManager::Secret"
    }
    assert {name: each["Condition"] for name, each in secrets.items()} == {
        "OwnerSecret": "HadPasswords",
        "ImporterSecret": "HasPasswords",
    }
    assert DATABASE["Parameters"]["FormerPasswords"]["Default"] == "none"
    # The one that stays has no password in it.
    assert secrets["OwnerSecret"]["Properties"]["SecretString"] == f'{{"username": "{OWNER}"}}'


def test_the_instance_of_an_earlier_release_is_not_replaced() -> None:
    """CloudFormation compares the text of this property, and would create another instance if it differed."""
    condition, of_earlier_releases, of_new_stages = INSTANCE["MasterUsername"]["Fn::If"]
    assert (condition, of_new_stages) == ("HadPasswords", OWNER)
    assert of_earlier_releases == {"Fn::Sub": "{{resolve:secretsmanager:${OwnerSecret}:SecretString:username}}"}


def test_statements_are_logged_without_the_values_bound_to_them() -> None:
    """PostgreSQL would log the values of slow statements without the first, and of failed ones with the second."""
    parameters = DATABASE["Resources"]["Parameters"]["Properties"]["Parameters"]
    assert parameters["log_min_duration_statement"] == "5000"
    assert (parameters["log_parameter_max_length"], parameters["log_parameter_max_length_on_error"]) == ("0", "0")
    # Details of errors: the values that broke a rule.
    assert parameters["log_error_verbosity"] == "terse"
    assert parameters["rds.force_ssl"] == "1"


def test_the_log_is_compressed_and_checkpoints_are_as_rare_as_on_a_laptop() -> None:
    """The measurements of docs/performance.md were done with the settings of the local server."""
    parameters = DATABASE["Resources"]["Parameters"]["Properties"]["Parameters"]
    assert parameters["wal_compression"] == "lz4"
    deployed = (f"{int(parameters['max_wal_size']) // 1024}GB", f"{int(parameters['checkpoint_timeout']) // 60}min")
    assert deployed == (SETTINGS["max_wal_size"], SETTINGS["checkpoint_timeout"])
    assert "wal_compression" not in SETTINGS, "the wheel's PostgreSQL has only pglz"


def test_failed_logins_are_logged() -> None:
    assert INSTANCE["EnableCloudwatchLogsExports"] == ["postgresql", "upgrade", "iam-db-auth-error"]


def test_the_certificate_has_a_key_of_128_bits_of_security_and_an_authority_that_functions_trust() -> None:
    algorithm, generation = INSTANCE["CACertificateIdentifier"].removeprefix("rds-ca-").upper().split("-")
    assert algorithm == "ECC384"
    names = re.findall(r"# Amazon RDS (\S+) Root CA (\S+ \S+),", RDS_AUTHORITIES.read_text("utf-8"))
    regions = {region for region, _ in names}
    assert {region for region, kind in names if kind == f"{algorithm} {generation}"} == regions != set()


def test_the_database_is_protected_from_deletion_unless_that_is_switched_off() -> None:
    assert INSTANCE["DeletionProtection"] == {"Ref": "DeletionProtection"}
    assert DATABASE["Parameters"]["DeletionProtection"]["Default"] == "true"
    resource = DATABASE["Resources"]["Database"]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
