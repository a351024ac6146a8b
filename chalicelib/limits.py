"""Every limit, in one place. The unit is the last word of each name.

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
MERGE_ROWS_MIN = 10_000
"""Into a catalogue with fewer rows by PostgreSQL's statistics, chunks are written by the statement without a join."""
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
CURSOR_CHARACTERS_MAX = 1_500
"""Room for the longest key of a SKU: 64 characters that NFC makes three of, four bytes each, in base64."""
FILTER_CHARACTERS_MAX = 255
CATALOGUE_COUNT_ROWS_MAX = 50_000
"""Up to so many products are counted one by one, where their number is not known from the copy; more are estimated."""
POLL_SECONDS = 1
"""How long clients are asked to wait before they look again at something that runs."""
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
IDEMPOTENCY_KEY_SECONDS = 24 * 3600
"""How long a key is remembered with the answer to its request."""
IDEMPOTENCY_CLAIM_SECONDS = 60
"""A request that has not ended after this long was killed (no function behind the API runs longer): its key is free."""
SWEEP_IDEMPOTENCY_KEYS_MAX = 5_000
"""How many forgotten keys one sweep removes."""

# --- tokens ---------------------------------------------------------------------------------------------------
TOKEN_NAME_CHARACTERS_MAX = 100
TOKENS_LISTED_MAX = 1_000

# --- time and repair ------------------------------------------------------------------------------------------
INVOCATION_RESERVE_SECONDS = 20
"""The splitter continues itself in a new invocation when less than this is left of its time limit."""
STALLED_SECONDS = 120
"""An import without any advance for this long has its messages sent again by the sweep."""
ADVANCING_SECONDS = 120
"""What has advanced within this time may be at work still (no step outlives its function): no dead letter ends it."""
ABANDONED_SECONDS = 24 * 3600
"""An import that has not finished this long after its last advance fails."""
SWEEP_IMPORTS_MAX = 100
"""How many imports one sweep repairs; the next sweep goes on."""
SWEEP_BULK_DELETES_MAX = 100
"""How many bulk deletes one sweep wakes."""
SWEEP_EXPORTS_MAX = 100
"""How many exports one sweep wakes."""
SWEEP_LIST_VERSIONS_MAX = 1000
"""How many object versions one sweep looks at for dropped files without an event."""
SWEEP_EVENT_SECONDS = 60
"""How long an object's own event is waited for before the sweep accepts the object."""
RETRY_SECONDS_MIN = 5
RETRY_FACTOR = 4
RETRY_SECONDS_MAX = 300
"""A message that failed on a transient error waits 5, 20, 80, 300 s between its tries: longer than a failover."""
UNFINISHED_PERCENT_MAX = 99.9
"""Only what is completed shows 100 percent."""
RATE_WINDOW_SECONDS = 10
"""Rate and remaining time are taken from what was done in this window."""
THROUGHPUT_STEPS_MAX = 60
"""So many points the picture of an import's speed has at the most."""
DOWNLOAD_EXPIRES_SECONDS = 300
"""How long a presigned link to a file we made can be opened."""

# --- the connection to the database ---------------------------------------------------------------------------
CONNECTION_IDLE_SECONDS_MAX = 300
"""One that was not used for longer is not trusted: AWS's networks forget it after 350 s, without telling anybody."""
CONNECTION_UNANSWERED_SECONDS_MAX = 6
"""Whoever is silent for so long is gone. The authorizer, which has 10 s, then has time left to connect anew."""
CONNECTION_PROBE_SECONDS = 2
"""How often the other side is asked whether it is there, while it has nothing to say."""

# --- exports --------------------------------------------------------------------------------------------------
EXPORTS_UNFINISHED_MAX = 20
"""So many exports wait or run at a time; a new one is refused."""
EXPORT_PAGE_ROWS = 1_000
EXPORT_PAGE_BYTES = 4 * MIB
"""So many rows, and bytes of their descriptions, are looked at in one transaction."""
EXPORT_PART_BYTES = 8 * MIB
"""Read before a part is uploaded. S3 takes 5 MiB at least."""
EXPORT_STEP_PAGES_MAX = 200
"""A step ends after so many pages though they made no part: few rows match the filter."""
EXPORT_STEPS_MAX = 10_000
"""S3 numbers parts up to here, and each step may write one: 78 GiB, or two billion rows looked at."""

