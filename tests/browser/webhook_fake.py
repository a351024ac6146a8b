"""A fake of the webhook API inside a test, for scenarios that need exact control.

It keeps webhooks and deliveries in memory and sends nothing: the URL of a webhook decides how its test ends.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Page, Route

Document = dict[str, Any]
Reply = tuple[int, Any, dict[str, str]]
EVENT_TYPES = {
    "product.created": "A product was created.",
    "product.updated": "A product was changed.",
    "product.deleted": "A product was deleted.",
    "products.bulk_deleted": "All products were deleted.",
    "import.completed": "An import was completed.",
    "import.failed": "An import failed.",
}


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass
class Call:
    """The parts of a request that matter here."""

    body: Document
    query: dict[str, str]
    if_match: str | None


@dataclass
class FakeWebhooks:
    """The webhooks and deliveries of a small shop."""

    webhooks: dict[str, Document] = field(default_factory=dict)
    deliveries: dict[str, Document] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    response_body: str = "<b>thanks</b>"

    def install(self, page: Page) -> None:
        """Routes the page's webhook requests to this fake."""
        page.route(re.compile(r"/api/(webhooks|deliveries|event-types)\b"), self._answer)

    def add(self, url: str, **more: Any) -> Document:
        """Adds a webhook, as if it had been created earlier."""
        created: Document = {
            "id": str(uuid.uuid4()),
            "url": url,
            "description": "",
            "events": ["*"],
            "enabled": True,
            "disabled_reason": None,
            "headers": {},
            "created_at": _now().isoformat(),
            "updated_at": _now().isoformat(),
            "failing_since": None,
            "last_delivery": None,
            "secret_expires_at": None,
            **more,
        }
        self.webhooks[created["id"]] = created
        self.versions[created["id"]] = 1
        return created

    def named(self, url: str) -> Document:
        """The webhook with this URL."""
        return next(each for each in self.webhooks.values() if each["url"] == url)

    def change(self, webhook: Document, **changes: Any) -> None:
        """Edits a webhook as another user would."""
        webhook.update(changes)
        self.versions[webhook["id"]] += 1

    def deliver(self, webhook: Document, event_type: str, *answers: tuple[int | None, int], **more: Any) -> Document:
        """Adds a delivery with one attempt per answer, given as status code and milliseconds."""
        began = more.pop("began", _now())
        error = "The connection was refused."
        attempts = [
            {
                "number": number,
                "at": (began + timedelta(minutes=number - 1)).isoformat(),
                "milliseconds": milliseconds,
                "status_code": code,
                "error": None if code else error,
                "request_headers": {"Content-Type": "application/json", "webhook-id": "msg_1"},
                "response_body": self.response_body if code else None,
            }
            for number, (code, milliseconds) in enumerate(answers, start=1)
        ]
        code, milliseconds = answers[-1] if answers else (None, None)
        delivered = code is not None and 200 <= code < 300
        created: Document = {
            "id": str(uuid.uuid4()),
            "webhook_id": webhook["id"],
            "event_id": str(uuid.uuid4()),
            "event_type": event_type,
            "status": ("delivered" if delivered else "failed") if answers else "pending",
            "test": False,
            "attempt_count": len(attempts),
            "next_attempt_at": None,
            "created_at": began.isoformat(),
            "finished_at": began.isoformat() if answers else None,
            "status_code": code,
            "milliseconds": milliseconds,
            "error": error if answers and not code else None,
            "request_body": json.dumps({"type": event_type, "timestamp": began.isoformat(), "data": {"sku": "A-1"}}),
            "attempts": attempts,
            **more,
        }
        self.deliveries[created["id"]] = created
        if answers:
            webhook["last_delivery"] = {
                "status_code": code,
                "milliseconds": milliseconds,
                "at": began.isoformat(),
                "error": created["error"],
            }
        return created

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _answer(self, route: Route) -> None:
        request = route.request
        parts = urlsplit(request.url)
        asked = f"{request.method} {parts.path.removeprefix('/api')}"
        self.asked.append(asked)
        body = json.loads(request.post_data) if request.post_data else {}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        call = Call(body, query, request.headers.get("if-match"))
        status, content, headers = self._carry_out(asked, call)
        kind = "application/json" if status < 400 else "application/problem+json"
        route.fulfill(status=status, content_type=kind, headers=headers, body=json.dumps(content))

    def _carry_out(self, asked: str, call: Call) -> Reply:
        routes: dict[str, Callable[..., Reply]] = {
            "GET /event-types": self._types,
            "GET /webhooks": lambda call: _page([_without_values(each) for each in self.webhooks.values()][::-1], call),
            "POST /webhooks": self._create,
            "GET /webhooks/([^/]+)": lambda _, webhook_id: self._shown(webhook_id),
            "PATCH /webhooks/([^/]+)": self._change,
            "DELETE /webhooks/([^/]+)": self._delete,
            "POST /webhooks/([^/]+)/test": self._test,
            "POST /webhooks/([^/]+)/rotate-secret": self._rotate,
            "POST /webhooks/([^/]+)/redeliver": self._redeliver_failed,
            "GET /webhooks/([^/]+)/deliveries": self._deliveries,
            "GET /deliveries/([^/]+)": lambda _, delivery_id: (200, self.deliveries[delivery_id], {}),
            "POST /deliveries/([^/]+)/redeliver": self._redeliver,
        }
        for pattern, carry_out in routes.items():
            if found := re.fullmatch(pattern, asked):
                return carry_out(call, *found.groups())
        raise AssertionError(f"the page asked for {asked}")

    def _types(self, _: Call) -> Reply:
        items = [{"type": name, "description": text, "example": {}} for name, text in EVENT_TYPES.items()]
        return 200, {"items": items}, {}

    def _delete(self, _: Call, webhook_id: str) -> Reply:
        del self.webhooks[webhook_id]
        return 204, None, {}

    def _test(self, _: Call, webhook_id: str) -> Reply:
        if webhook_id not in self.webhooks:
            return self._shown(webhook_id)
        webhook = self.webhooks[webhook_id]
        answer = (None, 5000) if "down" in webhook["url"] else (200, 12)
        created = self.deliver(webhook, "product.created", answer, test=True)
        return 202, {**created, "status": "pending"}, {"Location": f"/api/deliveries/{created['id']}"}

    def _rotate(self, _: Call, webhook_id: str) -> Reply:
        self.webhooks[webhook_id]["secret_expires_at"] = (_now() + timedelta(days=1)).isoformat()
        return 200, {**self.webhooks[webhook_id], "secret": "whsec_rotated"}, {}

    def _redeliver_failed(self, call: Call, webhook_id: str) -> Reply:
        assert datetime.fromisoformat(call.body["since"])
        failed = [each for each in self._of(webhook_id) if each["status"] == "failed"]
        for each in failed:
            each["status"] = "delivered"
        return 202, {"redelivered": len(failed)}, {}

    def _deliveries(self, call: Call, webhook_id: str) -> Reply:
        wanted = call.query.get("status")
        return _page([each for each in self._of(webhook_id) if wanted in {None, each["status"]}], call)

    def _redeliver(self, _: Call, delivery_id: str) -> Reply:
        again = self.deliveries[delivery_id]
        return 202, self.deliver(self.webhooks[again["webhook_id"]], again["event_type"], (200, 21)), {}

    def _of(self, webhook_id: str) -> list[Document]:
        return [each for each in self.deliveries.values() if each["webhook_id"] == webhook_id][::-1]

    def _shown(self, webhook_id: str) -> Reply:
        if webhook_id not in self.webhooks:
            return 404, _problem(404, "Not found", f"There is no webhook {webhook_id}"), {}
        shown = _without_values(self.webhooks[webhook_id])
        return 200, shown, {"ETag": f'"{self.versions[webhook_id]}-{_digest(shown)}"'}

    def _create(self, call: Call) -> Reply:
        body = call.body
        errors = []
        if not body["url"].startswith("https://"):
            errors.append({"pointer": "/url", "message": "The URL must start with https://."})
        if not body["events"]:
            errors.append({"pointer": "/events", "message": "Choose at least one."})
        if errors:
            return 422, _problem(422, "Invalid content", "The request body has errors", errors), {}
        return 201, {**self.add(**body), "secret": "whsec_shown-once"}, {}

    def _change(self, call: Call, webhook_id: str) -> Reply:
        # Only the version counts: a delivery does not make an edit conflict.
        if call.if_match and call.if_match.strip('"').partition("-")[0] != str(self.versions[webhook_id]):
            return 412, _problem(412, "Precondition failed", "The webhook has been changed since you read it"), {}
        changes = {**call.body}
        stored = self.webhooks[webhook_id]["headers"]
        given = changes.get("headers", dict.fromkeys(stored))
        moved = urlsplit(changes.get("url", "")).netloc not in {"", urlsplit(self.webhooks[webhook_id]["url"]).netloc}
        if moved and None in given.values():
            message = f"Enter the values of {', '.join(given)} again, or remove these headers."
            return 422, _problem(422, "Invalid", message, [{"pointer": "/headers", "message": message}]), {}
        if "headers" in changes:
            for name in [name for name, value in changes["headers"].items() if value is None and name not in stored]:
                message = f"The header {name} has no saved value to keep; give it a value."
                return 422, _problem(422, "Invalid", message, [{"pointer": "/headers", "message": message}]), {}
            changes["headers"] = {
                name: stored[name] if value is None else value for name, value in changes["headers"].items()
            }
        self.change(self.webhooks[webhook_id], **changes)
        return self._shown(webhook_id)


def _without_values(webhook: Document) -> Document:
    return {**webhook, "headers": dict.fromkeys(webhook["headers"])}


def _page(items: list[Document], call: Call) -> Reply:
    """The requested page of a list. Cursors are opaque to the page; here they are offsets."""
    start, limit = int(call.query.get("cursor", 0)), int(call.query["limit"])

    def link(cursor: int) -> str:
        return f"/api/list?{urlencode({**call.query, 'cursor': cursor})}"

    shown = {
        "items": items[start : start + limit],
        "total": len(items),
        "total_is_estimate": False,
        "next": link(start + limit) if start + limit < len(items) else None,
        "prev": link(max(0, start - limit)) if start else None,
    }
    return 200, shown, {"ETag": f'"{_digest(shown)}"'}


def _digest(shown: Document) -> str:
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]


def _problem(status: int, title: str, detail: str, errors: list[Document] | None = None) -> Document:
    code = title.lower().replace(" ", "_")
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": errors or [],
    }
