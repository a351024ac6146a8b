"""The bill of materials (SBOM) of deployment.zip, in the format of CycloneDX.

A distribution is listed if the zip has one of its files, even if only one module of it is packaged. A file that is
neither ours nor in a distribution's list of files fails the packaging: nothing is deployed that the bill does not name.

What wheels contain in turn, such as OpenSSL, is taken from the bills in the wheels (PEP 770) and listed below each of
them. The same package gives the same bytes, so the bill has no date, and its serial number derives from the zip.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from infra.deploy.errors import PackagingFailed
from infra.supply import locks

OURS = ("app.py", "chalicelib/", "functions/")
BUILD_ONLY = "excluded"
"""The scope of what takes part in building a wheel and is not in it."""
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "product-importer")


@dataclass(frozen=True)
class Contained:
    """Something inside a wheel that is not a Python distribution: a library in C, a crate."""

    name: str
    version: str | None
    purl: str | None


@dataclass(frozen=True)
class Distribution:
    """A Python distribution: where it came from, and which files it installed."""

    name: str
    version: str
    licence: str | None
    sha256: str | None
    """Of the wheel."""
    files: tuple[str, ...]
    contains: tuple[Contained, ...] = ()


def distributions(packages: Path, report: Mapping[str, Any]) -> list[Distribution]:
    """Returns the distributions that pip has installed in a directory, with the hashes from its report."""
    hashes = {
        canonicalize_name(each["metadata"]["name"]): each["download_info"]["archive_info"]["hashes"]["sha256"]
        for each in report["install"]
    }
    found = metadata.distributions(path=[str(packages)])
    return [
        _distribution(each, hashes[canonicalize_name(each.name)]) for each in sorted(found, key=lambda each: each.name)
    ]


def chalice() -> Distribution:
    """Returns Chalice, whose packager adds modules from our own environment, where the wheel's hash is not known."""
    return _distribution(metadata.distribution(locks.NOT_PACKAGED), None)


def dump(found: Iterable[Distribution]) -> str:
    """Returns distributions as JSON."""
    return json.dumps([asdict(each) for each in found], indent=1)


def load(text: str) -> list[Distribution]:
    """Returns the distributions in the JSON that `dump` wrote."""
    return [
        Distribution(**{**each, "files": tuple(each["files"]), "contains": tuple(_contained(each["contains"]))})
        for each in json.loads(text)
    ]


def bill(archive: bytes, names: Iterable[str], candidates: Iterable[Distribution]) -> str:
    """Returns the bill of a zip that has files with these names. Raises PackagingFailed if one has no owner."""
    listed = packaged(names, candidates)
    digest = hashlib.sha256(archive).hexdigest()
    project = tomllib.loads(locks.PROJECT.read_text("utf-8"))["project"]
    root = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    bom = Bom(
        serial_number=uuid.uuid5(NAMESPACE, digest),
        metadata=BomMetaData(component=root),
        components=[_component(each) for each in listed],
    )
    bom.register_dependency(root, bom.components)
    written = json.loads(JsonV1Dot6(bom).output_as_string())
    del written["metadata"]["timestamp"]
    return json.dumps(written, indent=1, sort_keys=True) + "\n"


def packaged(names: Iterable[str], candidates: Iterable[Distribution]) -> list[Distribution]:
    """Returns the distributions that own a file. Raises PackagingFailed if a file is neither theirs nor ours."""
    owners = {_packaged_name(file): each for each in candidates for file in each.files}
    foreign = [name for name in names if not name.startswith(OURS)]
    unknown = [name for name in foreign if name not in owners]
    if unknown:
        raise PackagingFailed(f"No distribution is known for {unknown[0]}, so the bill of materials cannot name it.")
    return sorted({owners[name] for name in foreign}, key=lambda each: each.name)


def _packaged_name(file: str) -> str:
    return f"{file}c" if file.endswith(".py") else file


def _distribution(found: metadata.Distribution, sha256: str | None) -> Distribution:
    name = canonicalize_name(found.name)
    files = tuple(sorted(file.as_posix() for file in found.files or ()))
    inside = [each for each in _bills_inside(found) if each.name and canonicalize_name(each.name) != name]
    return Distribution(name, found.version, _licence(found), sha256, files, tuple(dict.fromkeys(inside)))


def _licence(found: metadata.Distribution) -> str | None:
    fields = (found.metadata[field] for field in ("License-Expression", "License") if field in found.metadata)
    return next((stated for stated in fields if stated and "\n" not in stated), None)


def _bills_inside(found: metadata.Distribution) -> Iterator[Contained]:
    for file in found.files or ():
        if file.parent.name == "sboms" and file.suffix == ".json":
            yield from _contained(json.loads(file.read_text("utf-8")).get("components", ()))


def _contained(components: Iterable[Mapping[str, Any]]) -> Iterator[Contained]:
    for each in components:
        if each.get("scope") != BUILD_ONLY:
            yield Contained(each["name"], each.get("version"), each.get("purl"))


def _component(found: Distribution) -> Component:
    reference = f"pkg:pypi/{found.name}@{found.version}"
    return Component(
        name=found.name,
        version=found.version,
        bom_ref=reference,
        purl=PackageURL("pypi", name=found.name, version=found.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=found.sha256)] if found.sha256 else (),
        licenses=[LicenseFactory().make_from_string(found.licence)] if found.licence else (),
        components=[_inside(each, reference) for each in found.contains],
    )


def _inside(contained: Contained, owner: str) -> Component:
    return Component(
        name=contained.name,
        version=contained.version,
        bom_ref=f"{owner}#{contained.name}@{contained.version}",
        purl=PackageURL.from_string(contained.purl) if contained.purl else None,
    )
