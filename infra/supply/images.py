"""The images of docker-compose.yml, each with the digest of what its tag meant when it was looked up.

A tag can be moved to another image; a digest cannot. Docker pulls what the digest names, on every architecture.
"""

from __future__ import annotations

import re
import subprocess

from infra.project import ROOT

COMPOSE = ROOT / "docker-compose.yml"
SECONDS_MAX = 60.0
PINNED = re.compile(r"(?<=image: )(?P<tagged>[\w./-]+:[\w.-]+)@(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ImageUnknown(Exception):
    """The registry could not be asked for an image. The message says why."""


def renew() -> None:
    """Looks up the digest of each tag in docker-compose.yml. Raises ImageUnknown, and then changes nothing."""
    text = COMPOSE.read_text("utf-8")
    COMPOSE.write_text(PINNED.sub(lambda image: f"{image['tagged']}@{digest(image['tagged'])}", text), "utf-8")


def digest(tagged: str) -> str:
    """Returns the digest of a tag in its registry, which covers all architectures. Raises ImageUnknown."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", tagged]
    try:
        finished = subprocess.run(  # noqa: S603  our own command
            command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageUnknown(f"{tagged}: {error}") from error
    found = finished.stdout.strip()
    if finished.returncode or not DIGEST.fullmatch(found):
        raise ImageUnknown(f"{tagged}: {finished.stderr.strip() or f'docker printed {found!r}'}")
    return found
