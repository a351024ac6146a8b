"""Two ways in which people change the catalogue: through the domain, and through the HTTP API as a browser does.

Each history uses one of them. Both return the same: the result, or that the change was refused.
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
from tests.integration.fakes import MemoryFileStore
from tests.support.sequential_model import Product

CREATED, OK, ACCEPTED, DONE = 201, 200, 202, 204
TAKEN, CHANGED = "sku_taken", "precondition_failed"
REFUSALS = {
    404: {"not_found"},
    409: {TAKEN, "import_ended", "import_not_failed", "not_retryable"},
    412: {CHANGED},
}


class Condition(Enum):
    """The condition of a write on the content that it replaces."""

    NONE = "none"
    CURRENT = "current"
    """The content is what was just read."""
    OUTDATED = "outdated"
    """The content is something that it never was."""


class Refused(Exception):
    """A change was refused at this moment, so it is not an operation. `code` is the reason."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Writer(Protocol):
    """What people do. Every method raises Refused when the change is impossible at this moment."""

    def upload(self, key: str, content: bytes) -> StoredFile: ...

    def cancel(self, import_id: uuid.UUID) -> None: ...

    def retry(self, import_id: uuid.UUID) -> None: ...

    def create(self, content: Content) -> Product: ...

    def edit(self, product_id: int, changes: Changes, condition: Condition) -> Product: ...

    def delete(self, product_id: int, condition: Condition) -> None: ...

    def delete_everything(self) -> uuid.UUID: ...


class DomainWriter:
    """Calls the domain. Files are put into the bucket directly."""

    def __init__(self, backends: Backends, files: MemoryFileStore) -> None:
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
            return _written(products.create(self._backends, content))

    def edit(self, product_id: int, changes: Changes, condition: Condition) -> Product:
        with _refusing():
            return _written(products.edit(self._backends, product_id, changes, self._expected(product_id, condition)))

    def delete(self, product_id: int, condition: Condition) -> None:
        with _refusing():
            products.delete(self._backends, product_id, self._expected(product_id, condition))

    def delete_everything(self) -> uuid.UUID:
        return bulk_deletes.accept(self._backends).id

    def _expected(self, product_id: int, condition: Condition) -> frozenset[int] | None:
        if condition is Condition.NONE:
            return None
        with self._backends.database.transaction() as transaction:
            version = listing.get(transaction, product_id).content_version
        return frozenset({version if condition is Condition.CURRENT else version + 1})


class HttpWriter:
    """Calls the API. Registers a file and puts it at its link; PUTs a whole product, PATCHes some fields."""

    def __init__(self, app: Chalice, token: str, files: MemoryFileStore) -> None:
        self._gateway, self._files = LocalGateway(app, Config()), files
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def upload(self, key: str, content: bytes) -> StoredFile:
        registered = self._call(CREATED, "POST", "/imports", {"filename": key, "size_bytes": len(content)})
        upload = registered["upload"]
        assert self._files.follow_upload(upload["url"], upload["headers"], content) == OK
        return self._files.find(self._files.key_of(upload["url"]))

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


def _written(product: products.Product) -> Product:
    return product.sku, product.name, product.description, product.active


def _product(found: dict[str, Any]) -> Product:
    return found["sku"], found["name"], found["description"], found["active"]


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (NotFound, Conflict, PreconditionFailed) as refusal:
        raise Refused(refusal.code) from refusal
