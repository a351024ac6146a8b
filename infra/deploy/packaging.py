"""Makes what is deployed: out/<stage>/deployment.zip and out/<stage>/template.json.

    python -m infra.deploy.packaging dev

Chalice writes both, from a copy of the project in which vendor/ holds the dependencies as infra/deploy/dependencies.py
prepared them. What Chalice leaves open is finished here: the same sources give the same bytes, and every function gets
what all functions get (infra/deploy/every_function.py).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from chalicelib.settings import LOCAL_STAGE
from infra.deploy import archive, dependencies, every_function, rds_authorities
from infra.deploy.dependencies import DependenciesMissing, cache_directory
from infra.deploy.stacks import BESIDE_APP
from infra.project import ROOT

TEMPLATES = (
    ROOT / "infra" / "resources.yml",
    *(ROOT / "infra" / "deploy" / name for name in ("functions.yml", "api.yml", "alarms.yml")),
)
"""What is merged into Chalice's template, each a room of its own."""
MODEL_STAGE = "dev"
"""The stage of .chalice/config.json that others take after which are not written down there."""
STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")
HANDLERS = "app.py"
"""What Lambda is told to load stays readable: it lists every function."""
LEFTOVERS = ("/__pycache__/", "/.")
CHALICE_SECONDS_MAX = 600.0
REGION = "us-east-1"
"""Chalice asks for one, and writes it nowhere."""
ZIP, TEMPLATE = "deployment.zip", "template.json"


class PackagingFailed(Exception):
    """There is no package; the message says why."""


def main(arguments: list[str]) -> int:
    """Packages one stage. Returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m infra.deploy.packaging STAGE\n")
        return 2
    try:
        check_deployable(arguments[0])
        out = package(arguments[0], Path("out"), cache_directory())
    except (PackagingFailed, DependenciesMissing) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    size = (out / ZIP).stat().st_size / 1_000_000
    sys.stdout.write(f"{out / ZIP} ({size:.1f} MB), {out / TEMPLATE}\n")
    return 0


def check_deployable(stage: str) -> None:
    """Whether a stage may be brought to AWS, or taken away. Raises PackagingFailed.

    One may not: it sends into private networks. Others would have the stacks of another stage: the application of
    `dev-database` would be called as the database of `dev`.
    """
    if stage == LOCAL_STAGE:
        raise PackagingFailed(f"STAGE={stage} is for this machine alone: call what is deployed otherwise")
    if stage.endswith(tuple(f"-{part}" for part in BESIDE_APP)):
        raise PackagingFailed(f"STAGE={stage}: stacks of other stages end like this; choose another name")


def check_region(region: str) -> None:
    """Whether functions recognise a database in that region. Raises PackagingFailed, which is a quarter of an hour
    earlier than a migration that cannot connect.
    """
    if region not in rds_authorities.regions():
        raise PackagingFailed(
            f"it is not known who signs the certificates of databases in {region}: "
            "run `python -m infra.deploy.rds_authorities`, which needs the internet, and do this again"
        )


def package(stage: str, out: Path, cache: Path) -> Path:
    """Writes the package of a stage into `out`/<stage>. Returns that. Raises PackagingFailed, DependenciesMissing.

    The zip is the same for every stage. `local` can be packaged too: an emulator of AWS on this machine runs it.
    """
    if not STAGE.fullmatch(stage):
        raise PackagingFailed(f"STAGE={stage}: a stage is up to 20 letters, digits and dashes")
    installed = dependencies.prepared(cache)
    target = out / stage
    target.mkdir(parents=True, exist_ok=True)
    project = target.resolve() / ".project"
    try:
        _lay_out(project, stage, installed)
        _run_chalice(project, stage)
        archive.write(target / ZIP, _wanted(archive.read(project / "out" / ZIP)))
        template = every_function.finish(json.loads((project / "out" / "sam.json").read_text("utf-8")), stage)
    finally:
        shutil.rmtree(project, ignore_errors=True)
    (target / TEMPLATE).write_text(json.dumps(template, indent=1, sort_keys=True) + "\n", "utf-8")
    return target


def merged() -> dict[str, Any]:
    """All parts of the template in one. Raises PackagingFailed when two say different things of one thing."""
    whole: dict[str, Any] = {}
    for part in TEMPLATES:
        _merge(whole, yaml.safe_load(part.read_text("utf-8")), part.name)
    return whole


def _merge(into: dict[str, Any], part: Mapping[str, Any], where: str) -> None:
    for key, value in part.items():
        if key not in into:
            into[key] = value
        elif isinstance(into[key], dict) and isinstance(value, dict):
            _merge(into[key], value, f"{where}: {key}")
        elif into[key] != value:
            raise PackagingFailed(f"{where}: {key} is said twice, and differently")


def config_of(stage: str) -> dict[str, Any]:
    """Chalice's configuration with this stage alone."""
    config: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    section = config["stages"].get(stage, config["stages"][MODEL_STAGE])
    section = {**section, "environment_variables": {**section["environment_variables"], "STAGE": stage}}
    return {**config, "stages": {stage: section}}


def _lay_out(project: Path, stage: str, installed: Path) -> None:
    shutil.rmtree(project, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / folder, project / folder, ignore=ignored)
    shutil.copy(ROOT / "app.py", project)
    (project / ".chalice" / "config.json").write_text(json.dumps(config_of(stage)), "utf-8")
    (project / "merge.json").write_text(json.dumps(merged()), "utf-8")
    # Everything in vendor/ goes into the package, links followed; nothing is left for Chalice to download.
    (project / "requirements.txt").touch()
    vendor = project / "vendor"
    vendor.mkdir()
    shutil.copytree(ROOT / "functions", vendor / "functions", ignore=ignored)
    for entry in installed.iterdir():
        (vendor / entry.name).symlink_to(entry)


def _run_chalice(project: Path, stage: str) -> None:
    chalice = Path(sys.executable).with_name("chalice")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "STAGE": stage, "AWS_DEFAULT_REGION": REGION, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(chalice), "package", "--stage", stage, "--merge-template", "merge.json", "out"]
    done = subprocess.run(  # noqa: S603  our own command
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=CHALICE_SECONDS_MAX, check=False
    )
    if done.returncode:
        raise PackagingFailed(f"chalice package failed:\n{done.stdout}{done.stderr}")


def _wanted(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    """What is packaged of what Chalice took; our own modules and Chalice's become bytecode as the others are."""
    wanted: dict[str, bytes] = {}
    for name, data in entries.items():
        if any(each in f"/{name}" for each in LEFTOVERS):
            continue
        if name.endswith(".py") and name != HANDLERS:
            wanted[f"{name}c"] = dependencies.bytecode(data, name)
        else:
            wanted[name] = data
    return wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
