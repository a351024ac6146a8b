"""The settings of the stack: defaults, and the errors for values that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.local import options
from infra.local.errors import OptionError


def test_defaults() -> None:
    read = options.read({})
    assert (read.port, read.data_dir, read.emulator, read.api_token) == (8000, Path(".local").resolve(), None, None)
    assert read.workers == os.cpu_count()
    assert not read.stop_with_parent


def test_everything_can_be_set() -> None:
    environment = {
        "PORT": "8001",
        "DATA_DIR": "/x",
        "EMULATOR": "ministack",
        "WORKERS": "3",
        "PARAMETER_FilesDays": "2",
    }
    read = options.read(environment)
    assert (read.port, read.data_dir, read.emulator, read.workers) == (8001, Path("/x"), "ministack", 3)
    assert read.parameters == {"FilesDays": "2"}


def test_an_endpoint_is_used_for_an_external_emulator_only() -> None:
    endpoint = {"AWS_ENDPOINT_URL": "http://10.0.0.1:4566/"}
    assert options.read(endpoint).endpoint_url is None
    assert options.read({**endpoint, "EMULATOR": "external"}).endpoint_url == "http://10.0.0.1:4566"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PORT": "http"}, "PORT must be a whole number from 1 to 65535, not 'http'"),
        ({"PORT": "70000"}, "PORT"),
        ({"WORKERS": "0"}, "WORKERS"),
        ({"EMULATOR": "moto"}, "EMULATOR must be one of localstack, ministack, external, not 'moto'"),
        ({"DOCKER": "yes"}, "DOCKER must be 1 or empty, not 'yes'"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, not 'loud'"),
        ({"CHALICE_STAGE": "prod"}, "CHALICE_STAGE must be dev or empty, not 'prod'"),
        ({"API_TOKEN": "x" * 19}, "API_TOKEN: a token needs at least 20 characters"),
        ({"PARAMETER_Stage": "other"}, "PARAMETER_Stage cannot be set"),
        ({"EMULATOR": "external"}, "EMULATOR=external needs AWS_ENDPOINT_URL"),
        ({"EMULATOR": "external", "AWS_ENDPOINT_URL": "https://s3.example"}, "AWS_ENDPOINT_URL"),
        ({"EMULATOR": "external", "AWS_ENDPOINT_URL": "http://[::1]:4566"}, "AWS_ENDPOINT_URL"),
    ],
)
def test_errors_name_the_variable(environment: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        options.read(environment)
