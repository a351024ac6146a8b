"""How the database is opened: by an address with the password in it, or by a secret that AWS Secrets Manager keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import certifi
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.conninfo import make_conninfo

from chalicelib.errors import Transient
from chalicelib.settings import MissingSetting, Settings

RDS_AUTHORITIES = Path(__file__).with_name("rds-authorities.pem")
"""Who signs the certificates of databases in RDS; infra/deploy/rds_authorities.py renews the file."""
DATABASE = "importer"
PORT = 5432
CONNECT_SECONDS_MAX = 5
READ_SECONDS_MAX = 10
ATTEMPTS_MAX = 3
_OURS = {"AccessDeniedException", "ResourceNotFoundException"}
"""What trying again does not mend."""


def conninfo(settings: Settings) -> str:
    """What libpq needs to connect as the role of the functions. Raises Transient, MissingSetting."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    assert settings.database_secret_arn, "settings have one of the two"
    return _conninfo(settings, settings.database_secret_arn)


def owner_conninfo(settings: Settings) -> str:
    """The same as the role that owns the tables. Raises Transient, MissingSetting."""
    if settings.owner_database_url is not None:
        return settings.owner_database_url.get_secret_value()
    if settings.owner_database_secret_arn is None:
        raise MissingSetting("set OWNER_DATABASE_SECRET_ARN or OWNER_DATABASE_URL: the role that owns the tables")
    return _conninfo(settings, settings.owner_database_secret_arn)


def role_password(settings: Settings) -> tuple[str, str] | None:
    """Role and password that the functions' secret holds; None where there is no secret. Raises Transient."""
    if settings.database_secret_arn is None:
        return None
    found = _secret(settings.database_secret_arn)
    return found["username"], found["password"]


def _conninfo(settings: Settings, arn: str) -> str:
    found = _secret(arn)
    return make_conninfo(
        "",
        host=settings.database_host,
        port=PORT,
        dbname=DATABASE,
        user=found["username"],
        password=found["password"],
        # Encrypted, and with a certificate for this very host.
        sslmode="verify-full",
        sslrootcert=_authorities(settings),
    )


def _authorities(settings: Settings) -> str:
    """Who may have signed that certificate. A proxy's is signed by one that everybody knows, RDS has its own."""
    if settings.database_ca_file is not None:
        return settings.database_ca_file
    return certifi.where() if settings.database_pooled else str(RDS_AUTHORITIES)


def _secret(arn: str) -> dict[str, Any]:
    client = boto3.client(
        "secretsmanager",
        config=Config(
            connect_timeout=CONNECT_SECONDS_MAX,
            read_timeout=READ_SECONDS_MAX,
            retries={"total_max_attempts": ATTEMPTS_MAX, "mode": "standard"},
        ),
    )
    try:
        text = client.get_secret_value(SecretId=arn)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _OURS:
            raise MissingSetting(f"the secret {arn} cannot be read: {code}") from error
        raise Transient(f"the secret {arn} cannot be read now: {code}") from error
    except (BotoCoreError, OSError) as error:
        raise Transient(f"Secrets Manager could not be reached: {type(error).__name__}") from error
    found: dict[str, Any] = json.loads(text)
    return found
