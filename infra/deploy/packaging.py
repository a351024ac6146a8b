"""Creates the package of a stage: out/<stage>/deployment.zip, template.json and sbom.json.

    python -m infra.deploy.packaging dev

`chalice package` writes the first two, from a copy of the project whose vendor/ contains the dependencies prepared by
infra/deploy/dependencies.py. What Chalice does not do is added here: the zip is reproducible, every function gets its
name, log group and alarms (infra/deploy/every_function.py), and a bill of materials lists what is in the zip
(infra/deploy/sbom.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from chalicelib.settings import LOCAL_STAGE
from infra import entry
from infra.arguments import Parser
from infra.deploy import archive, dependencies, every_function, rds_authorities, sbom
from infra.deploy.dependencies import cache_directory
from infra.deploy.errors import DeployError, InvalidStage, PackagingFailed, UnsupportedRegion
from infra.deploy.stacks import STANDALONE_PARTS
from infra.project import ROOT, STAGE, STAGE_RULE

TEMPLATES = (
    ROOT / "infra" / "resources.yml",
    *(
        ROOT / "infra" / "deploy" / name
        for name in ("functions.yml", "egress.yml", "file_logs.yml", "api.yml", "alarms.yml")
    ),
)
"""The template parts that are merged into Chalice's template, one for each topic."""
MODEL_STAGE = "dev"
"""A stage that is not in .chalice/config.json gets the settings of this one."""
HANDLERS = "app.py"
"""The only module that is packaged as source: it lists every function, so people can read what Lambda loads."""
UNNEEDED = ("/__pycache__/", "/.")
CHALICE_SECONDS_MAX = 600.0
REGION = "us-east-1"
"""Chalice requires a region, but does not write it to the package."""
ZIP, TEMPLATE, BILL = "deployment.zip", "template.json", "sbom.json"


def main(arguments: list[str]) -> int:
    """Packages one stage. Returns the exit status."""
    parser = Parser(prog="python -m infra.deploy.packaging", make="make package STAGE=dev")
    parser.add_argument("stage")
    stage = parser.parse_args(arguments).stage
    try:
        check_stage(stage)
        out = package(stage, Path("out"), cache_directory())
    except DeployError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    size = (out / ZIP).stat().st_size / 1_000_000
    sys.stdout.write(f"{out / ZIP} ({size:.1f} MB), {out / TEMPLATE}, {out / BILL}\n")
    return 0


def check_stage(stage: str) -> None:
    """Raises InvalidStage when no stage can have this name, or when a stage of this name must not be deployed.

    `local` may send webhooks into private networks. Names like `dev-database` clash with another stage's stacks: the
    application of `dev-database` and the database of `dev` would have the same stack name.
    """
    _check_name(stage)
    if stage == LOCAL_STAGE:
        raise InvalidStage(f"STAGE={stage} is reserved for the local stack. Choose another name.")
    suffix = next((f"-{part}" for part in STANDALONE_PARTS if stage.endswith(f"-{part}")), None)
    if suffix is not None:
        raise InvalidStage(f"STAGE={stage} clashes with a stack of another stage: choose a name without {suffix}.")


def _check_name(stage: str) -> None:
    if not STAGE.fullmatch(stage):
        raise InvalidStage(f"STAGE={stage} is not valid: it must be {STAGE_RULE}.")


def check_region(region: str) -> None:
    """Raises UnsupportedRegion when functions could not verify a database in the region.

    Without this check, the migration would fail to connect a quarter of an hour later.
    """
    if region not in rds_authorities.regions():
        raise UnsupportedRegion(
            f"The certificate authority of databases in {region} is unknown: run `python -m "
            "infra.deploy.rds_authorities`, which needs internet access, and deploy again."
        )