# --- search ---------------------------------------------------------------------------------------------------
SAMPLE_PAGES = 750
"""Of so many pages of the table (8 KiB, some ten products each) the first look at a filter is taken."""
SAMPLE_MATCHES_MIN = 25
"""So many products in the sample pass a filter that is called common: one in some 300."""
WALK_ROWS_MAX = 25_000
"""So many products are looked at in order for a page of a common filter; if that is not enough, the index is asked."""
SEARCH_EDITS_MAX = 10_000
"""With more edits beside the copy of the catalogue it is not used: they would have to be looked through each time."""
INDEX_STEP_ROWS = 5_000
INDEX_STEP_BYTES = 8 * MIB
"""So many products, and bytes of their descriptions, are copied in one transaction."""

# --- products and bulk deletes --------------------------------------------------------------------------------
WRITE_ATTEMPTS_MAX = 5
"""How often an edit that lost a race for its rows starts again."""
BULK_DELETE_STEP_ROWS = 5_000
"""Rows deleted in one transaction."""
TOMBSTONE_SECONDS_MIN = 3600
"""A tombstone is kept at least this long, and as long as an import accepted before it may still write."""
SWEEP_TOMBSTONES_MAX = 5_000
"""How many tombstones one sweep removes."""

# --- webhooks -------------------------------------------------------------------------------------------------
URL_CHARACTERS_MAX = 2_048
ADDRESSES_TRIED_MAX = 3
"""Of the addresses of a webhook's host, all of which must be safe, so many are tried."""
CONNECT_SECONDS_MAX = 5
"""Finding the addresses of a webhook's host and connecting to one of them takes no longer."""
EXCHANGE_SECONDS_MAX = 15
"""From looking up the host to the last byte of the answer, however slowly it drips."""
ANSWER_BYTES_MAX = 64 * KIB
"""So much of the body of an answer is read."""
ANSWER_HEADERS_BYTES_MAX = 64 * KIB
RETRY_AFTER_SECONDS_MAX = 24 * 3600
"""A receiver can ask for a longer wait than the schedule's, up to the longest that the schedule has."""
UNWRAPPED_KEYS_MAX = 1_000
"""So many keys of webhooks' secrets, 32 bytes each, a process remembers after KMS unwrapped them."""
WEBHOOKS_MAX = 100
WEBHOOK_DESCRIPTION_CHARACTERS_MAX = 255
WEBHOOK_HEADERS_MAX = 10
WEBHOOK_HEADER_NAME_CHARACTERS_MAX = 64
WEBHOOK_HEADER_VALUE_CHARACTERS_MAX = 1_024
SECRET_OVERLAP_SECONDS = 24 * 3600
"""A secret that was replaced signs along for so long, beside the new one."""
EVENT_BYTES_MAX = 20_000
"""No message is larger; SQS, proxies and small servers take it easily."""
EVENT_DESCRIPTION_BYTES_MAX = 12_000
"""So much of a product's description is told, in JSON; of a longer one its beginning."""
RELAY_BATCH_EVENTS = 100
"""So many events get their positions and deliveries in one transaction."""
EVENTS_KEPT_DAYS = 30
"""Events, their deliveries and the log of their attempts are kept so long; those that still wait are kept longer."""
SWEEP_EVENTS_MAX = 5_000
"""How many old events one sweep removes."""
WEBHOOK_CONCURRENT_MAX = 3
"""So many attempts at one webhook run at a time, once it answers well and soon; until then one."""
QUICK_MILLISECONDS = 2_000
"""An answer that comes within this time is soon."""
DELIVERY_LEASE_SECONDS = EXCHANGE_SECONDS_MAX + 5
"""Whoever makes an attempt has a delivery to himself for so long; after that he is taken for killed."""
DELIVERY_TURN_SECONDS = 5
"""A function makes attempts at one webhook for so long, one after the other; then it is another webhook's turn."""
DELAYED_MESSAGE_SECONDS_MAX = 900
"""SQS delays no message for longer; the sweep wakes what is due later."""
FAILING_SECONDS_MAX = 5 * 24 * 3600
"""A webhook that has failed for so long, without one success, is switched off."""
LOG_TEXT_CHARACTERS_MAX = 16 * KIB
"""Of a longer text in a log line its end is written: there a traceback has its cause."""
RESPONSE_BYTES_KEPT = 4 * KIB
"""So much of each answer is kept in the log."""
SECRET_CHARACTERS_MIN = 8
"""Where an answer quotes a word of a header that it was sent, the log hides it, if it is as long as this."""
ATTEMPTS_SHOWN_MAX = 100
DELIVERIES_COUNT_MAX = 10_000
"""Up to so many deliveries of a webhook are counted; of more it is said that there are at least these."""
REDELIVERED_MAX = 10_000
"""So many failed deliveries are sent again at one request."""
SWEEP_WEBHOOKS_MAX = WEBHOOKS_MAX
"""How many webhooks with deliveries that nobody works on one sweep wakes: all there can be."""
