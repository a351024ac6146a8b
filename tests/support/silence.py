"""For what reports progress to whom it may concern."""

from __future__ import annotations


def silent(_line: str) -> None:
    """Nobody listens."""
