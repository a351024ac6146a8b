"""The zip file for Lambda contains everything that is needed and nothing else, and is reproducible."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from infra.deploy import archive, dependencies, deployment, packaging
from infra.deploy.errors import InvalidStage
from infra.deploy.stacks import Account
from infra.project import ROOT
from infra.supply import locks
from tests.packaging.conftest import STAGE, Package

ZIP_BYTES_MAX = 30 * 1024 * 1024
UNZIPPED_BYTES_MAX = 250 * 1024 * 1024
"""Lambda's own limit."""
COMMAND_SECONDS_MAX = 120
ROUNDS = 5
IMPORT_ROUNDS_OF_WORK_MAX = 20
"""The CPU time of importing app, in rounds of a loop in the same process. Measured: 11 to 13; without bytecode 35."""

IMPORT_EVERYTHING = """
import importlib, json, sys
sys.path.insert(0, ".")
for handler in json.loads(sys.argv[1]):
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name)), handler
print(json.dumps(sorted({file for each in list(sys.modules.values()) if (file := getattr(each, "__file__", None))})))
"""
USE_COMPILED_LIBRARIES = """
import ssl, sys
sys.path.insert(0, ".")
import boto3, psycopg
from pathlib import Path
from chalicelib.backends.credentials import RDS_AUTHORITIES
from chalicelib.backends.sealing import LocalKey
from chalicelib.sql import query
key = Path(sys.argv[1]); key.write_bytes(bytes(32))
assert LocalKey(str(key)).open(LocalKey(str(key)).seal(b"secret", "here", "a"), "here", "a") == b"secret"
assert "select" in query("lock_import")
ssl.create_default_context(cafile=RDS_AUTHORITIES)
assert psycopg.pq.__impl__ == "binary", psycopg.pq.__impl__
for service in ("kms", "s3", "sqs", "sts"):
    boto3.client(service, region_name="eu-central-1")
"""
TIME_THE_IMPORT = """
import sys, time
sys.path.insert(0, ".")
def work():
    start, kept = time.process_time(), {}
    for number in range(400_000):
        kept[number % 977] = str(number)
    return time.process_time() - start
unit = min(work() for _ in range(3))
start = time.process_time()
import app
print((time.process_time() - start) / unit)
"""


needs_lambdas_platform = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the package is for Linux on x86-64"
)


