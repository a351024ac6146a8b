"""Serves the files of the web page, as CloudFront does for a deployment."""

from __future__ import annotations

import gzip
import hashlib
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from infra.local.site.problems import Answer, problem
from infra.site_files import REVALIDATE, SiteFiles, content_type

COMPRESSED = frozenset({".css", ".csv", ".html", ".js", ".json", ".svg", ".txt"})
"""Compressed for clients that accept it, as CloudFront does."""


class StaticFiles:
    """The files below one directory."""

    def __init__(self, directory: Path) -> None:
        self._files = SiteFiles(directory)

    def answer(self, raw_path: str, if_none_match: str, accept_encoding: str = "") -> Answer:
        """Answers with the file at a percent-encoded path, or 304. Compressed if the client accepts that."""
        file = self._files.find(unquote(raw_path))
        if file is None:
            return problem(HTTPStatus.NOT_FOUND, "not_found", "There is no page at this address.")
        body = file.read_bytes()
        compressed = "gzip" in accept_encoding and file.suffix in COMPRESSED
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}{"-gzip" if compressed else ""}"'
        headers = [("ETag", etag), ("Cache-Control", REVALIDATE), ("Vary", "Accept-Encoding")]
        if _names(if_none_match, etag):
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
        headers.append(("Content-Type", content_type(file)))
        if compressed:
            headers.append(("Content-Encoding", "gzip"))
            body = gzip.compress(body, mtime=0)
        return Answer(HTTPStatus.OK, headers, body)


def _names(if_none_match: str, etag: str) -> bool:
    """Whether the header names this tag. The comparison is weak, as for any GET; our tags contain no comma."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return etag in tags or tags == ["*"]
