"""/openapi.json: what the API is, for programs. Open to everyone: it tells of no data."""

from __future__ import annotations

from chalice.app import Response

from functions.api.endpoints import endpoints_of
from functions.api.openapi import document
from functions.api.routes import PREFIX, Resource, resource_response

resource = Resource(__name__)


@resource.endpoint("GET", "/openapi.json", scope=None)
def read_openapi() -> Response:
    """This document: every route with its parameters, requests, answers and errors, as OpenAPI 3.1."""
    return resource_response(document(endpoints_of(resource.current_app), PREFIX), resource.request)
