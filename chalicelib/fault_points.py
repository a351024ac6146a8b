"""Named points at which a test may kill the work. They do nothing unless a test switches them on.

Each is where a crash would do most harm: between a commit and the message that should follow it, or after a write and
before its commit. `POINTS` lists them all, so that a test can visit every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

POINTS = (
    "accept.before_commit",
    "accept.after_commit",
    "arrival.after_accept",
    "split.after_head",
    "split.after_rewrite",
    "rewrite.before_wake",
    "split.before_begin_commit",
    "split.after_begin_commit",
    "split.after_resume",
    "split.before_record",
    "split.after_chunks",
    "split.before_record_commit",
    "split.after_record_commit",
    "split.after_send",
    "split.before_done_commit",
    "split.before_hand_over",
    "chunk.after_fetch",
    "chunk.inside_copy",
    "chunk.after_copy",
    "chunk.after_lock",
    "chunk.after_upsert",
    "chunk.after_rejected",
    "chunk.after_finish",
    "chunk.before_commit",
    "chunk.after_commit",
    "chunk.after_send",
    "pieces.before_cut_commit",
    "pieces.after_cut",
    "pieces.after_send",
    "completion.after_status",
    "completion.after_event",
    "fail.after_status",
    "retry.after_commit",
    "sweep.after_cursor",
    "sweep.before_wake_commit",
    "sweep.before_wake",
    "dead_letter.before_commit",
    "bulk_delete.before_accept_commit",
    "bulk_delete.before_send",
    "bulk_delete.before_wake",
    "bulk_delete.after_step",
    "bulk_delete.before_step_commit",
    "bulk_delete.before_hand_over",
    "export.before_accept_commit",
    "export.before_send",
    "export.before_wake",
    "export.after_open",
    "export.after_part",
    "export.before_step_commit",
    "export.before_hand_over",
    "export.before_finish",
    "export.after_finish",
    "export.before_complete_commit",
    "relay.before_commit",
    "relay.before_send",
    "delivery.before_wake",
    "delivery.after_claim",
    "delivery.after_send",
    "delivery.before_commit",
    "delivery.after_record",
    "indexing.between_steps",
    "indexing.after_range",
    "indexing.before_commit",
)

_on_reach: Callable[[str], None] | None = None


def fault_point(name: str) -> None:
    """Does nothing, outside tests."""
    if _on_reach is not None:
        _on_reach(name)


@contextmanager
def switched_on(on_reach: Callable[[str], None]) -> Iterator[None]:
    """Calls `on_reach` with the name of every point that is reached."""
    global _on_reach
    _on_reach = on_reach
    try:
        yield
    finally:
        _on_reach = None
