"""HTTP answers of the local stack itself. Errors are application/problem+json, like the API's own."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    signed_in: bool | None = None
    """Whether the authorizer accepted the caller; None if it was not asked."""

    def with_header(self, name: str, value: str) -> Answer:
        """The same answer with one more header."""
        return replace(self, headers=[*self.headers, (name, value)])

    def to_json(self) -> dict[str, Any]:
        """For the other process."""
        body = base64.b64encode(self.body).decode()
        return {"status": self.status, "headers": self.headers, "body": body, "signed_in": self.signed_in}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Answer:
        """From the other process."""
        headers = [(name, value) for name, value in content["headers"]]
        return cls(content["status"], headers, base64.b64decode(content["body"]), content["signed_in"])


def problem(status: HTTPStatus, code: str, detail: str) -> Answer:
    """An error as RFC 9457 describes it."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "errors": [],
    }
    return Answer(status, [("Content-Type", PROBLEM_TYPE)], json.dumps(content).encode())
