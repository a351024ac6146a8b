"""The composition root: the backends of this process, and its way out, bound once from the settings."""

from __future__ import annotations

from functools import cache

from chalicelib.backends import Backends, connect
from chalicelib.backends.sealing import sealer
from chalicelib.settings import settings
from chalicelib.webhooks.outbound.post import Outbound
from chalicelib.webhooks.webhooks import Sending


@cache
def backends() -> Backends:
    """The database connection and clients that every function of this process shares."""
    return connect(settings())


@cache
def sending() -> Sending:
    """What it takes to send to customers. Raises MissingSetting in a function that is not given the key."""
    return Sending(Outbound(settings().webhook_allowed_networks), sealer(settings()))
