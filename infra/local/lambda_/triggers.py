"""Which event reaches which function, read from the application itself: `app.event_sources` and .chalice/config.json.

Nothing is repeated here, so nothing can differ from what Chalice deploys.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chalice.app import Chalice, ScheduledEventConfig, SQSEventConfig
from chalice.config import Config

API_FUNCTION = "api_handler"
"""Chalice's own name for the function behind all HTTP routes."""
API_HANDLER = "infra.local.site.gateway.handler"
API_PREFIX = "/api"
"""API Gateway puts the name of its stage before every route; Chalice's routes do not know it."""
API_SECONDS_MAX = 30
"""API Gateway gives up after about half a minute, whatever the function's own time-out."""
TIMEOUT_SECONDS_DEFAULT = 60
MEMORY_MB_DEFAULT = 128


class WiringError(Exception):
    """The application uses a kind of event source that the local stack does not have."""


@dataclass(frozen=True)
class Function:
    """One Lambda function: where its handler is (`module.attribute`) and what it may use."""

    name: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class QueueSource:
    """An event source mapping: messages of a queue go to a function."""

    function: str
    queue: str
    batch_size: int
    window_seconds: int
    maximum_concurrency: int | None


@dataclass(frozen=True)
class ScheduleSource:
    """A rule that invokes a function again and again: `expression` is rate(…) or cron(…)."""

    function: str
    expression: str


@dataclass(frozen=True)
class Wiring:
    """All of it, as it travels from the process that has imported the application to the supervisor."""

    app_name: str
    functions: tuple[Function, ...]
    queues: tuple[QueueSource, ...]
    schedules: tuple[ScheduleSource, ...]

    def function(self, name: str) -> Function:
        """The function of that name. Raises KeyError."""
        return {function.name: function for function in self.functions}[name]

    def to_json(self) -> str:
        """For the other process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Wiring:
        """From the other process."""
        content = json.loads(text)
        return cls(
            content["app_name"],
            tuple(Function(**each) for each in content["functions"]),
            tuple(QueueSource(**each) for each in content["queues"]),
            tuple(ScheduleSource(**each) for each in content["schedules"]),
        )


def chalice_config(project: Path, stage: str) -> Config:
    """The project's configuration for one stage."""
    content = json.loads((project / ".chalice" / "config.json").read_text("utf-8"))
    return Config(chalice_stage=stage, config_from_disk=content)


def read(app: Chalice, config: Config) -> Wiring:
    """The wiring of an application. Raises WiringError for an event source that is neither a queue nor a schedule."""
    queues, schedules, functions = [], [], []
    for source in app.event_sources:
        functions.append(_function(source.name, source.handler_string, config))
        if isinstance(source, SQSEventConfig):
            queues.append(_queue_source(source))
        elif isinstance(source, ScheduledEventConfig):
            schedules.append(ScheduleSource(source.name, _expression(source.schedule_expression)))
        else:
            kind = type(source).__name__
            raise WiringError(f"{source.name}: the local stack has queues and schedules, but no {kind}")
    if app.routes:
        functions.append(_function(API_FUNCTION, API_HANDLER, config, API_SECONDS_MAX))
    return Wiring(app.app_name, tuple(functions), tuple(queues), tuple(schedules))


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
    window = source.maximum_batching_window_in_seconds or 0
    return QueueSource(source.name, queue, source.batch_size, window, source.maximum_concurrency)


def _expression(expression: Any) -> str:
    return expression if isinstance(expression, str) else str(expression.to_string())
