"""/health: whether the service can do its work. Open to everyone, and tells nothing else."""

from __future__ import annotations

from typing import Literal

from chalice.app import Response
from pydantic import BaseModel

from functions.api.routes import Resource, resource_response
from functions.composition import backends

resource = Resource(__name__)


class Health(BaseModel):
    """The service can do its work."""

    status: Literal["ok"] = "ok"


@resource.endpoint("GET", "/health", scope=None, answer=Health)
def read_health() -> Response:
    """200 when the database answers, 503 otherwise."""
    with backends().database.transaction() as transaction:
        transaction.one("ping")
    return resource_response(Health(), resource.request)
