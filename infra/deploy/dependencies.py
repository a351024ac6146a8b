"""The dependencies in the Lambda package: the wheels of requirements.txt, trimmed and compiled to bytecode.

Chalice's own builder downloads them, because it knows which wheels run on Lambda. They are cached in a directory whose
name is a fingerprint of everything that determines them, so they are downloaded again only after a change.

Chalice itself is left out: its packager adds the two modules that run in Lambda, and what only its command line needs
(pip, setuptools, PyYAML, …) is not packaged. Of botocore's service descriptions, the package has only those of the
services that we call.

Modules are compiled to unchecked bytecode. Lambda's file system is read-only, so every cold start would otherwise
compile them again, which takes longer than the rest of the cold start.
"""

from __future__ import annotations

import hashlib
import py_compile
import re
import shutil
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

from chalice.deploy.packager import DependencyBuilder
from chalice.utils import OSUtils

from infra import entry
from infra.deploy.errors import DependenciesMissing
from infra.project import ROOT, data_dir

REQUIREMENTS = ROOT / "requirements.txt"
CONSTRAINTS = Path(__file__).with_name("constraints-lambda.txt")
SERVICES = ("kms", "s3", "sqs", "sts")
"""The services whose botocore descriptions are packaged; sts is needed to assume roles."""
NEVER_IMPORTED = ("boto3/examples", "cffi", "cffi-*", "pycparser*", "*.data", "bin")
"""Paths in the wheels that no function imports. Of cffi, cryptography needs only the compiled module."""
UNNEEDED = (
    "__pycache__",
    "*.pyi",
    "*.pyx",
    "*.pxd",
    "*.h",
    "*.c",
    "py.typed",
    "RECORD",
    "direct_url.json",
    "REQUESTED",
)
FINGERPRINT_CHARACTERS = 16


def prepare(cache: Path) -> Path:
    """Returns the directory of the dependencies in `cache`; creates it if necessary. Raises DependenciesMissing."""
    directory = _directory(cache)
    if not directory.is_dir():
        building = cache / f".{directory.name}"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        _download(building)
        _trim(building)
        _compile(building)
        for outdated in cache.glob("dependencies-*"):
            shutil.rmtree(outdated)
        building.rename(directory)
    return directory


def cache_directory() -> Path:
    """Returns the directory of the cache: DATA_DIR/package."""
    return data_dir().resolve() / "package"


def _directory(cache: Path) -> Path:
    return cache / f"dependencies-{_fingerprint()}"


def _fingerprint() -> str:
    builder = f"{metadata.version('chalice')} {sys.version}"
    texts = [REQUIREMENTS.read_bytes(), CONSTRAINTS.read_bytes(), Path(__file__).read_bytes(), builder.encode()]
    return hashlib.sha256(b"\n".join(texts)).hexdigest()[:FINGERPRINT_CHARACTERS]


def _download(directory: Path) -> None:
    requirements = directory.with_name(f"{directory.name}.txt")
    wanted = [line for line in REQUIREMENTS.read_text("utf-8").splitlines() if not line.startswith("chalice==")]
    requirements.write_text("\n".join([f"--constraint {CONSTRAINTS}", *wanted, ""]), "utf-8")
    abi = f"cp{sys.version_info.major}{sys.version_info.minor}"
    try:
        DependencyBuilder(OSUtils()).build_site_packages(abi, str(requirements), str(directory))
    except Exception as error:
        raise DependenciesMissing(_explanation(error)) from error
    finally:
        requirements.unlink()


def _explanation(error: Exception) -> str:
    missing = getattr(error, "missing", None)
    if not missing:
        return f"The dependencies for Lambda could not be downloaded: {error}"
    names = ", ".join(sorted(each.identifier for each in missing))
    return f"No wheel for Lambda was found for {names}. Check its version in requirements.txt."


def _trim(directory: Path) -> None:
    for pattern in NEVER_IMPORTED:
        for path in directory.glob(pattern):
            _remove(path)
    for pattern in UNNEEDED:
        for path in list(directory.rglob(pattern)):
            _remove(path)
    for path in (directory / "botocore" / "data").iterdir():
        if path.is_dir() and path.name not in SERVICES:
            _remove(path)
    for path in (directory / "boto3" / "data").iterdir():
        _remove(path)


def _compile(directory: Path) -> None:
    """Replaces every module with its bytecode, which refers to its path inside the package."""
    for source in sorted(directory.rglob("*.py")):
        name = source.relative_to(directory).as_posix()
        source.with_suffix(".pyc").write_bytes(bytecode(source.read_bytes(), name))
        source.unlink()


def bytecode(source: bytes, name: str) -> bytes:
    """Compiles a module to bytecode that Python never checks against a source. Tracebacks show `name`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "source"
        path.write_bytes(source)
        compiled = Path(directory) / "compiled"
        with warnings.catch_warnings(action="ignore"):  # Warnings about third-party sources are not ours to fix.
            py_compile.compile(
                str(path),
                cfile=str(compiled),
                dfile=name,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        return compiled.read_bytes()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def pinned_versions() -> dict[str, str]:
    """Returns the pinned version of every distribution that may be in the package, by normalised name."""
    lines = [*REQUIREMENTS.read_text("utf-8").splitlines(), *CONSTRAINTS.read_text("utf-8").splitlines()]
    pairs = [re.split(r"==", line, maxsplit=1) for line in lines if "==" in line]
    return {_normalised(name): version for name, version in pairs}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def main(_arguments: list[str]) -> int:
    """Prepares the dependencies, with a message if they have to be downloaded. Returns the exit status."""
    cache = cache_directory()
    if not _directory(cache).is_dir():
        sys.stdout.write("Downloading the dependencies of the Lambda package\n")
        sys.stdout.flush()
    try:
        prepare(cache)
    except DependenciesMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    entry.run(main)
