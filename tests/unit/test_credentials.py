"""How a deployed function logs in to the database, with moto in place of Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import certifi
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict

from chalicelib.backends import credentials
from chalicelib.errors import Transient
from chalicelib.settings import MissingSetting, Settings, read

HOST = "db.example.internal"
AWKWARD = "it's \\ a 'pass word'"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("secretsmanager")


def _secret(secrets: Any, username: str, password: str) -> str:
    text = json.dumps({"username": username, "password": password})
    return str(secrets.create_secret(Name=username, SecretString=text)["ARN"])


def _function(**more: str) -> Settings:
    """The settings of a function."""
    return read({"STAGE": "dev", "FILES_BUCKET": "files", "DATABASE_HOST": HOST, "DATABASE_USER": "api", **more})


def _migrate(arn: str, **more: str) -> Settings:
    """The settings of the function `migrate`."""
    values = {"STAGE": "dev", "FILES_BUCKET": "files", "DATABASE_HOST": HOST, "OWNER_DATABASE_SECRET_ARN": arn}
    return read({**values, **more})


@pytest.fixture
def credentials_of_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials._signer.cache_clear()
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    for name, value in (("ACCESS_KEY_ID", "AKIDEXAMPLE"), ("SECRET_ACCESS_KEY", "secret"), ("SESSION_TOKEN", "a/b+c")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def _signed_at(monkeypatch: pytest.MonkeyPatch, minute: int) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime(2026, 2, 3, 4, minute, tzinfo=UTC))


@pytest.mark.usefixtures("credentials_of_a_function")
def test_a_function_logs_in_as_its_role_and_requires_a_certificate_of_rds() -> None:
    found = conninfo_to_dict(credentials.conninfo(_function()))
    assert found.pop("password")
    assert found == {
        "host": HOST,
        "port": "5432",
        "dbname": "importer",
        "user": "api",
        "sslmode": "verify-full",
        "sslrootcert": str(credentials.RDS_AUTHORITIES),
    }


@pytest.mark.usefixtures("credentials_of_a_function")
def test_the_password_of_a_function_is_the_token_that_boto3_generates_for_rds(monkeypatch: pytest.MonkeyPatch) -> None:
    _signed_at(monkeypatch, minute=5)
    ours = conninfo_to_dict(credentials.conninfo(_function()))["password"]
    assert ours == boto3.client("rds").generate_db_auth_token(HOST, 5432, "api")


@pytest.mark.usefixtures("credentials_of_a_function")
def test_each_connection_gets_a_new_token(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _function()
    passwords = set()
    for minute in range(2):
        _signed_at(monkeypatch, minute)
        passwords.add(conninfo_to_dict(credentials.conninfo(settings))["password"])
    assert len(passwords) == 2


def test_without_credentials_to_sign_with_the_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials._signer.cache_clear()
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: None)
    with pytest.raises(MissingSetting, match="no credentials or no region of AWS"):
        credentials.conninfo(_function())


@pytest.mark.usefixtures("credentials_of_a_function")
def test_a_proxy_needs_a_certificate_of_a_public_authority() -> None:
    found = conninfo_to_dict(credentials.conninfo(_function(DATABASE_POOLED="true")))
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", certifi.where())


@pytest.mark.usefixtures("credentials_of_a_function")
@pytest.mark.parametrize("pooled", ["true", "false"])
def test_a_database_outside_rds_may_have_its_own_authorities(pooled: str) -> None:
    chosen = {"DATABASE_POOLED": pooled, "DATABASE_CA_FILE": "/opt/ours.pem"}
    found = conninfo_to_dict(credentials.conninfo(_function(**chosen)))
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/opt/ours.pem")


def test_the_owner_has_a_secret_and_a_changed_password_is_found(secrets: Any) -> None:
    arn = _secret(secrets, "owner", AWKWARD)
    settings = _migrate(arn)
    found = conninfo_to_dict(credentials.owner_conninfo(settings))
    assert (found["user"], found["password"], found["sslmode"]) == ("owner", AWKWARD, "verify-full")
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"username": "owner", "password": "new"}))
    assert conninfo_to_dict(credentials.owner_conninfo(settings))["password"] == "new"


def test_the_function_that_migrates_needs_no_role_of_its_own() -> None:
    settings = _migrate("arn")
    with pytest.raises(MissingSetting, match="DATABASE_HOST and DATABASE_USER, for the role of this function"):
        credentials.conninfo(settings)


def test_the_environment_of_the_former_version_is_enough_to_migrate() -> None:
    # A deployment runs the new code in it, before it replaces the functions.
    assert _migrate("arn", DATABASE_SECRET_ARN="another").owner_database_secret_arn == "arn"


def test_a_local_run_needs_no_secret() -> None:
    settings = read({"DATABASE_URL": "postgresql://here", "FILES_BUCKET": "files"})
    assert credentials.conninfo(settings) == "postgresql://here"
    with pytest.raises(MissingSetting, match="OWNER_DATABASE_SECRET_ARN"):
        credentials.owner_conninfo(settings)


def test_a_missing_secret_is_a_missing_setting(secrets: Any) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:nothing-AbCdEf"
    with pytest.raises(MissingSetting, match="nothing-AbCdEf cannot be read: ResourceNotFoundException"):
        credentials.owner_conninfo(_migrate(arn))


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "InternalServiceError"}}, "GetSecretValue"),
        EndpointConnectionError(endpoint_url="https://secretsmanager"),
    ],
)
def test_an_outage_is_transient(secrets: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    arn = _secret(secrets, "importer", "x")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", fail)
    with pytest.raises(Transient):
        credentials.owner_conninfo(_migrate(arn))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DATABASE_HOST": HOST},
        {"DATABASE_USER": "api"},
        {"OWNER_DATABASE_SECRET_ARN": "arn"},
        {"DATABASE_URL": "postgresql://", "DATABASE_HOST": HOST},
        {"DATABASE_URL": "postgresql://", "DATABASE_USER": "api"},
        {"DATABASE_URL": "postgresql://", "DATABASE_HOST": HOST, "DATABASE_USER": "api"},
    ],
)
def test_an_incomplete_or_ambiguous_database_is_refused_at_start(environment: dict[str, str]) -> None:
    with pytest.raises(MissingSetting, match="Set DATABASE_URL, or DATABASE_HOST and DATABASE_USER"):
        read({"FILES_BUCKET": "files", **environment})
