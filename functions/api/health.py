"""/health: whether the service works. Public, and discloses nothing else."""

from __future__ import annotations

from typing import Literal

from chalice.app import Response
from pydantic import BaseModel

from functions.api.routes import Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


class Health(BaseModel):
    """The service works."""

    status: Literal["ok"] = "ok"


@resource.endpoint("GET", "/health", scope=None, answer=Health)
def read_health() -> Response:
    """Returns 200 if the database answers, 503 otherwise."""
    with backends().database.transaction() as transaction:
        transaction.exists("ping")
    return resource_response(Health(), resource.request)
