"""Around every invocation: the ids that its log lines carry, and a line if it fails.

Chalice calls `around` as middleware for each function that is bound in app.py, and for each request; but not for the
authorizer, which has no context either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chalice.app import BaseLambdaEvent, Request, SQSEvent

from chalicelib.errors import Transient
from chalicelib.limits import LOG_TEXT_CHARACTERS_MAX
from chalicelib.settings import stage, trace_id
from chalicelib.telemetry import ERROR, WARNING, log, log_context
from functions import logs
from functions.redaction import redacted

NAME_PREFIX = "product-importer-{stage}-"


class InvocationFailed(Exception):
    """How a failed invocation ends. Lambda logs this error itself and returns it to the caller of the function.

    Therefore it says what happened without secrets, and has no cause attached. Our own log line has the details.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(
            redacted(f"{type(error).__name__}: {error}"[: 2 * LOG_TEXT_CHARACTERS_MAX])[:LOG_TEXT_CHARACTERS_MAX]
        )


def around(event: BaseLambdaEvent | Request, proceed: Callable[[Any], Any]) -> Any:
    """Runs an invocation. Raises InvocationFailed: the queue, or the caller, decides what comes next."""
    with logged_on_failure(**_ids(event)):
        return proceed(event)


@contextmanager
def logged_on_failure(**ids: Any) -> Iterator[None]:
    """Puts ids on every line logged inside. Logs any error raised inside, and raises InvocationFailed in its place."""
    logs.set_level()
    with log_context(**ids):
        try:
            yield
        except Transient as error:
            log("failed for now, will be retried", level=WARNING, measured={"Retries": 1}, reason=str(error))
            raise InvocationFailed(error) from None
        except Exception as error:  # noqa: BLE001  # none may leave unredacted
            log("failed unexpectedly", level=ERROR, measured={"Faults": 1}, error=error)
            raise InvocationFailed(error) from None


def _ids(event: BaseLambdaEvent | Request) -> dict[str, Any]:
    """The ids of the invocation, its function, and its message. Batches have one record."""
    # Chalice declares the Lambda context as a dict, but it is an object.
    context: Any = event.lambda_context if isinstance(event, Request) else event.context
    ids = {
        "function": context.function_name.removeprefix(NAME_PREFIX.format(stage=stage())),
        "request_id": context.aws_request_id,
        "trace_id": trace_id(),
    }
    if isinstance(event, SQSEvent):
        for record in event.to_dict()["Records"]:
            ids |= {
                "message_id": record["messageId"],
                "receive_count": int(record["attributes"]["ApproximateReceiveCount"]),
            }
    return ids
