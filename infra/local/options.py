"""Every setting of the local stack: name, type, default. Read once, from the environment, when the stack starts.

The programs that use a running stack read the few variables of their own: DATA_DIR (infra/project.py), URL and TOKEN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args, get_type_hints
from urllib.parse import urlsplit

from chalicelib.access import tokens
from chalicelib.settings import Settings
from infra import project
from infra.local import docker
from infra.local.docker import Containers
from infra.local.errors import OptionError

EMULATORS = ("localstack", "ministack", "external")
PARAMETER_PREFIX = "PARAMETER_"
OWN_PARAMETER = "Stage"
"""The parameter of infra/resources.yml that names our bucket and queues."""
LOG_LEVELS = get_args(get_type_hints(Settings)["log_level"])
PORT_MAX = 65535
WORKERS_MAX = 64


@dataclass(frozen=True)
class Options:
    """The settings of one stack."""

    port: int = 8000
    """PORT: where the web page and the API answer."""
    data_dir: Path = Path(project.DATA_DIR_DEFAULT)
    """DATA_DIR: the database, the logs, and the connection details for clients."""
    emulator: str | None = None
    """EMULATOR of S3 and SQS; None: LocalStack if it is installed, else ministack."""
    endpoint_url: str | None = None
    """AWS_ENDPOINT_URL, only for EMULATOR=external."""
    api_token: str | None = None
    """API_TOKEN to accept; None: a new one at every start."""
    workers: int = 1
    """WORKERS: how many invocations of one function may run at the same time; by default, one per processor."""
    postgres_port: int | None = None
    """POSTGRES_PORT; None: the port of the last start if it is free, else any."""
    emulator_port: int | None = None
    """EMULATOR_PORT; None: as for PostgreSQL."""
    log_level: str = "INFO"
    """LOG_LEVEL of the functions."""
    chalice_stage: str = "dev"
    """CHALICE_STAGE: the stage in .chalice/config.json with the time-outs and memory sizes to use."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """PARAMETER_<Name>: values for the parameters of infra/resources.yml."""
    containers: Containers | None = None
    """DOCKER=1: use the containers that `make up` has started, instead of an emulator and a database of our own."""
    stop_with_parent: bool = False
    """STOP_WITH_PARENT=1: stop when the process that started the stack is gone."""


def read(environment: Mapping[str, str]) -> Options:
    """The options in the environment. Raises OptionError, which names the variable."""
    data_dir = project.data_dir(environment).resolve()
    containers = _containers(data_dir, environment) if _choice(environment, "DOCKER", ("1",)) else None
    emulator = "external" if containers else chosen_emulator(environment)
    return Options(
        port=_port(environment, "PORT") or Options.port,
        data_dir=data_dir,
        emulator=emulator,
        endpoint_url=_endpoint_url(environment, containers) if emulator == "external" else None,
        containers=containers,
        api_token=_api_token(environment),
        workers=_number(environment, "WORKERS", 1, WORKERS_MAX) or os.cpu_count() or 1,
        postgres_port=_port(environment, "POSTGRES_PORT"),
        emulator_port=_port(environment, "EMULATOR_PORT"),
        log_level=_choice(environment, "LOG_LEVEL", LOG_LEVELS) or Options.log_level,
        chalice_stage=_choice(environment, "CHALICE_STAGE", _chalice_stages()) or Options.chalice_stage,
        parameters=_parameters(environment),
        stop_with_parent=environment.get("STOP_WITH_PARENT") == "1",
    )


def chosen_emulator(environment: Mapping[str, str]) -> str | None:
    """EMULATOR, if it is set. Raises OptionError for an unknown one."""
    return _choice(environment, "EMULATOR", EMULATORS)


def _choice(environment: Mapping[str, str], name: str, choices: Sequence[str]) -> str | None:
    value = environment.get(name)
    if value and value not in choices:
        one_of = f"one of {', '.join(choices)}" if len(choices) > 1 else f"{choices[0]} or empty"
        raise OptionError(f"{name} must be {one_of}, not {value!r}")
    return value or None


def _chalice_stages() -> list[str]:
    """The stages in .chalice/config.json. Chalice itself would use its defaults for any other."""
    return list(json.loads((project.ROOT / ".chalice" / "config.json").read_text("utf-8"))["stages"])


def _api_token(environment: Mapping[str, str]) -> str | None:
    """Checked here, so that a token that is too short is refused before anything is started."""
    token = environment.get("API_TOKEN") or None
    if token is not None:
        try:
            tokens.check_strength(token)
        except ValueError as error:
            raise OptionError(f"API_TOKEN: {error}") from None
    return token


def _parameters(environment: Mapping[str, str]) -> dict[str, str]:
    names = [name for name in environment if name.startswith(PARAMETER_PREFIX)]
    parameters = {name.removeprefix(PARAMETER_PREFIX): environment[name] for name in names}
    if OWN_PARAMETER in parameters:
        raise OptionError(f"{PARAMETER_PREFIX}{OWN_PARAMETER} cannot be set: the stage of the local stack is fixed")
    return parameters


def _containers(data_dir: Path, environment: Mapping[str, str]) -> Containers:
    for name in docker.PORTS:
        _port(environment, name)
    found = docker.containers(data_dir, environment)
    if found is None:
        raise OptionError(
            f"DOCKER=1 needs {data_dir / docker.ENVIRONMENT_FILE}, which does not exist: run `make up` first"
        )
    return found


def _endpoint_url(environment: Mapping[str, str], containers: Containers | None) -> str:
    if containers is not None:
        return containers.endpoint_url
    value = environment.get("AWS_ENDPOINT_URL", "").rstrip("/")
    parts = urlsplit(value)
    # localstack-client cannot read the brackets of an IPv6 address.
    if parts.scheme != "http" or not parts.netloc or parts.path or "[" in parts.netloc:
        raise OptionError(f"EMULATOR=external needs AWS_ENDPOINT_URL=http://host:port, not {value!r}")
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
