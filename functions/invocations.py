"""Around every invocation: the ids that its lines carry, and a line for how it ended badly.

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
from chalicelib.telemetry import ERROR, WARNING, about, tell
from functions import logs
from functions.redaction import redacted

NAME_PREFIX = "product-importer-{stage}-"


class InvocationFailed(Exception):
    """How an invocation ends that failed. Lambda writes it into the log by itself, and tells it to whoever invoked the
    function: so it says what happened without secrets, and brings nothing along. The rest stands in our own line.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(
            redacted(f"{type(error).__name__}: {error}"[: 2 * LOG_TEXT_CHARACTERS_MAX])[:LOG_TEXT_CHARACTERS_MAX]
        )


def around(event: BaseLambdaEvent | Request, proceed: Callable[[Any], Any]) -> Any:
    """Carries an invocation out. Raises InvocationFailed: the queue, or whoever invoked it, decides what comes next."""
    with told_if_it_fails(**_ids(event)):
        return proceed(event)


@contextmanager
def told_if_it_fails(**ids: Any) -> Iterator[None]:
    """For what is done inside, with its ids on every line. Raises InvocationFailed for whatever is raised inside."""
    logs.set_level()
    with about(**ids):
        try:
            yield
        except Transient as error:
            tell("given up for now, and tried again", level=WARNING, measured={"Retries": 1}, reason=str(error))
            raise InvocationFailed(error) from None
        except Exception as error:  # noqa: BLE001  # none may get out as it is
            tell("ended with a fault of ours", level=ERROR, measured={"Faults": 1}, error=error)
            raise InvocationFailed(error) from None


def _ids(event: BaseLambdaEvent | Request) -> dict[str, Any]:
    """Which invocation it is, of which function, and the message that it is for. Batches have one record."""
    # Chalice declares the Lambda context as a dict; it is an object.
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
