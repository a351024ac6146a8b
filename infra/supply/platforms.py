"""Whether the wheels in a lock suit every platform that is supported. Nothing is installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

SECONDS_MAX = 120.0
LINUX, LINUX_ARM, MACOS = "x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin"
"""As uv calls them. Makers of wheels no longer support Macs with Intel processors."""
PLATFORMS = (LINUX, LINUX_ARM, MACOS)
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
SUPPORTED = {
    # Some makers support less.
    "fuzz": tuple(product((LINUX,), PYTHONS[:3])),
    "localstack": tuple(product(PLATFORMS, PYTHONS[:3])),
    "ministack-cloud": tuple(product(PLATFORMS, PYTHONS[:4])),
    "rivals": tuple(product(PLATFORMS, PYTHONS[:4])),
}


def python_before(name: str) -> tuple[int, int] | None:
    """Returns the first version of Python that a lock does not support, or None if there is none in PYTHONS."""
    supported = {python for _, python in SUPPORTED.get(name, product(PLATFORMS, PYTHONS))}
    versions = [(int(major), int(minor)) for major, minor in (each.split(".") for each in PYTHONS)]
    return next((version for version, python in zip(versions, PYTHONS, strict=True) if python not in supported), None)


def unsuitable(name: str, lock: Path) -> str | None:
    """Returns where a lock cannot be installed, and why, or None if it can be installed everywhere it must."""
    for platform, python in SUPPORTED.get(name, product(PLATFORMS, PYTHONS)):
        reason = _refusal(lock, platform, python)
        if reason is not None:
            return f"{lock.name} cannot be installed with Python {python} on {platform}:\n{reason}"
    return None


def _refusal(lock: Path, platform: str, python: str) -> str | None:
    uv = str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory() as nowhere:
        command = [uv, "pip", "install", "--dry-run", "--quiet", "--require-hashes", "--requirement", str(lock)]
        command += ["--python-platform", platform, "--python-version", python, "--target", nowhere]
        try:
            finished = subprocess.run(  # noqa: S603  our own command
                command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
            )
        except subprocess.TimeoutExpired:
            return f"uv took longer than {SECONDS_MAX:g} s"
    return finished.stderr.strip() if finished.returncode else None
