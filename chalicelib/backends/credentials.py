"""How to connect to the database: with an address that contains the password, or with a secret in Secrets Manager."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import certifi
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.conninfo import make_conninfo

from chalicelib.backends.clients import KEY_READ_SECONDS_MAX, client_config
from chalicelib.errors import Transient
from chalicelib.settings import MissingSetting, Settings

RDS_AUTHORITIES = Path(__file__).with_name("rds-authorities.pem")
"""The authorities that sign the certificates of RDS databases; infra/deploy/rds_authorities.py renews the file."""
DATABASE = "importer"
PORT = 5432
_PERMANENT = {"AccessDeniedException", "ResourceNotFoundException"}
"""Errors of Secrets Manager that a retry does not fix."""


def conninfo(settings: Settings) -> str:
    """What libpq needs to connect as the role of the functions. Raises Transient, MissingSetting."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    assert settings.database_secret_arn, "settings have one of the two"
    return _conninfo(settings, settings.database_secret_arn)


def owner_conninfo(settings: Settings) -> str:
    """What libpq needs to connect as the role that owns the tables. Raises Transient, MissingSetting."""
    if settings.owner_database_url is not None:
        return settings.owner_database_url.get_secret_value()
    if settings.owner_database_secret_arn is None:
        raise MissingSetting("set OWNER_DATABASE_SECRET_ARN or OWNER_DATABASE_URL, for the role that owns the tables")
    return _conninfo(settings, settings.owner_database_secret_arn)


def role_password(settings: Settings) -> tuple[str, str] | None:
    """The role and password in the functions' secret, or None if there is no secret. Raises Transient."""
    if settings.database_secret_arn is None:
        return None
    secret = _secret(settings.database_secret_arn)
    return secret["username"], secret["password"]


def _conninfo(settings: Settings, arn: str) -> str:
    secret = _secret(arn)
    return make_conninfo(
        "",
        host=settings.database_host,
        port=PORT,
        dbname=DATABASE,
        user=secret["username"],
        password=secret["password"],
        # Encrypted, and with a certificate for exactly this host.
        sslmode="verify-full",
        sslrootcert=_authorities(settings),
    )


def _authorities(settings: Settings) -> str:
    """The authorities to trust. A proxy's certificate is signed by a public one, a database's by RDS's own."""
    if settings.database_ca_file is not None:
        return settings.database_ca_file
    return certifi.where() if settings.database_pooled else str(RDS_AUTHORITIES)


def _secret(arn: str) -> dict[str, Any]:
    client = boto3.client("secretsmanager", config=client_config(KEY_READ_SECONDS_MAX))
    try:
        text = client.get_secret_value(SecretId=arn)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _PERMANENT:
            raise MissingSetting(f"the secret {arn} cannot be read: {code}") from error
        raise Transient(f"the secret {arn} cannot be read at the moment: {code}") from error
    except (BotoCoreError, OSError) as error:
        raise Transient(f"Secrets Manager could not be reached: {type(error).__name__}") from error
    secret: dict[str, Any] = json.loads(text)
    return secret
