"""The only reader of the environment. One line per setting; read once, at the first use in a process."""

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

LOCAL_STAGE = "local"


class Settings(BaseModel):
    """What a function needs to know about its surroundings. Endpoints, region and credentials are boto3's own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = Field(default=LOCAL_STAGE, pattern=r"^[a-z][a-z0-9-]{0,19}$")
    database_url: SecretStr | None = None
    """With the password in it: local runs. A deployment has the two that follow instead."""
    database_secret_arn: str | None = None
    """The secret in AWS Secrets Manager with username and password."""
    database_host: str | None = None
    """The database, or its proxy, for these."""
    database_pooled: bool = False
    """Whether that is a proxy, which shares connections: then nothing may be left in them."""
    database_ca_file: str | None = None
    """A file with the authorities that its certificate may be signed by, instead of RDS's and the public ones."""
    owner_database_url: SecretStr | None = None
    """For the functions migrate and manage_tokens alone: the role that owns the tables."""
    owner_database_secret_arn: str | None = None
    """The same, as a secret; the host is DATABASE_HOST."""
    files_bucket: str = Field(min_length=3)
    s3_public_endpoint_url: str | None = None
    """Host for presigned links, where it differs from the one that functions use (inside containers)."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    webhook_kms_key_id: str | None = None
    """The key of AWS KMS that webhooks' secrets are sealed with."""
    webhook_key_file: str | None = None
    """A file with 32 bytes to seal them with instead: local runs."""
    webhook_allow_cidrs: str = ""
    """Networks that webhooks may go to although they are not public, with commas between them: local runs only."""

    @field_validator("webhook_allow_cidrs")
    @classmethod
    def _only_local(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("stage") != LOCAL_STAGE:
            raise ValueError(
                f"only the stage {LOCAL_STAGE} may send webhooks into networks that are not public: unset it"
            )
        _networks(value)
        return value

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        deployed = (self.database_secret_arn, self.database_host)
        if bool(self.database_url) == all(deployed) or any(deployed) != all(deployed):
            raise ValueError("set DATABASE_URL, or DATABASE_SECRET_ARN and DATABASE_HOST")
        return self

    @property
    def webhook_allowed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `webhook_allow_cidrs`."""
        return _networks(self.webhook_allow_cidrs)


class MissingSetting(Exception):
    """A setting is missing or malformed."""


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables named as the fields, in capitals. Raises MissingSetting naming them."""
    values = {name: environment[name.upper()] for name in Settings.model_fields if name.upper() in environment}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            ": ".join([*(str(name).upper() for name in fault["loc"][:1]), fault["msg"]]) for fault in error.errors()
        )
        raise MissingSetting(f"environment variables are missing or malformed: {faults}") from None


@cache
def settings() -> Settings:
    """The settings of this process."""
    return read(os.environ)


def queue_name(stage: str, queue: str) -> str:
    """The name of a queue as infra/resources.yml declares it, e.g. `product-importer-local-chunks`."""
    return f"product-importer-{stage}-{queue}"


def stage() -> str:
    """The stage alone: app.py needs it to name queues before anything else is configured (while packaging)."""
    return os.environ.get("STAGE", LOCAL_STAGE)


def trace_id() -> str | None:
    """The trace of X-Ray that the current invocation belongs to, which Lambda says anew for each."""
    return os.environ.get("_X_AMZN_TRACE_ID")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks written like `127.0.0.0/8,::1/128`. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())
