"""docker-compose.yml is valid and careful; what `make up` does around it works. No engine runs here.

compose-spec.json is the schema of the Compose Specification (github.com/compose-spec/compose-spec, Apache-2.0).
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import yaml

from infra import compose
from infra.local import docker, options
from infra.local.options import OptionError
from infra.local.testing import backing_services, clean_environment, running_stack
from infra.project import ROOT

FILE = ROOT / "docker-compose.yml"
IMPORT_SECONDS_MAX = 60
SCHEMA = Path(__file__).with_name("compose-spec.json")


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return loaded


def test_file_is_what_the_specification_allows(content: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft7Validator
    validator.check_schema(schema)
    validator(schema).validate(content)
    # The schema bites.
    with pytest.raises(jsonschema.ValidationError):
        validator(schema).validate({**content, "services": {"x": {"image": "y", "portz": []}}})


def test_nothing_is_open_to_others_and_every_image_is_pinned(content: dict[str, Any]) -> None:
    for service in content["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["image"].partition(":")[2] not in ("", "latest")
        assert "healthcheck" in service
    assert content["services"]["localstack"]["image"] == "localstack/localstack:4.14.0"
    assert content["services"]["postgres"]["image"] == "postgres:18"
    assert content["services"]["localstack"]["environment"]["S3_SKIP_SIGNATURE_VALIDATION"] == "0"


def test_passwords_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    kept = docker.environment_file(tmp_path / "new")
    first = kept.read_text("utf-8")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert docker.environment_file(tmp_path / "new").read_text("utf-8") == first
    assert [line.partition("=")[0] for line in first.splitlines()] == ["POSTGRES_PASSWORD", "IMPORTER_PASSWORD"]


def stand_in_for_docker(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = directory / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.defpath}")
    monkeypatch.setenv("DATA_DIR", str(directory))


@pytest.mark.parametrize(("command", "words"), [("up", "up --detach --wait"), ("down", "down")])
def test_docker_is_called_with_file_and_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    # It fails, so that `up` does not go on to furnish what does not run.
    stand_in_for_docker(tmp_path, monkeypatch, f'echo "$*" > {tmp_path}/called\nexit 7')
    assert compose.main([command]) == 7
    called = (tmp_path / "called").read_text("utf-8").strip()
    assert called == f"compose --file {FILE} --env-file {tmp_path / 'compose.env'} {words}"


def test_without_docker_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert compose.main(["up"]) == 1
    assert "docker is not installed" in capsys.readouterr().err


def test_before_they_were_ever_up_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="run `make up` first"):
        options.read({"DOCKER": "1", "DATA_DIR": str(tmp_path)})


def test_once_both_are_up_everything_is_made_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The services are those of the embedded stack, at the ports that containers would have."""
    kept = docker.environment_file(tmp_path)
    with backing_services(tmp_path / "services") as services:
        owner = psycopg.conninfo.conninfo_to_dict(services.owner_conninfo)
        stand_in_for_docker(tmp_path, monkeypatch, "exit 0")
        monkeypatch.setenv("POSTGRES_PORT", str(owner["port"]))
        monkeypatch.setenv("LOCALSTACK_PORT", services.endpoint_url.rpartition(":")[2])

        assert compose.main(["up"]) == 1
        assert "docker compose down --volumes" in capsys.readouterr().err

        kept.write_text(f"POSTGRES_PASSWORD={owner['password']}\nIMPORTER_PASSWORD=another\n")
        assert compose.main(["up"]) == 0
        assert services.bucket in capsys.readouterr().out

        # The functions find them, and start neither.
        ports = {name: os.environ[name] for name in docker.PORTS}
        with running_stack(tmp_path, DOCKER="1", **ports) as stack:
            assert stack.file.pids.keys() == {"supervisor", "functions"}
            (tmp_path / "products.csv").write_text("sku,name\nD-1,In Docker\n")
            command = [sys.executable, "-m", "infra.local.client", "import", str(tmp_path / "products.csv")]
            environment = {**clean_environment(), "DATA_DIR": str(tmp_path)}
            subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=IMPORT_SECONDS_MAX)
        with psycopg.connect(services.owner_conninfo) as connection:
            assert connection.execute("select sku, name from product").fetchall() == [("D-1", "In Docker")]


def test_furnishing_makes_what_the_functions_need_and_can_be_repeated(tmp_path: Path) -> None:
    with backing_services(tmp_path) as services:
        for password in ("one", "two"):
            made = compose.furnish(services.endpoint, services.owner_conninfo, password)
            assert made.bucket == services.bucket
            conninfo = psycopg.conninfo.make_conninfo(services.owner_conninfo, user="importer", password=password)
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select count(*) from product").fetchone() == (0,)
