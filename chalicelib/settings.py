"""The only reader of the environment. One line per setting; read once, at the first use in a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

QUEUES = ("uploads", "chunks")


class Settings(BaseModel):
    """What a function needs to know about its surroundings. Endpoints, region and credentials are boto3's own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = Field(default="local", pattern=r"^[a-z][a-z0-9-]{0,19}$")
    database_url: SecretStr
    owner_database_url: SecretStr | None = None
    """For the migrate function alone: the role that owns the tables."""
    files_bucket: str = Field(min_length=3)
    s3_public_endpoint_url: str | None = None
    """Host for presigned links, where it differs from the one that functions use (inside containers)."""
    log_level: str = "INFO"


class MissingSetting(Exception):
    """A setting is missing or malformed."""


def read(environment: Mapping[str, str]) -> Settings:
    """Settings from environment variables named as the fields, in capitals. Raises MissingSetting naming them."""
    values = {name: environment[name.upper()] for name in Settings.model_fields if name.upper() in environment}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
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
    return os.environ.get("STAGE", "local")
