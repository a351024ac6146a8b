"""The context object that Lambda hands to a function beside the event."""

from __future__ import annotations

import time
from dataclasses import dataclass

from infra.local.aws import ACCOUNT_ID, REGION

MILLISECONDS = 1000


@dataclass(frozen=True)
class Identity:
    """Who called through the mobile SDK: nobody."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


class LambdaContext:
    """The public attributes of AWS's own context, under their names and with their types."""

    function_version = "$LATEST"
    client_context = None
    tenant_id = None

    def __init__(self, function_name: str, memory_mb: int, request_id: str, log_stream: str, seconds: float) -> None:
        self.function_name = function_name
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{function_name}"
        self.memory_limit_in_mb = str(memory_mb)
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = log_stream
        self.identity = Identity()
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is killed, never negative."""
        return max(0, int((self._end - time.monotonic()) * MILLISECONDS))
