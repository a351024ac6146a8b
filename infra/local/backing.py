"""What the services behind the functions mean for the functions: their environment, and the template's parameters."""

from __future__ import annotations

from infra.local.aws import Endpoint
from infra.local.options import Options

STAGE = "local"


def function_environment(options: Options, conninfo: str, endpoint: Endpoint, bucket: str) -> dict[str, str]:
    """The variables that functions find, the same that a deployment sets, plus where S3 and SQS answer."""
    return {
        "STAGE": STAGE,
        "DATABASE_URL": conninfo,
        "FILES_BUCKET": bucket,
        "LOG_LEVEL": options.log_level,
        **endpoint.environment(),
    }


def overridden(options: Options) -> dict[str, str]:
    """Parameters of infra/resources.yml: what differs on a laptop, and on top what the user wants."""
    origins = ",".join(f"http://{host}:{options.port}" for host in ("127.0.0.1", "localhost"))
    return {"Stage": STAGE, "UiOrigins": origins, **options.parameters}
