"""How a deployed function logs in to the database."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import certifi
import pytest
from psycopg.conninfo import conninfo_to_dict

from chalicelib.backends import credentials
from chalicelib.settings import MissingSetting, Settings, read

HOST = "db.example.internal"


def _function(**more: str) -> Settings:
    """The settings of a function."""
    return read({"STAGE": "dev", "FILES_BUCKET": "files", "DATABASE_HOST": HOST, "DATABASE_USER": "api", **more})


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


@pytest.mark.usefixtures("credentials_of_a_function")
def test_the_function_that_migrates_logs_in_as_the_owner_with_a_token_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _signed_at(monkeypatch, minute=5)
    found = conninfo_to_dict(credentials.owner_conninfo(_function(DATABASE_USER="importer_owner")))
    assert (found["user"], found["sslmode"]) == ("importer_owner", "verify-full")
    assert found["password"] == boto3.client("rds").generate_db_auth_token(HOST, 5432, "importer_owner")


def test_a_local_run_needs_no_credentials_of_aws() -> None:
    settings = read({"DATABASE_URL": "postgresql://here", "FILES_BUCKET": "files"})
    assert credentials.conninfo(settings) == "postgresql://here"
    with pytest.raises(MissingSetting, match="set OWNER_DATABASE_URL, or DATABASE_HOST and DATABASE_USER"):
        credentials.owner_conninfo(settings)
    owner = read({"OWNER_DATABASE_URL": "postgresql://owner", "FILES_BUCKET": "files"})
    assert credentials.owner_conninfo(owner) == "postgresql://owner"
    with pytest.raises(MissingSetting, match="DATABASE_HOST and DATABASE_USER, for the role of this function"):
        credentials.conninfo(owner)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"DATABASE_HOST": HOST},
        {"DATABASE_USER": "api"},
        {"DATABASE_URL": "postgresql://", "DATABASE_HOST": HOST},
        {"DATABASE_URL": "postgresql://", "DATABASE_USER": "api"},
        {"DATABASE_URL": "postgresql://", "DATABASE_HOST": HOST, "DATABASE_USER": "api"},
    ],
)
def test_an_incomplete_or_ambiguous_database_is_refused_at_start(environment: dict[str, str]) -> None:
    with pytest.raises(MissingSetting, match="Set DATABASE_URL, or DATABASE_HOST and DATABASE_USER"):
        read({"FILES_BUCKET": "files", **environment})
