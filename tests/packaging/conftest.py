"""One package for all tests, created by the code of `make package`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.deploy import archive, dependencies, packaging
from infra.deploy.every_function import functions_of, name_of

STAGE = "dev"


@dataclass(frozen=True)
class Package:
    """A package as it would be deployed."""

    zip: Path
    entries: dict[str, bytes]
    template: dict[str, Any]
    unpacked: Path
    bill: Path

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of every function, by its name in app.py."""
        return {name_of(logical): each["Properties"] for logical, each in functions_of(self.template).items()}

    @property
    def access_log(self) -> dict[str, str]:
        """The variable in each field of a line of API Gateway's access log, in order."""
        setting = self.template["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"]
        line: dict[str, str] = json.loads(re.sub(r": (\$[\w.]+)", r': "\1"', setting["Format"]))
        return line

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Returns the properties of all resources of a type, by logical id."""
        resources = self.template["Resources"].items()
        return {name: each.get("Properties", {}) for name, each in resources if each["Type"] == kind}


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package of the stage `dev`."""
    directory = tmp_path_factory.mktemp("package")
    out = packaging.package(STAGE, directory / "out", dependencies.cache_directory())
    entries = archive.read(out / packaging.ZIP)
    unpacked = directory / "unpacked"
    for name, data in entries.items():
        path = unpacked / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    template = json.loads((out / packaging.TEMPLATE).read_text("utf-8"))
    return Package(out / packaging.ZIP, entries, template, unpacked, out / packaging.BILL)
