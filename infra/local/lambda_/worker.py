"""Inside an execution environment: one process that runs one function, one invocation at a time, as Lambda does.

It is forked from the zygote, with the application already imported. Events and results travel over a connection as
JSON. The process ends when the connection closes; it also ends, even in the middle of its work, when the stack's line
breaks (see zygote.py).
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

from infra.local.aws import REGION
from infra.local.lambda_.context import LambdaContext
from infra.local.lambda_.triggers import Function

Handler = Callable[[Any, LambdaContext], Any]
KIBIBYTES_IN_MB = 1024
BYTES_IN_MB = 1024 * 1024
LOG_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"


@dataclass(frozen=True)
class Invocation:
    """One event for the function. `seconds` is its time-out."""

    request_id: str
    event: Any
    seconds: float

    def to_bytes(self) -> bytes:
        """For the connection."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True)
class Outcome:
    """The result of an invocation, or its error as "Type: message"; the traceback is in the log."""

    result: Any = None
    error: str | None = None
    milliseconds: float = 0.0
    memory_mb_peak: int = 0

    def to_bytes(self) -> bytes:
        """For the connection."""
        return json.dumps(asdict(self)).encode()


class RequestIds(logging.Filter):
    """Puts the id of the current invocation on every log record, as Lambda does."""

    current = "-"

    def filter(self, record: logging.LogRecord) -> bool:
        """Adds the id; never drops a record."""
        record.aws_request_id = self.current
        return True


REQUEST_IDS = RequestIds()


def configure_logging() -> None:
    """Gives the root logger a handler like Lambda's, before the application is imported."""
    formatter = logging.Formatter(LOG_FORMAT, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(REQUEST_IDS)
    logging.getLogger().addHandler(handler)


def run(function: Function, full_name: str, connection: Connection, line: int) -> None:
    """Serves invocations until the connection closes. `line` is the reading end of the stack's line."""
    threading.Thread(target=_end_with_the_line, args=(line,), daemon=True).start()
    log_stream = f"{time.strftime('%Y/%m/%d', time.gmtime())}/[$LATEST]{uuid.uuid4().hex}"
    os.environ.update(_lambda_environment(function, full_name, log_stream))
    # The variables of this function alone, such as the password of its database role.
    os.environ.update(json.loads(connection.recv_bytes()))
    handler = _handler(function.handler)
    connection.send_bytes(str(os.getpid()).encode())
    while True:
        try:
            invocation = Invocation(**json.loads(connection.recv_bytes()))
        except (EOFError, ConnectionResetError):
            return
        context = LambdaContext(full_name, function.memory_mb, invocation.request_id, log_stream, invocation.seconds)
        REQUEST_IDS.current = invocation.request_id
        connection.send_bytes(_answer(handler, invocation.event, context))


def _answer(handler: Handler, event: Any, context: LambdaContext) -> bytes:
    started = time.perf_counter()
    error, result = None, None
    try:
        result = handler(event, context)
        json.dumps(result)
    except Exception as raised:  # noqa: BLE001  # any exception is the outcome
        traceback.print_exc()
        sys.stderr.write(f"[ERROR]\t{context.aws_request_id}\t{type(raised).__name__}: {raised}\n")
        error, result = f"{type(raised).__name__}: {raised}", None
    milliseconds = (time.perf_counter() - started) * 1000
    return Outcome(result, error, milliseconds, _memory_mb_peak()).to_bytes()


def _handler(path: str) -> Handler:
    module, _, attribute = path.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), attribute)
    return handler


def _lambda_environment(function: Function, full_name: str, log_stream: str) -> dict[str, str]:
    return {
        "AWS_LAMBDA_FUNCTION_NAME": full_name,
        "AWS_LAMBDA_FUNCTION_VERSION": LambdaContext.function_version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{full_name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_REGION": REGION,
        # The variables of the stage; those of the stack take precedence.
        **{name: value for name, value in function.environment.items() if name not in os.environ},
    }


def _end_with_the_line(line: int) -> None:
    """Waits for the end of file, which means that the supervisor is gone; then ends this process group."""
    os.read(line, 1)
    os.killpg(0, signal.SIGKILL)


def _memory_mb_peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (BYTES_IN_MB if sys.platform == "darwin" else KIBIBYTES_IN_MB)
