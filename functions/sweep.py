"""Runs every minute: repairs lost work, and removes old data."""

from __future__ import annotations

from chalice.app import CloudWatchEvent

from chalicelib.repair import sweeping
from functions.composition import backends


def handle(event: CloudWatchEvent) -> None:  # noqa: ARG001  # the event of a schedule carries nothing
    """Does one round."""
    sweeping.sweep(backends())
