"""docker-compose.yml is valid and safe, and `make up` sets its services up. No Docker engine runs here."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from chalicelib.backends.roles import FUNCTION_ROLES
from infra import compose
from infra.local import docker, options
from infra.local.errors import OptionError
from infra.local.testing import backing_services, clean_environment, running_stack
from infra.project import ROOT

FILE = ROOT / "docker-compose.yml"
IMPORT_SECONDS_MAX = 60
COMMAND_SECONDS_MAX = 30
KEYS = {"image", "ports", "environment", "volumes", "healthcheck"}
"""The keys that our services use; any other is probably misspelt."""
SECRET = re.compile("PASSWORD|SECRET|TOKEN|KEY")
PINNED = re.compile(r"[a-z/]+:\d+(\.\d+)+@sha256:[0-9a-f]{64}")


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return loaded


def test_the_file_is_what_docker_compose_reads(tmp_path: Path) -> None:
    if not has_compose():
        pytest.skip("docker compose is not installed")
    file = docker.environment_file(tmp_path)
    command = ["docker", "compose", "--file", str(FILE), "--env-file", str(file), "config", "--quiet"]
    subprocess.run(command, check=True, timeout=COMMAND_SECONDS_MAX)


def has_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    command = ["docker", "compose", "version"]
    return subprocess.run(command, capture_output=True, check=False, timeout=COMMAND_SECONDS_MAX).returncode == 0


def test_the_file_has_these_services_and_no_misspelt_key(content: dict[str, Any]) -> None:
    assert content.keys() == {"services", "volumes"}
    assert content["services"].keys() == {"localstack", "postgres"}
    for service in content["services"].values():
        assert service.keys() <= KEYS
        assert {mount.partition(":")[0] for mount in service.get("volumes", [])} <= content["volumes"].keys()


def test_every_image_is_pinned_by_its_digest_and_every_service_has_a_health_check(content: dict[str, Any]) -> None:
    services = content["services"]
    assert services["localstack"]["image"].startswith("localstack/localstack:4.14.0@")
    assert services["postgres"]["image"].startswith("postgres:18.")
    for service in services.values():
        assert PINNED.fullmatch(service["image"])
        assert service["healthcheck"].keys() == {"test", "interval", "timeout", "retries"}
        assert service["healthcheck"]["test"][0] == "CMD"


def test_services_listen_on_loopback_only_and_check_signatures(content: dict[str, Any]) -> None:
    for service in content["services"].values():
        assert service["ports"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert content["services"]["localstack"]["environment"]["S3_SKIP_SIGNATURE_VALIDATION"] == "0"


def test_the_file_holds_no_secret(content: dict[str, Any]) -> None:
    """They come from the environment, and nothing starts without them."""
    secrets = [
        (name, value)
        for service in content["services"].values()
        for name, value in service["environment"].items()
        if SECRET.search(name)
    ]
    assert [name for name, _ in secrets] == ["POSTGRES_PASSWORD"]
    assert all(value.startswith(f"${{{name}:?") for name, value in secrets)


def test_passwords_are_created_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    kept = docker.environment_file(tmp_path / "new")
    first = kept.read_text("utf-8")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert docker.environment_file(tmp_path / "new").read_text("utf-8") == first
    names = [line.partition("=")[0] for line in first.splitlines()]
    assert sorted(names) == sorted(["POSTGRES_PASSWORD", *docker.PASSWORD_NAMES.values()])


@pytest.mark.parametrize("end", ["\n", ""])
def test_passwords_of_an_earlier_version_are_kept_and_those_of_new_roles_added(tmp_path: Path, end: str) -> None:
    (tmp_path / "compose.env").write_text(f"POSTGRES_PASSWORD=one\nIMPORTER_PASSWORD=two{end}")
    assert docker.containers(tmp_path, {}) is None
    docker.environment_file(tmp_path)
    found = docker.containers(tmp_path, {})
    assert found is not None
    assert (found.owner_password, found.passwords["importer"]) == ("one", "two")
    assert set(found.passwords) == set(FUNCTION_ROLES)
    assert len(set(found.passwords.values())) == len(FUNCTION_ROLES)


def stand_in_for_docker(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = directory / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.defpath}")
    monkeypatch.setenv("DATA_DIR", str(directory))


@pytest.mark.parametrize(("command", "words"), [("up", "up --detach --wait"), ("down", "down")])
def test_docker_gets_the_file_and_the_passwords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    # It fails, so that `up` does not try to set up services that do not run.
    stand_in_for_docker(tmp_path, monkeypatch, f'echo "$*" > {tmp_path}/called\nexit 7')
    assert compose.main([command]) == 7
    called = (tmp_path / "called").read_text("utf-8").strip()
    assert called == f"compose --file {FILE} --env-file {tmp_path / 'compose.env'} {words}"


def test_without_docker_an_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert compose.main(["up"]) == 1
    assert "docker is not installed: install it, or use `make run`" in capsys.readouterr().err


def test_before_the_first_make_up_an_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="run `make up` first"):
        options.read({"DOCKER": "1", "DATA_DIR": str(tmp_path)})


def test_once_both_run_everything_is_created_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The embedded stack's services play the containers, at the ports of these."""
    kept = docker.environment_file(tmp_path)
    with backing_services(tmp_path / "services") as services:
        owner = psycopg.conninfo.conninfo_to_dict(services.owner_conninfo)
        stand_in_for_docker(tmp_path, monkeypatch, "exit 0")
        monkeypatch.setenv("POSTGRES_PORT", str(owner["port"]))
        monkeypatch.setenv("LOCALSTACK_PORT", services.endpoint_url.rpartition(":")[2])

        assert compose.main(["up"]) == 1
        assert "docker compose down --volumes" in capsys.readouterr().err

        kept.write_text(f"POSTGRES_PASSWORD={owner['password']}\nIMPORTER_PASSWORD=another\n")  # an earlier version
        assert compose.main(["up"]) == 0
        assert services.bucket in capsys.readouterr().out

        # The stack uses them and starts neither.
        ports = {name: os.environ[name] for name in docker.PORTS}
        with running_stack(tmp_path, DOCKER="1", **ports) as stack:
            assert stack.file.pids.keys() == {"supervisor", "functions"}
            (tmp_path / "products.csv").write_text("sku,name\nD-1,In Docker\n")
            command = [sys.executable, "-m", "infra.local.client", "import", str(tmp_path / "products.csv")]
            environment = {**clean_environment(), "DATA_DIR": str(tmp_path)}
            subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=IMPORT_SECONDS_MAX)
        with psycopg.connect(services.owner_conninfo) as connection:
            assert connection.execute("select sku, name from product").fetchall() == [("D-1", "In Docker")]


def test_setting_up_creates_what_the_functions_need_and_can_be_repeated(tmp_path: Path) -> None:
    with backing_services(tmp_path) as services:
        for password in ("one", "two"):
            created = compose.set_up(
                services.endpoint, services.owner_conninfo, dict.fromkeys(FUNCTION_ROLES, password)
            )
            assert created.bucket == services.bucket
            conninfo = psycopg.conninfo.make_conninfo(services.owner_conninfo, user="importer", password=password)
            with psycopg.connect(conninfo) as connection:
                assert connection.execute("select count(*) from product").fetchone() == (0,)
