"""How to connect to the database: with an address that contains the password, or with credentials of AWS.

In a deployment there are no passwords: each function logs in with a token of IAM for its own role, and `migrate` for
the owner of the tables.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import boto3
import certifi
from botocore.model import ServiceId
from botocore.signers import RequestSigner
from psycopg.conninfo import make_conninfo

from chalicelib.settings import MissingSetting, Settings

RDS_AUTHORITIES = Path(__file__).with_name("rds-authorities.pem")
"""The authorities that sign the certificates of RDS databases; infra/deploy/rds_authorities.py renews the file."""
DATABASE = "importer"
PORT = 5432
IAM_SERVICE = "rds-db"
IAM_TOKEN_SECONDS = 900
"""How long a token can be used to log in. A connection that it has opened stays open."""


def conninfo(settings: Settings) -> str:
    """What libpq needs to connect as the role of this function. Raises MissingSetting."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    if settings.database_host is None or settings.database_user is None:
        raise MissingSetting("set DATABASE_URL, or DATABASE_HOST and DATABASE_USER, for the role of this function")
    token = _iam_token(settings.database_host, settings.database_user)
    return _conninfo(settings, settings.database_user, token)


def owner_conninfo(settings: Settings) -> str:
    """What libpq needs to connect as the role that owns the tables. Raises MissingSetting."""
    if settings.owner_database_url is not None:
        return settings.owner_database_url.get_secret_value()
    if settings.database_host is None:
        raise MissingSetting(
            "set OWNER_DATABASE_URL, or DATABASE_HOST and DATABASE_USER, for the role that owns the tables"
        )
    return conninfo(settings)


def _conninfo(settings: Settings, user: str, password: str) -> str:
    return make_conninfo(
        "",
        host=settings.database_host,
        port=PORT,
        dbname=DATABASE,
        user=user,
        password=password,
        # Encrypted, and with a certificate for exactly this host.
        sslmode="verify-full",
        sslrootcert=_authorities(settings),
    )


def _iam_token(host: str, user: str) -> str:
    """A password for one role at one host, signed with the credentials of this function, without a request.

    The same as `generate_db_auth_token` of boto3's client for RDS, whose description is large, and read at every cold
    start.
    """
    url = f"https://{host}:{PORT}/?{urlencode({'Action': 'connect', 'DBUser': user})}"
    request = {"method": "GET", "url": url, "body": {}, "headers": {}, "context": {}}
    signed: str = _signer().generate_presigned_url(request, operation_name="connect", expires_in=IAM_TOKEN_SECONDS)
    return signed.removeprefix("https://")


@cache
def _signer() -> RequestSigner:
    """Created once: it renews credentials that expire. Raises MissingSetting."""
    session = boto3.Session()
    credentials, region = session.get_credentials(), session.region_name
    if credentials is None or region is None:
        raise MissingSetting("there are no credentials or no region of AWS to sign a token for the database with")
    return RequestSigner(ServiceId(IAM_SERVICE), region, IAM_SERVICE, "v4", credentials, session.events)


def _authorities(settings: Settings) -> str:
    """The authorities to trust. A proxy's certificate is signed by a public one, a database's by RDS's own."""
    if settings.database_ca_file is not None:
        return settings.database_ca_file
    return certifi.where() if settings.database_pooled else str(RDS_AUTHORITIES)
