"""The bill of materials lists every distribution that has a file in the zip, and nothing else."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from infra.deploy import sbom
from infra.deploy.errors import PackagingFailed
from infra.supply import locks
from tests.packaging.conftest import Package

WITHOUT_METADATA = {"chalice", "cffi"}
"""Only modules of these are packaged."""


@pytest.fixture
def bill(package: Package) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(package.bill.read_text("utf-8"))
    return written


def test_it_is_valid(package: Package) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(package.bill.read_text("utf-8")) is None


def test_it_lists_every_distribution_in_the_zip_and_nothing_else(package: Package, bill: dict[str, Any]) -> None:
    directories = {name.partition("/")[0] for name in package.entries if ".dist-info/" in name}
    pairs = [directory.removesuffix(".dist-info").rpartition("-") for directory in directories]
    described = {(canonicalize_name(name), version) for name, _, version in pairs}
    assert any("_cffi_backend" in name for name in package.entries)
    rest = {(name, metadata.version(name)) for name in WITHOUT_METADATA}
    assert {(each["name"], each["version"]) for each in bill["components"]} == described | rest
    for each in bill["components"]:
        assert each["purl"] == f"pkg:pypi/{each['name']}@{each['version']}"
        assert each["licenses"]


def test_each_hash_is_the_one_that_was_locked(bill: dict[str, Any]) -> None:
    locked = locks.read(locks.LAMBDA)
    for each in bill["components"]:
        hashes = [f"sha256:{digest['content']}" for digest in each.get("hashes", ())]
        assert hashes or each["name"] == "chalice"
        assert set(hashes) <= set(locked[each["name"]].hashes if hashes else ())


def test_it_names_the_libraries_inside_the_wheels(bill: dict[str, Any]) -> None:
    inside = {each["name"]: {part["name"] for part in each.get("components", ())} for each in bill["components"]}
    assert "openssl" in inside["cryptography"]
    assert "pyo3" in inside["pydantic-core"]
    assert inside["psycopg-binary"]
    assert "cc" not in inside["cryptography"], "a tool that only takes part in the build"


def test_it_belongs_to_this_zip_and_has_no_date(package: Package, bill: dict[str, Any]) -> None:
    (digest,) = bill["metadata"]["component"]["hashes"]
    assert digest == {"alg": "SHA-256", "content": hashlib.sha256(package.zip.read_bytes()).hexdigest()}
    assert bill["metadata"]["component"]["name"] == "product-importer"
    assert "timestamp" not in bill["metadata"]


def test_a_file_of_unknown_origin_is_not_packaged() -> None:
    known = sbom.Distribution("known", "1.0", None, None, ("known.py", "known.dist-info/METADATA"))
    unused = sbom.Distribution("unused", "1.0", None, None, ("unused.py",))
    names = ["app.py", "chalicelib/limits.pyc", "functions/api/routes.pyc", "known.pyc"]
    assert sbom.packaged(names, [known, unused]) == [known]
    with pytest.raises(PackagingFailed, match=r"No distribution is known for stranger\.pyc"):
        sbom.packaged([*names, "stranger.pyc"], [known, unused])
