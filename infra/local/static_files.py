"""The web page: files of web/ as they are, with headers that let them do no more than they need."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from functions.api.conditions import is_known
from infra.local.problems import Answer, problem

INDEX = "index.html"
REVALIDATE = "no-cache"
"""Always asked for again, so that a page never runs with the scripts of another version."""
FILE_BYTES_MAX = 16 * 1024 * 1024
PACKED = frozenset({".css", ".csv", ".html", ".js", ".json", ".svg", ".txt"})
"""What is sent packed to those who accept it, as CloudFront does."""
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
    """For every answer. Scripts, styles, pictures from here only; connections to here and, for uploads, the bucket."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": f"'self' {uploads_to}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No script can be made of text, nor markup: not even by mistake.
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
class StaticFile:
    """What is sent for a path."""

    content: bytes
    content_type: str


class StaticFiles:
    """The files below one directory, hidden ones excepted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    def answer(self, raw_path: str, if_none_match: str, accept_encoding: str = "") -> Answer:
        """The file at a path as it stands in the request line, still percent-encoded; packed where that is accepted."""
        file = self._find(unquote(raw_path))
        if file is None:
            return problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such page.")
        body = file.read_bytes()
        packed = "gzip" in accept_encoding and file.suffix in PACKED
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}{"-gzip" if packed else ""}"'
        headers = [("ETag", etag), ("Cache-Control", REVALIDATE), ("Vary", "Accept-Encoding")]
        if is_known(etag, if_none_match):
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
        headers.append(("Content-Type", _type(file)))
        if packed:
            headers.append(("Content-Encoding", "gzip"))
            body = gzip.compress(body, mtime=0)
        return Answer(HTTPStatus.OK, headers, body)

    def every(self) -> Iterator[tuple[str, StaticFile]]:
        """All files by their paths, for whoever sends them instead of us."""
        for found in sorted(self._directory.rglob("*")):
            path = found.relative_to(self._directory).as_posix()
            if found.is_file() and (file := self._find(path)) is not None:
                yield path, StaticFile(file.read_bytes(), _type(file))

    def _find(self, path: str) -> Path | None:
        parts = [part for part in path.split("/") if part]
        if "\0" in path or "\\" in path or any(part.startswith(".") for part in parts):
            return None
        try:
            file = self._directory.joinpath(*parts).resolve()
            if file.is_dir():
                file /= INDEX
            elif path.endswith("/"):
                return None  # The page's relative links would lead nowhere.
            # Links may not lead out of the directory either.
            inside = file.resolve().is_relative_to(self._directory)
            return file if inside and file.is_file() and file.stat().st_size <= FILE_BYTES_MAX else None
        except OSError:
            # A name that is too long, or a directory that may not be read.
            return None


def _type(file: Path) -> str:
    return TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
