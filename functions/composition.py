"""The composition root: the backends of this process and what sends webhooks, created once from the settings."""

from __future__ import annotations

from functools import cache

from chalicelib.backends import Backends, connect
from chalicelib.backends.sealing import sealer
from chalicelib.settings import settings
from chalicelib.webhooks.outbound.post import Outbound
from chalicelib.webhooks.webhooks import Sending


@cache
def backends() -> Backends:
    """The database connection and the clients that all functions of this process share."""
    return connect(settings())


@cache
def sending() -> Sending:
    """What is needed to send webhooks. Raises MissingSetting in a function that does not have the key."""
    return Sending(Outbound(settings().webhook_allowed_networks), sealer(settings()))
