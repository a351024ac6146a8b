"""Answers requests for the files of the web page, as CloudFront does for a deployment."""

from __future__ import annotations

import gzip
import hashlib
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from functions.api.etags import is_known
from infra.local.site.problems import Answer, problem
from infra.site_files import REVALIDATE, SiteFiles, content_type

COMPRESSED = frozenset({".css", ".csv", ".html", ".js", ".json", ".svg", ".txt"})
"""Sent compressed to clients that accept it, as CloudFront does."""


class StaticFiles:
    """The files below one directory."""

    def __init__(self, directory: Path) -> None:
        self._files = SiteFiles(directory)

    def answer(self, raw_path: str, if_none_match: str, accept_encoding: str = "") -> Answer:
        """The file at a path of a request line, still percent-encoded; compressed where the client accepts that."""
        file = self._files.find(unquote(raw_path))
        if file is None:
            return problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such page.")
        body = file.read_bytes()
        compressed = "gzip" in accept_encoding and file.suffix in COMPRESSED
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}{"-gzip" if compressed else ""}"'
        headers = [("ETag", etag), ("Cache-Control", REVALIDATE), ("Vary", "Accept-Encoding")]
        if is_known(etag, if_none_match):
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
        headers.append(("Content-Type", content_type(file)))
        if compressed:
            headers.append(("Content-Encoding", "gzip"))
            body = gzip.compress(body, mtime=0)
        return Answer(HTTPStatus.OK, headers, body)
