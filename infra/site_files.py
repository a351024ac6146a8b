"""The files of the web page as every server sends them: which there are, their types, and the headers on them.

The local stack serves them itself (infra/local/site); a deployment uploads them for CloudFront (infra/deploy/site.py).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INDEX = "index.html"
REVALIDATE = "no-cache"
"""The browser always asks again, so that a page never runs with the scripts of another version."""
FILE_BYTES_MAX = 16 * 1024 * 1024
TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def security_headers(uploads_to: str) -> list[tuple[str, str]]:
    """For every response. Scripts, styles and images from this site only; connections to it and to the bucket."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {uploads_to}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No script and no markup can be created from text, not even by mistake.
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return [
        ("Content-Security-Policy", "; ".join(f"{name} {value}" for name, value in policy.items())),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]


@dataclass(frozen=True)
class SiteFile:
    """A file as it is sent."""

    content: bytes
    content_type: str


class SiteFiles:
    """The files below one directory, except hidden ones."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    def every(self) -> Iterator[tuple[str, SiteFile]]:
        """All files with their paths, sorted by path."""
        for found in sorted(self._directory.rglob("*")):
            path = found.relative_to(self._directory).as_posix()
            if found.is_file() and (file := self.find(path)) is not None:
                yield path, SiteFile(file.read_bytes(), content_type(file))

    def find(self, path: str) -> Path | None:
        """The file at a decoded URL path; None when there is none that may be sent."""
        parts = [part for part in path.split("/") if part]
        if "\0" in path or "\\" in path or any(part.startswith(".") for part in parts):
            return None
        try:
            file = self._directory.joinpath(*parts).resolve()
            if file.is_dir():
                file /= INDEX
            elif path.endswith("/"):
                return None  # The page's relative links would be wrong.
            # Symbolic links must not lead out of the directory either.
            inside = file.resolve().is_relative_to(self._directory)
            return file if inside and file.is_file() and file.stat().st_size <= FILE_BYTES_MAX else None
        except OSError:
            # A name that is too long, or a directory that may not be read.
            return None


def content_type(file: Path) -> str:
    """By the file's extension."""
    return TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
