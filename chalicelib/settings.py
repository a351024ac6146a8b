"""The settings: the only reader of the environment, once per process, at the first use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from chalicelib.errors import ImporterError
from chalicelib.limits import CHUNK_CONCURRENCY
from chalicelib.validation_texts import explained

LOCAL_STAGE = "local"


class Settings(BaseModel):
    """The configuration of a function. boto3 itself reads endpoints, region and credentials."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = Field(default=LOCAL_STAGE, pattern=r"^[a-z][a-z0-9-]{0,19}$")
    database_url: SecretStr | None = None
    """With the role and its password in it, for local runs. A deployment has the next two instead."""
    database_host: str | None = None
    """The host of the database or of its proxy."""
    database_user: str | None = None
    """The role of this function (chalicelib/backends/roles.py), or the owner: it logs in with a token of IAM."""
    database_pooled: bool = False
    """Whether the host is a proxy, which shares connections: then a session may keep no state."""
    database_ca_file: str | None = None
    """A file with the authorities that may sign its certificate, instead of RDS's own and the public ones."""
    owner_database_url: SecretStr | None = None
    """The role that owns the tables; only for the function migrate in local runs, which needs no other role."""
    files_bucket: str = Field(min_length=3)
    s3_public_endpoint_url: str | None = None
    """The address in presigned links, if it differs from the one that functions use (inside containers)."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    chunk_concurrency: int = Field(default=CHUNK_CONCURRENCY, ge=1, le=1000)
    """How many chunks are written at a time."""
    webhook_kms_key_id: str | None = None
    """The AWS KMS key that seals webhooks' secrets."""
    webhook_key_file: str | None = None
    """A file with a key of 32 bytes that seals them instead, for local runs."""
    webhook_allow_cidrs: str = ""
    """Comma-separated networks that webhooks may use although they are not public; only for local runs."""

    @field_validator("webhook_allow_cidrs")
    @classmethod
    def _only_local(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("stage") != LOCAL_STAGE:
            raise ValueError(
                f"only the stage {LOCAL_STAGE} may send webhooks into networks that are not public. Unset it"
            )
        _networks(value)
        return value

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if self.database_url is not None:
            complete = self.database_host is None and self.database_user is None
        elif self.database_host is not None:
            complete = self.database_user is not None
        else:
            complete = self.database_user is None and self.owner_database_url is not None
        if not complete:
            raise ValueError("set DATABASE_URL, or DATABASE_HOST and DATABASE_USER")
        return self

    @property
    def webhook_allowed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `webhook_allow_cidrs`."""
        return _networks(self.webhook_allow_cidrs)


class MissingSetting(ImporterError):
    """A setting is missing or malformed."""


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables named like the fields, in capitals. Raises MissingSetting, naming them."""
    values = {name: environment[name.upper()] for name in Settings.model_fields if name.upper() in environment}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = " ".join(": ".join([*(name.upper() for name in path[:1]), text]) for path, text in explained(error))
        raise MissingSetting(f"environment variables are missing or malformed: {problems}") from None


@cache
def settings() -> Settings:
    """The settings of this process."""
    return read(os.environ)


def queue_name(stage: str, queue: str) -> str:
    """The full name of a queue, as in infra/resources.yml: `product-importer-local-chunks`."""
    return f"product-importer-{stage}-{queue}"


def stage() -> str:
    """The stage. app.py needs it to name queues while it is being packaged, when nothing else is configured."""
    return os.environ.get("STAGE", LOCAL_STAGE)


def chunk_concurrency() -> int:
    """How many chunks are written at a time. app.py needs it while it is being packaged, like the stage."""
    return int(os.environ.get("CHUNK_CONCURRENCY", CHUNK_CONCURRENCY))


def trace_id() -> str | None:
    """The X-Ray trace of the current invocation; Lambda sets it for each one."""
    return os.environ.get("_X_AMZN_TRACE_ID")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks written like `127.0.0.0/8,::1/128`. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
