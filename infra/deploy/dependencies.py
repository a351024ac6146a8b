"""What the Lambda package holds besides our own code: the wheels of requirements.txt, trimmed, as bytecode.

Chalice's own builder downloads them, because it knows which wheels run on Lambda. They are kept in a directory named by
all that determines them, so that only a change of the requirements costs a download.

Chalice itself is left to Chalice, which adds the two modules that run in Lambda; what only its command line needs (pip,
setuptools, PyYAML, …) stays out. Of botocore's descriptions of all AWS services those stay in that we call.

Modules become bytecode that names no source and is not checked against one: Lambda's file system is read-only, so every
cold start would compile them anew, which takes longer than everything else in it.
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

from infra.project import ROOT, data_dir

REQUIREMENTS = ROOT / "requirements.txt"
CONSTRAINTS = Path(__file__).with_name("constraints-lambda.txt")
SERVICES = ("kms", "s3", "secretsmanager", "sqs", "sts")
"""The services whose descriptions botocore needs; sts for roles that are assumed."""
NEVER_IMPORTED = ("boto3/examples", "cffi", "cffi-*", "pycparser*", "*.data", "bin")
"""Of cffi, cryptography needs the compiled half alone."""
LEFTOVERS = (
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


class DependenciesMissing(Exception):
    """Not everything could be downloaded for Lambda; the message names what."""


def prepared(cache: Path) -> Path:
    """A directory with everything, made in `cache` unless it is there. Raises DependenciesMissing."""
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
    """Where they are kept: DATA_DIR/package."""
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
        missing = getattr(error, "missing", None)
        what = ", ".join(sorted(each.identifier for each in missing)) if missing else str(error)
        raise DependenciesMissing(f"not everything in requirements.txt has a wheel for Lambda: {what}") from error
    finally:
        requirements.unlink()


def _trim(directory: Path) -> None:
    for pattern in NEVER_IMPORTED:
        for found in directory.glob(pattern):
            _remove(found)
    for pattern in LEFTOVERS:
        for found in list(directory.rglob(pattern)):
            _remove(found)
    for found in (directory / "botocore" / "data").iterdir():
        if found.is_dir() and found.name not in SERVICES:
            _remove(found)
    for found in (directory / "boto3" / "data").iterdir():
        _remove(found)


def _compile(directory: Path) -> None:
    """Replaces every module by its bytecode, in which the path is the one inside the package."""
    for source in sorted(directory.rglob("*.py")):
        name = source.relative_to(directory).as_posix()
        source.with_suffix(".pyc").write_bytes(bytecode(source.read_bytes(), name))
        source.unlink()


def bytecode(source: bytes, name: str) -> bytes:
    """A module compiled so that Python never compares it with a source. `name` stands in tracebacks."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "source"
        path.write_bytes(source)
        compiled = Path(directory) / "compiled"
        with warnings.catch_warnings(action="ignore"):  # of other people's sources
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


def pinned() -> dict[str, str]:
    """The version of every distribution that may be in the package, by its normalised name."""
    lines = [*REQUIREMENTS.read_text("utf-8").splitlines(), *CONSTRAINTS.read_text("utf-8").splitlines()]
    pairs = [re.split(r"==", line, maxsplit=1) for line in lines if "==" in line]
    return {_normalised(name): version for name, version in pairs}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def main() -> int:
    """Prepares them, and says so if it takes a while. Returns the exit status."""
    cache = cache_directory()
    if not _directory(cache).is_dir():
        sys.stdout.write("Downloading what the Lambda package holds\n")
        sys.stdout.flush()
    try:
        prepared(cache)
    except DependenciesMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
