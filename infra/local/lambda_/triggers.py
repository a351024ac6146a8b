"""Which event invokes which function, read from the application itself: `app.event_sources` and .chalice/config.json.

Nothing is repeated here, so the local stack cannot differ from what Chalice deploys. A trigger that is not supported is
an error, never left out.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chalice.app import Chalice, ScheduledEventConfig, SQSEventConfig
from chalice.config import Config

from infra.local.errors import UnknownTrigger

API_FUNCTION = "api_handler"
"""Chalice's name for the function that serves all HTTP routes."""
API_HANDLER = "infra.local.site.gateway.handler"
API_PREFIX = "/api"
"""API Gateway puts the name of its stage before every route; Chalice's routes do not contain it."""
API_SECONDS_MAX = 30
"""API Gateway gives up after about half a minute, even if the function's own time-out is longer."""
TIMEOUT_SECONDS_DEFAULT = 60
MEMORY_MB_DEFAULT = 128


@dataclass(frozen=True)
class Function:
    """One Lambda function: its handler (`module.attribute`) and its limits."""

    name: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueSource:
    """An event source mapping: each message of a queue invokes a function."""

    function: str
    queue: str
    maximum_concurrency: int | None


@dataclass(frozen=True)
class ScheduleSource:
    """A rule that invokes a function at intervals: `expression` is rate(…)."""

    function: str
    expression: str


@dataclass(frozen=True)
class Wiring:
    """All functions and triggers, as the zygote, which has imported the application, sends them to the supervisor."""

    app_name: str
    functions: tuple[Function, ...]
    authorizer: str | None
    """The function that decides who may use the API."""
    queues: tuple[QueueSource, ...]
    schedules: tuple[ScheduleSource, ...]

    def function(self, name: str) -> Function:
        """The function with this name. Raises KeyError."""
        return {function.name: function for function in self.functions}[name]

    def to_json(self) -> str:
        """For the supervisor."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Wiring:
        """From the zygote."""
        content = json.loads(text)
        return cls(
            content["app_name"],
            tuple(Function(**each) for each in content["functions"]),
            content["authorizer"],
            tuple(QueueSource(**each) for each in content["queues"]),
            tuple(ScheduleSource(**each) for each in content["schedules"]),
        )


def chalice_config(project: Path, stage: str) -> Config:
    """The project's .chalice/config.json for one stage."""
    content = json.loads((project / ".chalice" / "config.json").read_text("utf-8"))
    return Config(chalice_stage=stage, config_from_disk=content)


def read(app: Chalice, config: Config) -> Wiring:
    """The wiring of an application. Raises UnknownTrigger unless every trigger is a queue, a schedule or a route."""
    queues, schedules, functions = [], [], []
    for source in app.event_sources:
        functions.append(_function(source.name, source.handler_string, config))
        if isinstance(source, SQSEventConfig):
            queues.append(_queue_source(source))
        elif isinstance(source, ScheduledEventConfig):
            schedules.append(ScheduleSource(source.name, _expression(source.schedule_expression)))
        else:
            kind = type(source).__name__
            raise UnknownTrigger(f"{source.name}: the local stack supports queues and schedules, but no {kind}")
    if app.routes:
        functions.append(_function(API_FUNCTION, API_HANDLER, config, API_SECONDS_MAX))
    authorizers = [_function(each.name, each.handler_string, config) for each in app.builtin_auth_handlers]
    if len(authorizers) > 1:
        raise UnknownTrigger("the local stack supports one authorizer for all routes")
    name = authorizers[0].name if authorizers else None
    return Wiring(app.app_name, (*functions, *authorizers), name, tuple(queues), tuple(schedules))


def _function(name: str, handler: str, config: Config, seconds_max: int | None = None) -> Function:
    scoped = config.scope(config.chalice_stage, name)
    seconds = scoped.lambda_timeout or TIMEOUT_SECONDS_DEFAULT
    return Function(
        name,
        handler,
        timeout_seconds=min(seconds, seconds_max) if seconds_max else seconds,
        memory_mb=scoped.lambda_memory_size or MEMORY_MB_DEFAULT,
        environment=dict(scoped.environment_variables),
    )


def _queue_source(source: SQSEventConfig) -> QueueSource:
    queue = source.queue or str(source.queue_arn).rpartition(":")[2]
    if source.batch_size != 1 or source.maximum_batching_window_in_seconds:
        raise UnknownTrigger(f"{source.name}: the local stack supports batch_size=1 without a batching window only")
    return QueueSource(source.name, queue, source.maximum_concurrency)


def _expression(expression: Any) -> str:
    return expression if isinstance(expression, str) else str(expression.to_string())