def package(stage: str, out: Path, cache: Path) -> Path:
    """Writes the package of a stage to `out`/<stage>. Returns that path.

    The zip is the same for every stage. The stage `local` can be packaged too, for an emulator of AWS.
    Raises InvalidStage, PackagingFailed, DependenciesMissing.
    """
    _check_name(stage)
    installed = dependencies.prepare(cache)
    target = out / stage
    target.mkdir(parents=True, exist_ok=True)
    project = target.resolve() / ".project"
    try:
        _copy_project(project, stage, installed / dependencies.PACKAGES)
        _run_chalice(project, stage)
        entries = _packaged(archive.read(project / "out" / ZIP))
        archive.write(target / ZIP, entries)
        template = every_function.finish(json.loads((project / "out" / "sam.json").read_text("utf-8")), stage)
    finally:
        shutil.rmtree(project, ignore_errors=True)
    (target / TEMPLATE).write_text(json.dumps(template, indent=1, sort_keys=True) + "\n", "utf-8")
    wheels = sbom.load((installed / dependencies.DISTRIBUTIONS).read_text("utf-8"))
    bill = sbom.bill((target / ZIP).read_bytes(), entries, [*wheels, sbom.chalice()])
    (target / BILL).write_text(bill, "utf-8")
    return target


def merged_templates() -> dict[str, Any]:
    """Returns all template parts as one. Raises PackagingFailed when two parts contradict each other."""
    merged: dict[str, Any] = {}
    for part in TEMPLATES:
        # By way of JSON: a YAML alias is the same object in several places, and merging into one would change all.
        _merge(merged, json.loads(json.dumps(yaml.safe_load(part.read_text("utf-8")))), part.name)
    return merged


def _merge(into: dict[str, Any], part: Mapping[str, Any], where: str) -> None:
    for key, value in part.items():
        if key not in into:
            into[key] = value
        elif isinstance(into[key], dict) and isinstance(value, dict):
            _merge(into[key], value, f"{where}: {key}")
        elif into[key] != value:
            raise PackagingFailed(f"{where}: {key} has another value in an earlier part. Remove one of them.")


def config_of(stage: str) -> dict[str, Any]:
    """Returns Chalice's configuration with this stage only."""
    config: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_text("utf-8"))
    section = config["stages"].get(stage, config["stages"][MODEL_STAGE])
    section = {**section, "environment_variables": {**section["environment_variables"], "STAGE": stage}}
    return {**config, "stages": {stage: section}}


def _copy_project(project: Path, stage: str, installed: Path) -> None:
    shutil.rmtree(project, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / folder, project / folder, ignore=ignored)
    shutil.copy(ROOT / "app.py", project)
    (project / ".chalice" / "config.json").write_text(json.dumps(config_of(stage)), "utf-8")
    (project / "merge.json").write_text(json.dumps(merged_templates()), "utf-8")
    # Chalice packages everything in vendor/ and follows links. With no requirements it has nothing to download.
    (project / "requirements.txt").touch()
    vendor = project / "vendor"
    vendor.mkdir()
    shutil.copytree(ROOT / "functions", vendor / "functions", ignore=ignored)
    for each in installed.iterdir():
        (vendor / each.name).symlink_to(each)


def _run_chalice(project: Path, stage: str) -> None:
    chalice = Path(sys.executable).with_name("chalice")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**kept, "STAGE": stage, "AWS_DEFAULT_REGION": REGION, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(chalice), "package", "--stage", stage, "--merge-template", "merge.json", "out"]
    completed = subprocess.run(  # noqa: S603  our own command
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=CHALICE_SECONDS_MAX, check=False
    )
    if completed.returncode:
        raise PackagingFailed(f"`chalice package` failed:\n{completed.stdout}{completed.stderr}")


def _packaged(entries: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns the entries that we package. Our own modules and Chalice's are compiled, as the dependencies are."""
    packaged: dict[str, bytes] = {}
    for name, data in entries.items():
        if any(each in f"/{name}" for each in UNNEEDED):
            continue
        if name.endswith(".py") and name != HANDLERS:
            packaged[f"{name}c"] = dependencies.bytecode(data, name)
        else:
            packaged[name] = data
    return packaged


if __name__ == "__main__":
    entry.run(main)
