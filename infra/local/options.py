"""Every setting of the local stack: name, type, default. The one place here that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from infra import project
from infra.local import docker
from infra.local.docker import Containers

EMULATORS = ("localstack", "ministack", "external")
PARAMETER_PREFIX = "PARAMETER_"
PORT_MAX = 65535
WORKERS_MAX = 64


class OptionError(Exception):
    """An environment variable has a value that cannot be used."""


@dataclass(frozen=True)
class Options:
    """The settings of one stack."""

    port: int = 8000
    """PORT of the web page and the API."""
    data_dir: Path = Path(project.DATA_DIR_DEFAULT)
    """DATA_DIR: the database, the logs, and what clients need to know."""
    emulator: str | None = None
    """EMULATOR of S3 and SQS; None: the best that is installed."""
    endpoint_url: str | None = None
    """AWS_ENDPOINT_URL, for EMULATOR=external only."""
    api_token: str | None = None
    """API_TOKEN to accept; None: a fresh one at every start."""
    workers: int = 1
    """WORKERS: how many invocations of one function run at a time, at most."""
    postgres_port: int | None = None
    """POSTGRES_PORT; None: the one of the last start if it is free, else any."""
    emulator_port: int | None = None
    """EMULATOR_PORT; None: as above."""
    log_level: str = "INFO"
    """LOG_LEVEL of the functions."""
    chalice_stage: str = "dev"
    """CHALICE_STAGE: whose time-outs and memory sizes in .chalice/config.json count."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """PARAMETER_<Name> of infra/resources.yml."""
    containers: Containers | None = None
    """DOCKER=1: what `make up` has started takes the place of what is started here."""
    stop_with_parent: bool = False
    """STOP_WITH_PARENT: end when the process that started the stack is gone."""


def read(environment: Mapping[str, str]) -> Options:
    """The options in the environment. Raises OptionError, naming the variable."""
    data_dir = project.data_dir(environment).resolve()
    containers = _containers(data_dir, environment) if environment.get("DOCKER") == "1" else None
    emulator = "external" if containers else chosen_emulator(environment)
    return Options(
        port=_port(environment, "PORT") or Options.port,
        data_dir=data_dir,
        emulator=emulator,
        endpoint_url=_endpoint_url(environment, containers) if emulator == "external" else None,
        containers=containers,
        api_token=environment.get("API_TOKEN") or None,
        workers=_number(environment, "WORKERS", 1, WORKERS_MAX) or os.cpu_count() or 1,
        postgres_port=_port(environment, "POSTGRES_PORT"),
        emulator_port=_port(environment, "EMULATOR_PORT"),
        log_level=environment.get("LOG_LEVEL") or Options.log_level,
        chalice_stage=environment.get("CHALICE_STAGE") or Options.chalice_stage,
        parameters={
            name.removeprefix(PARAMETER_PREFIX): value
            for name, value in environment.items()
            if name.startswith(PARAMETER_PREFIX)
        },
        stop_with_parent=environment.get("STOP_WITH_PARENT") == "1",
    )


def chosen_emulator(environment: Mapping[str, str]) -> str | None:
    """EMULATOR, if it is set. Raises OptionError when it is not one that exists."""
    value = environment.get("EMULATOR")
    if value and value not in EMULATORS:
        raise OptionError(f"EMULATOR must be one of {', '.join(EMULATORS)}, not {value!r}")
    return value or None


def _containers(data_dir: Path, environment: Mapping[str, str]) -> Containers:
    for name in docker.PORTS:
        _port(environment, name)
    found = docker.containers(data_dir, environment)
    if found is None:
        raise OptionError(f"DOCKER=1: run `make up` first, it makes {data_dir / docker.ENVIRONMENT_FILE}")
    return found


def _endpoint_url(environment: Mapping[str, str], containers: Containers | None) -> str:
    if containers is not None:
        return containers.endpoint_url
    value = environment.get("AWS_ENDPOINT_URL", "").rstrip("/")
    parts = urlsplit(value)
    if parts.scheme != "http" or not parts.netloc or parts.path:
        raise OptionError(f"EMULATOR=external needs AWS_ENDPOINT_URL, like http://127.0.0.1:4566, not {value!r}")
    return value if parts.port else f"{value}:80"


def _port(environment: Mapping[str, str], name: str) -> int | None:
    return _number(environment, name, 1, PORT_MAX)


def _number(environment: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    value = environment.get(name)
    if not value:
        return None
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise OptionError(f"{name} must be a whole number from {least} to {most}, not {value!r}")
    return int(value)