def _run(package: Package, program: str, *arguments: str) -> str:
    """Runs a program in the package's directory, in an environment where nothing else can be imported."""
    # The system's interpreter, not that of the virtual environment. -S excludes site-packages.
    python = Path(sys.executable).resolve()
    environment = {"PATH": os.defpath, "STAGE": STAGE, "PYTHONDONTWRITEBYTECODE": "1"}
    completed = subprocess.run(
        [python, "-S", "-c", program, *arguments],
        cwd=package.unpacked,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@needs_lambdas_platform
def test_every_handler_can_be_imported_from_the_package_alone(package: Package) -> None:
    handlers = [function["Handler"] for function in package.functions.values()]
    assert len(handlers) == 18
    files = json.loads(_run(package, IMPORT_EVERYTHING, json.dumps(handlers)))
    foreign = [file for file in files if "site-packages" in file]
    assert not foreign


@needs_lambdas_platform
def test_compiled_libraries_work(package: Package, tmp_path: Path) -> None:
    _run(package, USE_COMPILED_LIBRARIES, str(tmp_path / "key"))


@needs_lambdas_platform
def test_importing_app_is_quick(package: Package) -> None:
    rounds = min(float(_run(package, TIME_THE_IMPORT)) for _ in range(ROUNDS))
    assert rounds <= IMPORT_ROUNDS_OF_WORK_MAX


def test_size_is_within_limits(package: Package) -> None:
    assert package.zip.stat().st_size <= ZIP_BYTES_MAX
    assert sum(len(data) for data in package.entries.values()) <= UNZIPPED_BYTES_MAX


def test_it_contains_nothing_that_does_not_run(package: Package) -> None:
    tops = {name.partition("/")[0] for name in package.entries}
    assert not tops & {"infra", "tests", "web", "docs", "vendor", "pip", "setuptools", "yaml", "click", "requests"}
    assert {"app.py", "chalicelib", "functions", "chalice"} <= tops
    names = list(package.entries)
    assert not [name for name in names if "__pycache__" in name or "/." in f"/{name}"]
    # Modules are bytecode, so that no cold start compiles them again.
    assert [name for name in names if name.endswith(".py")] == ["app.py"]
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == set(dependencies.SERVICES)


def test_it_contains_all_of_our_own_modules(package: Package) -> None:
    for folder in ("chalicelib", "functions"):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(ROOT).as_posix()
                assert (f"{name}c" if name.endswith(".py") else name) in package.entries


def test_it_contains_the_locked_versions(package: Package) -> None:
    locked = locks.read(locks.LAMBDA)
    distributions = {name.partition("/")[0] for name in package.entries if ".dist-info/" in name}
    assert distributions
    for distribution in distributions:
        name, _, version = distribution.removesuffix(".dist-info").rpartition("-")
        assert locked[canonicalize_name(name)].version == version


def test_the_same_sources_give_the_same_package(package: Package, tmp_path: Path) -> None:
    again = packaging.package(STAGE, tmp_path, dependencies.cache_directory())
    assert (again / packaging.ZIP).read_bytes() == package.zip.read_bytes()
    assert json.loads((again / packaging.TEMPLATE).read_text("utf-8")) == package.template
    assert (again / packaging.BILL).read_bytes() == package.bill.read_bytes()


def test_of_two_processes_that_prepare_the_dependencies_at_once_the_first_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def build(building: Path) -> None:
        begun.append(building)
        if len(begun) == 1:
            dependencies.prepare(tmp_path)
        building.mkdir()
        (building / "file").write_text(building.parent.name, "utf-8")

    monkeypatch.setattr(dependencies, "_build", build)
    (tmp_path / "dependencies-outdated").mkdir()
    directory = dependencies.prepare(tmp_path)
    assert (directory / "file").read_text("utf-8") == begun[1].parent.name
    assert list(tmp_path.iterdir()) == [directory]


def test_a_zip_depends_only_on_names_and_contents(tmp_path: Path) -> None:
    entries = {"b.py": b"b", "a/lib.so.1": b"\x7fELF", "a/x.txt": b"x" * 1000}
    archive.write(tmp_path / "one.zip", entries)
    archive.write(tmp_path / "two.zip", dict(reversed(entries.items())))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert archive.read(tmp_path / "one.zip") == entries


@pytest.mark.parametrize("stage", ["Prod", "", "a" * 21, "../dev"])
def test_a_stage_with_an_invalid_name_is_not_packaged(tmp_path: Path, stage: str) -> None:
    with pytest.raises(InvalidStage, match="it must be up to 20 lower-case letters"):
        packaging.package(stage, tmp_path, tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        lambda: packaging.main(["local"]),
        lambda: deployment.main(["deploy", "local"]),
        lambda: deployment.main(["destroy", "local"]),
    ],
)
def test_the_stage_that_may_send_into_private_networks_is_never_deployed(
    command: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packaging, "package", pytest.fail)
    monkeypatch.setattr(Account, "from_credentials", pytest.fail)
    assert command() == 1
    assert "STAGE=local is reserved for the local stack" in capsys.readouterr().err


def test_the_zip_is_the_same_for_every_stage(package: Package, tmp_path: Path) -> None:
    local = packaging.package("local", tmp_path, dependencies.cache_directory())
    assert (local / packaging.ZIP).read_bytes() == package.zip.read_bytes()
    template = json.loads((local / packaging.TEMPLATE).read_text("utf-8"))
    assert template["Parameters"]["Stage"]["AllowedValues"] == ["local"]
    assert set(template["Resources"]) == set(package.template["Resources"])


def test_another_stage_gets_the_settings_of_dev(package: Package) -> None:
    dev, prod = packaging.config_of("dev")["stages"]["dev"], packaging.config_of("prod")["stages"]["prod"]
    assert prod["environment_variables"] == {"STAGE": "prod"}
    assert {**prod, "environment_variables": None} == {**dev, "environment_variables": None}
