"""Serves the files of the web page, as CloudFront does for a deployment."""

from __future__ import annotations

import gzip
import hashlib
import re
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from infra.local.site.problems import Answer, problem
from infra.site_files import REVALIDATE, SiteFiles, content_type

NOT_FOUND = "not-found.html"
"""What browsers get in place of a file that does not exist."""
COMPRESSED = frozenset({".css", ".csv", ".html", ".js", ".json", ".md", ".svg", ".txt"})
"""Compressed for clients that accept it, as CloudFront does."""
_TAG = r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_LIST = re.compile(rf"[ \t,]*(?:{_TAG}[ \t]*(?:,[ \t,]*|$))+")
"""If-None-Match as functions/api/etags.py reads it; a test compares the two."""


class StaticFiles:
    """The files below one directory."""

    def __init__(self, directory: Path) -> None:
        self._files = SiteFiles(directory)

    def answer(self, raw_path: str, if_none_match: str, accept_encoding: str = "", accept: str = "") -> Answer:
        """Answers with the file at a percent-encoded path, or 304. Compressed if the client accepts that."""
        file = self._files.find(unquote(raw_path))
        if file is None:
            return self._not_found(accept)
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

    def _not_found(self, accept: str) -> Answer:
        """A page for browsers, a problem for programs."""
        page = self._files.find(NOT_FOUND)
        if page is None or "text/html" not in accept.lower():
            answer = problem(HTTPStatus.NOT_FOUND, "not_found", "There is no page at this address.")
        else:
            answer = Answer(HTTPStatus.NOT_FOUND, [("Content-Type", content_type(page))], page.read_bytes())
        return answer.with_header("Vary", "Accept")


def _names(if_none_match: str, etag: str) -> bool:
    """Whether the header names this tag. The comparison is weak, as for any GET."""
    if if_none_match.strip() == "*":
        return True
    tags = re.findall(_TAG, if_none_match) if _LIST.fullmatch(if_none_match) else []
    return etag.strip('"') in tags
