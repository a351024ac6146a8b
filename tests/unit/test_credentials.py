"""How a deployed function gets the database's password, with moto in place of Secrets Manager."""

from __future__ import annotations

import json
from collections.abc import Iterator
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


def _deployed(arn: str, **more: str) -> Settings:
    return read({"STAGE": "dev", "FILES_BUCKET": "files", "DATABASE_SECRET_ARN": arn, "DATABASE_HOST": HOST, **more})


def test_a_secret_becomes_an_address_that_requires_a_certificate_of_rds(secrets: Any) -> None:
    conninfo = credentials.conninfo(_deployed(_secret(secrets, "importer", AWKWARD)))
    assert conninfo_to_dict(conninfo) == {
        "host": HOST,
        "port": "5432",
        "dbname": "importer",
        "user": "importer",
        "password": AWKWARD,
        "sslmode": "verify-full",
        "sslrootcert": str(credentials.RDS_AUTHORITIES),
    }


def test_a_proxy_needs_a_certificate_of_a_public_authority(secrets: Any) -> None:
    conninfo = credentials.conninfo(_deployed(_secret(secrets, "importer", "x"), DATABASE_POOLED="true"))
    found = conninfo_to_dict(conninfo)
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", certifi.where())


@pytest.mark.parametrize("pooled", ["true", "false"])
def test_a_database_outside_rds_may_have_its_own_authorities(secrets: Any, pooled: str) -> None:
    chosen = {"DATABASE_POOLED": pooled, "DATABASE_CA_FILE": "/opt/ours.pem"}
    found = conninfo_to_dict(credentials.conninfo(_deployed(_secret(secrets, "importer", "x"), **chosen)))
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", "/opt/ours.pem")


def test_a_changed_password_is_found(secrets: Any) -> None:
    arn = _secret(secrets, "importer", "old")
    settings = _deployed(arn)
    assert conninfo_to_dict(credentials.conninfo(settings))["password"] == "old"
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"username": "importer", "password": "new"}))
    assert conninfo_to_dict(credentials.conninfo(settings))["password"] == "new"


def test_the_owner_has_its_own_secret(secrets: Any) -> None:
    importer, owner = _secret(secrets, "importer", "a"), _secret(secrets, "owner", "b")
    settings = _deployed(importer, OWNER_DATABASE_SECRET_ARN=owner)
    assert conninfo_to_dict(credentials.owner_conninfo(settings))["user"] == "owner"
    assert credentials.role_password(settings) == ("importer", "a")


def test_a_local_run_needs_no_secret() -> None:
    settings = read({"DATABASE_URL": "postgresql://here", "FILES_BUCKET": "files"})
    assert credentials.conninfo(settings) == "postgresql://here"
    assert credentials.role_password(settings) is None
    with pytest.raises(MissingSetting, match="OWNER_DATABASE_SECRET_ARN"):
        credentials.owner_conninfo(settings)


def test_a_missing_secret_is_a_missing_setting(secrets: Any) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:nothing-AbCdEf"
    with pytest.raises(MissingSetting, match="nothing-AbCdEf cannot be read: ResourceNotFoundException"):
        credentials.conninfo(_deployed(arn))


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
        credentials.conninfo(_deployed(arn))


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DATABASE_SECRET_ARN": "arn"},
        {"DATABASE_HOST": HOST},
        {"DATABASE_URL": "postgresql://", "DATABASE_HOST": HOST},
        {"DATABASE_URL": "postgresql://", "DATABASE_SECRET_ARN": "arn", "DATABASE_HOST": HOST},
    ],
)
def test_an_incomplete_or_ambiguous_database_is_refused_at_start(environment: dict[str, str]) -> None:
    with pytest.raises(MissingSetting, match="Set DATABASE_URL, or DATABASE_SECRET_ARN and DATABASE_HOST"):
        read({"FILES_BUCKET": "files", **environment})
