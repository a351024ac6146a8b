"""The dependencies in the Lambda package: the wheels of locks/lambda.txt, trimmed and compiled to bytecode.

pip downloads the wheels that run on Lambda, and refuses one whose hash is not in the lock. They are cached in a
directory whose name is a fingerprint of everything that determines them, so they are downloaded again only after a
change. Beside them is a list of the distributions, from which infra/deploy/sbom.py writes the bill of materials.

Chalice itself is left out: its packager adds the two modules that run in Lambda, and what only its command line needs
(pip, setuptools, PyYAML, …) is not packaged. Of botocore's service descriptions, the package has only those of the
services that we call.

Modules are compiled to unchecked bytecode. Lambda's file system is read-only, so every cold start would otherwise
compile them again, which takes longer than the rest of the cold start.
"""

from __future__ import annotations

import hashlib
import json
import py_compile
import shutil
import subprocess
import sys
import tempfile
import warnings
from importlib import metadata
from pathlib import Path

from infra import entry
from infra.deploy import sbom
from infra.deploy.errors import DependenciesMissing
from infra.project import data_dir
from infra.supply import locks

PACKAGES, DISTRIBUTIONS = "packages", "distributions.json"
"""What `prepare` writes: the files for the package, and the distributions that they are from."""
GLIBC_MINOR_OLDEST = 17
GLIBC_MINOR_OF_LAMBDA = 26 if sys.version_info < (3, 12) else 34
"""Lambda runs Python 3.11 on Amazon Linux 2, and later versions on Amazon Linux 2023."""
PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC_MINOR_OF_LAMBDA, GLIBC_MINOR_OLDEST - 1, -1)),
    "manylinux2014_x86_64",
    "linux_x86_64",
)
"""The wheels that run on Lambda, the best first."""
PIP_SECONDS_MAX = 600.0
FAILURE_LINES = 5
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
    "INSTALLER",
    "REQUESTED",
)
FINGERPRINT_CHARACTERS = 16


def prepare(cache: Path) -> Path:
    """Returns the directory of the dependencies in `cache`; creates it if necessary. Raises DependenciesMissing."""
    directory = _directory(cache)
    if not directory.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        # In a directory of its own, because another process may do the same. The first that is done wins.
        with tempfile.TemporaryDirectory(prefix=".building-", dir=cache) as temporary:
            building = Path(temporary) / directory.name
            _build(building)
            for outdated in set(cache.glob("dependencies-*")) - {directory}:
                shutil.rmtree(outdated, ignore_errors=True)
            try:
                building.rename(directory)
            except OSError:
                if not directory.is_dir():
                    raise
    return directory


def _build(building: Path) -> None:
    packages, report = building / PACKAGES, building / "report.json"
    packages.mkdir(parents=True)
    _download(packages, report)
    wheels = sbom.distributions(packages, json.loads(report.read_text("utf-8")))
    (building / DISTRIBUTIONS).write_text(sbom.dump(wheels), "utf-8")
    _trim(packages)
    _compile(packages)


def cache_directory() -> Path:
    """Returns the directory of the cache: DATA_DIR/package."""
    return data_dir().resolve() / "package"


def _directory(cache: Path) -> Path:
    return cache / f"dependencies-{_fingerprint()}"


def _fingerprint() -> str:
    builder = f"{metadata.version('chalice')} {sys.version}"
    sources = (locks.path(locks.LAMBDA), Path(__file__), Path(sbom.__file__))
    texts = [*(source.read_bytes() for source in sources), builder.encode()]
    return hashlib.sha256(b"\n".join(texts)).hexdigest()[:FINGERPRINT_CHARACTERS]


def _download(directory: Path, report: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--only-binary", ":all:", "--requirement", str(locks.path(locks.LAMBDA))]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    command += ["--target", str(directory), "--report", str(report)]
    try:
        finished = subprocess.run(  # noqa: S603  our own command
            command, capture_output=True, text=True, timeout=PIP_SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise DependenciesMissing(f"The dependencies for Lambda: pip took longer than {PIP_SECONDS_MAX:g} s") from None
    if finished.returncode:
        reason = "\n".join(finished.stderr.strip().splitlines()[-FAILURE_LINES:])
        raise DependenciesMissing(f"The dependencies for Lambda could not be downloaded:\n{reason}")


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
