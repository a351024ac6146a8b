"""What the functions learn about the services they use: their environment, and the parameters of the template."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from chalicelib.backends.roles import ROLES
from chalicelib.backends.sealing import KEY_BYTES, holds_keys
from infra.local.aws import Endpoint
from infra.local.errors import OptionError
from infra.local.options import Options
from infra.local.processes.private_file import write_private

STAGE = "local"
WEBHOOK_KEY_FILE = "webhook.key"
WEBHOOK_ALLOW_CIDRS = "127.0.0.0/8,::1/128"
"""Receivers of webhooks run on the same machine."""


def own_environment(conninfos: Mapping[str, str], function: str) -> dict[str, str]:
    """The variables that only this function has: how to connect to the database, as its own role."""
    return {"DATABASE_URL": conninfos[ROLES[function]]} if function in ROLES else {}


def function_environment(options: Options, endpoint: Endpoint, bucket: str) -> dict[str, str]:
    """The variables of all functions: the ones that a deployment sets, plus where S3 and SQS answer."""
    return {
        "STAGE": STAGE,
        "FILES_BUCKET": bucket,
        "LOG_LEVEL": options.log_level,
        "CHUNK_CONCURRENCY": str(options.workers),
        "WEBHOOK_KEY_FILE": str(webhook_key_file(options.data_dir)),
        "WEBHOOK_ALLOW_CIDRS": WEBHOOK_ALLOW_CIDRS,
        **endpoint.environment(),
    }


def overridden(options: Options) -> dict[str, str]:
    """Parameters of infra/resources.yml: the ones that differ on a laptop, and the ones that the user has set."""
    origins = ",".join(f"http://{host}:{options.port}" for host in ("127.0.0.1", "localhost"))
    return {"Stage": STAGE, "UiOrigins": origins, **options.parameters}


def webhook_key_file(data_dir: Path) -> Path:
    """The file with the keys that seal the secrets of webhooks, created once. Raises OptionError when it is damaged."""
    path = data_dir / WEBHOOK_KEY_FILE
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    if not holds_keys(path.stat().st_size):
        raise OptionError(f"{path} is not a key: remove it, and create new secrets for all webhooks")
    return path
