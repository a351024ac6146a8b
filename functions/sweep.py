"""Scheduled every minute: repairs what was lost."""

from __future__ import annotations

from chalice.app import CloudWatchEvent

from chalicelib.repair import sweeping
from functions.composition import backends


def handle(event: CloudWatchEvent) -> None:  # noqa: ARG001  # the schedule's event says nothing
    """One round of repairs."""
    sweeping.sweep(backends())
