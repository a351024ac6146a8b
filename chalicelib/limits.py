"""Every limit of the import path, in one place. The unit is the last word of each name.

docs/architecture.md lists them for users; tests use these names, never the numbers.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# --- the file -------------------------------------------------------------------------------------------------
FILE_BYTES_MAX = 5 * GIB
"""S3 accepts no larger object in one PUT."""
FILENAME_CHARACTERS_MAX = 255
HEADER_BYTES_MAX = 1 * MIB
COLUMNS_MAX = 10_000
RECORD_BYTES_MAX = 1 * MIB
"""A longer record is taken for an unclosed quote: its first physical line is rejected, the next one starts afresh."""
LINES_MAX = 2**32 - 1
"""A row's version holds its line in 32 bits."""
FILE_HEAD_BYTES = 4 * KIB
"""So many of a file's first bytes tell what kind of file it is."""
TRANSCODE_STEP_BYTES = 1 * MIB
"""A gzip file is unpacked in steps of at most this size, whatever it expands to."""

# --- the fields -----------------------------------------------------------------------------------------------
SKU_CHARACTERS_MAX = 64
NAME_CHARACTERS_MAX = 255
DESCRIPTION_BYTES_MAX = 64 * KIB
FIELD_CHARACTERS_MAX = max(HEADER_BYTES_MAX, RECORD_BYTES_MAX)
"""No field is longer than the record it stands in; csv's own limit of 128 KiB is raised to this."""

# --- splitting ------------------------------------------------------------------------------------------------
CHUNK_BYTES = 2 * MIB
"""A chunk ends at the last record boundary within this many bytes, or at its first record's end."""
SCAN_BLOCK_BYTES = 8 * MIB
"""How much of the object the splitter reads at a time."""

# --- what messages quote of a file ----------------------------------------------------------------------------
COLUMNS_SHOWN_MAX = 10
VALUE_CHARACTERS_SHOWN_MAX = 40

# --- what is kept of bad rows ---------------------------------------------------------------------------------
REJECTED_ROWS_STORED_MAX = 100_000
OVERSIZED_ROW_BYTES_STORED = 1 * KIB
"""Of a single line longer than a record may be, only its beginning is kept."""
REJECTED_BYTES_STORED_MAX = 64 * MIB
"""Raw bytes of rejected rows kept per import."""
REJECTED_ROWS_PER_READ = 500
"""The CSV of rejected rows is written page by page; a page holds no more than is kept in all, usually 100 KB."""

# --- uploads --------------------------------------------------------------------------------------------------
UPLOAD_EXPIRES_SECONDS = 3600
"""How long a presigned link may start an upload; one that has started may finish."""
UPLOAD_GRACE_SECONDS = 3600
"""How long after the link expired a slow upload is still waited for."""
REWRITE_PART_BYTES = 16 * MIB
"""Part size of a rewritten object: 10,000 parts hold more than any file."""

# --- requests -------------------------------------------------------------------------------------------------
BODY_BYTES_MAX = 1 * MIB
PAGE_ITEMS_MAX = 200
PAGE_ITEMS_DEFAULT = 50
CURSOR_CHARACTERS_MAX = 500
POLL_SECONDS = 1
"""How long clients are asked to wait before they look again at something that runs."""
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
IDEMPOTENCY_KEY_SECONDS = 24 * 3600
"""How long a key is remembered with the answer to its request."""
IDEMPOTENCY_CLAIM_SECONDS = 60
"""A request that has not ended after this long was killed (no function behind the API runs longer): its key is free."""
SWEEP_IDEMPOTENCY_KEYS_MAX = 5_000
"""How many forgotten keys one sweep removes."""

# --- time and repair ------------------------------------------------------------------------------------------
INVOCATION_RESERVE_SECONDS = 20
"""The splitter continues itself in a new invocation when less than this is left of its time limit."""
STALLED_SECONDS = 120
"""An import without any advance for this long has its messages sent again by the sweep."""
ABANDONED_SECONDS = 24 * 3600
"""An import that has not finished this long after its last advance fails."""
SWEEP_IMPORTS_MAX = 100
"""How many imports one sweep repairs; the next sweep goes on."""
SWEEP_LIST_VERSIONS_MAX = 1000
"""How many object versions one sweep looks at for dropped files without an event."""
SWEEP_EVENT_SECONDS = 60
"""How long an object's own event is waited for before the sweep accepts the object."""
RETRY_SECONDS_MIN = 5
RETRY_FACTOR = 4
RETRY_SECONDS_MAX = 300
"""A message that failed on a transient error waits 5, 20, 80, 300 s between its tries: longer than a failover."""
RATE_WINDOW_SECONDS = 10
"""Rate and remaining time are taken from what was done in this window."""
DOWNLOAD_EXPIRES_SECONDS = 300
"""How long a presigned link to a file we made can be opened."""

# --- products and bulk deletes --------------------------------------------------------------------------------
WRITE_ATTEMPTS_MAX = 5
"""How often an edit that lost a race for its rows starts again."""
BULK_DELETE_STEP_ROWS = 5_000
"""Rows deleted in one transaction."""
TOMBSTONE_SECONDS_MIN = 3600
"""A tombstone is kept at least this long, and as long as an import accepted before it may still write."""
SWEEP_TOMBSTONES_MAX = 5_000
"""How many tombstones one sweep removes."""
