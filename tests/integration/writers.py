"""Two ways for people to change the catalogue: through the domain, and through the HTTP API as a browser does.

A history is driven by one of them. Both tell the same: what came of it, or that it was refused.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import Enum
from typing import Any, Protocol

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib.backends import Backends
from chalicelib.backends.file_store import StoredFile
from chalicelib.catalogue import bulk_deletes, listing, products
from chalicelib.catalogue.products import Changes, Content
from chalicelib.errors import Conflict, NotFound, PreconditionFailed
from chalicelib.importing import imports
from tests.integration.fakes import LINK, MemoryFiles
from tests.support.sequential_model import Product

CREATED, OK, ACCEPTED, DONE = 201, 200, 202, 204
TAKEN, CHANGED = "sku_taken", "precondition_failed"
REFUSALS = {
    404: {"not_found"},
    409: {TAKEN, "import_ended", "import_not_failed", "not_retryable"},
    412: {CHANGED},
}


class Condition(Enum):
    """What a write asks of the content it replaces."""

    NONE = "none"
    CURRENT = "current"
    """It is what has been read just now."""
    OUTDATED = "outdated"
    """It is something that it never was."""


class Refused(Exception):
    """A condition was judged at the moment: what is refused is no operation. `code` tells which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Hand(Protocol):
    """What people do. Everything raises Refused where it cannot be done at the moment."""

    def upload(self, key: str, content: bytes) -> StoredFile: ...

    def cancel(self, import_id: uuid.UUID) -> None: ...

    def retry(self, import_id: uuid.UUID) -> None: ...

    def create(self, content: Content) -> Product: ...

    def edit(self, product_id: int, changes: Changes, condition: Condition) -> Product: ...

    def delete(self, product_id: int, condition: Condition) -> None: ...

    def delete_everything(self) -> uuid.UUID: ...


class DomainHand:
    """Calls the domain. Files are dropped into the bucket."""

    def __init__(self, backends: Backends, files: MemoryFiles) -> None:
        self._backends, self._files = backends, files

    def upload(self, key: str, content: bytes) -> StoredFile:
        return self._files.put(key, content)

    def cancel(self, import_id: uuid.UUID) -> None:
        with _refusing():
            imports.cancel(self._backends, import_id)

    def retry(self, import_id: uuid.UUID) -> None:
        with _refusing():
            imports.retry(self._backends, import_id)

    def create(self, content: Content) -> Product:
        with _refusing():
            return _product(products.create(self._backends, content))

    def edit(self, product_id: int, changes: Changes, condition: Condition) -> Product:
        with _refusing():
            return _product(products.edit(self._backends, product_id, changes, self._expected(product_id, condition)))

    def delete(self, product_id: int, condition: Condition) -> None:
        with _refusing():
            products.delete(self._backends, product_id, self._expected(product_id, condition))

    def delete_everything(self) -> uuid.UUID:
        accepted = bulk_deletes.accept(self._backends)
        found: uuid.UUID = accepted["id"]
        return found

    def _expected(self, product_id: int, condition: Condition) -> frozenset[int] | None:
        if condition is Condition.NONE:
            return None
        with self._backends.database.transaction() as transaction:
            version = int(listing.get(transaction, product_id)["content_version"])
        return frozenset({version if condition is Condition.CURRENT else version + 1})


class HttpHand:
    """Calls the API. A file is registered and put where the link says; a whole product is PUT, some fields PATCHed."""

    def __init__(self, app: Chalice, token: str, files: MemoryFiles) -> None:
        self._gateway, self._files = LocalGateway(app, Config()), files
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def upload(self, key: str, content: bytes) -> StoredFile:
        registered = self._call(CREATED, "POST", "/imports", {"filename": key, "size_bytes": len(content)})
        return self._files.put(registered["upload"]["url"].removeprefix(LINK), content)

    def cancel(self, import_id: uuid.UUID) -> None:
        assert self._call(OK, "POST", f"/imports/{import_id}/cancel")["status"] == "cancelled"

    def retry(self, import_id: uuid.UUID) -> None:
        assert self._call(ACCEPTED, "POST", f"/imports/{import_id}/retry")["status"] == "processing"

    def create(self, content: Content) -> Product:
        return _product(self._call(CREATED, "POST", "/products", asdict(content)))

    def edit(self, product_id: int, changes: Changes, condition: Condition) -> Product:
        given = {name: value for name, value in asdict(changes).items() if value is not None}
        method = "PUT" if len(given) == len(asdict(changes)) else "PATCH"
        path = f"/products/{product_id}"
        return _product(self._call(OK, method, path, given, **self._condition(path, condition)))

    def delete(self, product_id: int, condition: Condition) -> None:
        path = f"/products/{product_id}"
        self._call(DONE, "DELETE", path, **self._condition(path, condition))

    def delete_everything(self) -> uuid.UUID:
        return uuid.UUID(self._call(ACCEPTED, "POST", "/bulk-deletes", {"confirm": "DELETE ALL"})["id"])

    def _condition(self, path: str, condition: Condition) -> dict[str, str]:
        if condition is Condition.NONE:
            return {}
        answer = self._gateway.handle_request("GET", path, self._headers, b"")
        tag = answer["headers"].get("ETag", "")
        return {"if-match": tag if condition is Condition.CURRENT else f'{tag[:-1]}0"'}

    def _call(self, wanted: int, method: str, path: str, content: object = None, **headers: str) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        answer = self._gateway.handle_request(method, path, {**self._headers, **headers}, body)
        answered: dict[str, Any] = json.loads(answer["body"]) if answer["body"] else {}
        status = answer["statusCode"]
        if answered.get("code") in REFUSALS.get(status, set()):
            raise Refused(answered["code"])
        assert status == wanted, answered
        return answered


def _product(found: dict[str, Any]) -> Product:
    return found["sku"], found["name"], found["description"], found["active"]


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (NotFound, Conflict, PreconditionFailed) as refusal:
        raise Refused(refusal.code) from refusal
