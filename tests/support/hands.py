"""Two ways to write products by hand: through the domain, and through the HTTP API as a browser does.

A history is driven by one of them. Both tell the same: what the product looks like afterwards, or that it was refused.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway

from chalicelib import bulk_deletes, products
from chalicelib.backends import Backends
from chalicelib.errors import Conflict, NotFound
from chalicelib.products import Changes, Content
from tests.support.sequential_model import Product

CREATED, OK, ACCEPTED, DONE = 201, 200, 202, 204
REFUSALS = {404: "not_found", 409: "sku_taken"}


class Refused(Exception):
    """A condition was judged at the moment: what is refused is no operation."""


class Hand(Protocol):
    """What people do to products. Everything raises Refused when the product is not there, or its SKU is taken."""

    def create(self, content: Content) -> Product: ...

    def edit(self, product_id: int, changes: Changes) -> Product: ...

    def delete(self, product_id: int) -> None: ...

    def delete_everything(self) -> uuid.UUID: ...


class DomainHand:
    """Calls the domain."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def create(self, content: Content) -> Product:
        with _refusing():
            return _product(products.create(self._backends, content))

    def edit(self, product_id: int, changes: Changes) -> Product:
        with _refusing():
            return _product(products.edit(self._backends, product_id, changes))

    def delete(self, product_id: int) -> None:
        with _refusing():
            products.delete(self._backends, product_id)

    def delete_everything(self) -> uuid.UUID:
        accepted = bulk_deletes.accept(self._backends)
        found: uuid.UUID = accepted["id"]
        return found


class HttpHand:
    """Calls the API. A whole product is PUT, some of its fields are PATCHed."""

    def __init__(self, app: Chalice, token: str) -> None:
        self._gateway = LocalGateway(app, Config())
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def create(self, content: Content) -> Product:
        return _product(self._call(CREATED, "POST", "/products", asdict(content)))

    def edit(self, product_id: int, changes: Changes) -> Product:
        given = {name: value for name, value in asdict(changes).items() if value is not None}
        method = "PUT" if len(given) == len(asdict(changes)) else "PATCH"
        return _product(self._call(OK, method, f"/products/{product_id}", given))

    def delete(self, product_id: int) -> None:
        self._call(DONE, "DELETE", f"/products/{product_id}")

    def delete_everything(self) -> uuid.UUID:
        return uuid.UUID(self._call(ACCEPTED, "POST", "/bulk-deletes", {"confirm": "DELETE ALL"})["id"])

    def _call(self, wanted: int, method: str, path: str, content: object = None) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        answer = self._gateway.handle_request(method, path, self._headers, body)
        answered: dict[str, Any] = json.loads(answer["body"]) if answer["body"] else {}
        status = answer["statusCode"]
        if REFUSALS.get(status, "") == answered.get("code"):
            raise Refused
        assert status == wanted, answered
        return answered


def _product(found: dict[str, Any]) -> Product:
    return found["sku"], found["name"], found["description"], found["active"]


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except (NotFound, Conflict) as refusal:
        raise Refused from refusal
