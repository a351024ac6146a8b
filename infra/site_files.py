"""The files of the web page as every server sends them: their paths, their types, and the headers of responses.

The local stack serves them itself (infra/local/site); a deployment uploads them for CloudFront (infra/deploy/site.py).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

INDEX = "index.html"
REVALIDATE = "no-cache"
"""The browser always checks for changes, so that a page never runs with the scripts of another version."""
GUIDES = {"webhooks.txt": "docs/webhooks.md"}
"""Documentation that the page links to: its path on the site, and in the project."""
FILE_BYTES_MAX = 16 * 1024 * 1024
TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def security_headers(uploads_to: str) -> list[tuple[str, str]]:
    """Headers for every response. Scripts, styles and images: this site only; connections: this site and the bucket."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {uploads_to}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No script can turn text into code or markup, not even by mistake.
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
    """A file and its content type."""

    content: bytes
    content_type: str


class SiteFiles:
    """The files below the directory of the page, except hidden ones, and the guides of the project beside it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    def every(self) -> Iterator[tuple[str, SiteFile]]:
        """All files with their paths, sorted by path."""
        below = (each.relative_to(self._directory).as_posix() for each in self._directory.rglob("*") if each.is_file())
        for path in sorted([*below, *GUIDES]):
            if (file := self.find(path)) is not None:
                yield path, SiteFile(file.read_bytes(), content_type(file))

    def find(self, path: str) -> Path | None:
        """The file at a decoded URL path; None when no file there may be sent."""
        if guide := GUIDES.get(path.removeprefix("/")):
            file = self._directory.parent / guide
            return file if file.is_file() else None
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
            # The name is too long, or a directory is not readable.
            return None


def content_type(file: Path) -> str:
    """The content type for a file's extension."""
    return TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
