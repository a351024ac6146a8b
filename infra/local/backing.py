"""What the services behind the functions mean for the functions: their environment, and the template's parameters."""

from __future__ import annotations

import secrets
from pathlib import Path

from chalicelib.backends.sealing import KEY_BYTES
from infra.local.aws import Endpoint
from infra.local.options import OptionError, Options
from infra.local.processes.private_file import write_private

STAGE = "local"
WEBHOOK_KEY_FILE = "webhook.key"
WEBHOOK_ALLOW_CIDRS = "127.0.0.0/8,::1/128"
"""Receivers of webhooks run on the same laptop."""


def function_environment(options: Options, conninfo: str, endpoint: Endpoint, bucket: str) -> dict[str, str]:
    """The variables that functions find, the same that a deployment sets, plus where S3 and SQS answer."""
    return {
        "STAGE": STAGE,
        "DATABASE_URL": conninfo,
        "FILES_BUCKET": bucket,
        "LOG_LEVEL": options.log_level,
        "WEBHOOK_KEY_FILE": str(webhook_key_file(options.data_dir)),
        "WEBHOOK_ALLOW_CIDRS": WEBHOOK_ALLOW_CIDRS,
        **endpoint.environment(),
    }


def overridden(options: Options) -> dict[str, str]:
    """Parameters of infra/resources.yml: what differs on a laptop, and on top what the user wants."""
    origins = ",".join(f"http://{host}:{options.port}" for host in ("127.0.0.1", "localhost"))
    return {"Stage": STAGE, "UiOrigins": origins, **options.parameters}


def webhook_key_file(data_dir: Path) -> Path:
    """The file with the key for webhooks' secrets: made once, then kept, as what is sealed with it is."""
    path = data_dir / WEBHOOK_KEY_FILE
    if not path.exists():
        write_private(path, secrets.token_bytes(KEY_BYTES))
    if path.stat().st_size != KEY_BYTES:
        raise OptionError(f"{path} is not a key: remove it, and make new secrets for all webhooks")
    return path
