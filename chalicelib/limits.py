"""Limits that users see, and tuning values that several modules, or the tests, share.

docs/architecture.md lists the former. Tests use these names, so that a limit has one definition. A tuning value that
only one module uses may be defined there.
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
"""A longer record is treated as an unclosed quote: its first physical line is rejected, the next starts a record."""
LINES_MAX = 2**25 - 1
"""The version of a row holds its line in 25 bits."""
FILE_HEAD_BYTES = 4 * KIB
"""The type of a file is detected from this many bytes at its beginning."""
TRANSCODE_STEP_BYTES = 1 * MIB
"""A gzip file is unpacked in steps of at most this size, however much it expands."""

# --- the fields -----------------------------------------------------------------------------------------------
SKU_CHARACTERS_MAX = 64
NAME_CHARACTERS_MAX = 255
DESCRIPTION_BYTES_MAX = 64 * KIB
FIELD_CHARACTERS_MAX = max(HEADER_BYTES_MAX, RECORD_BYTES_MAX)
"""No field is longer than its record; the csv module's limit of 128 KiB is raised to this."""

# --- splitting ------------------------------------------------------------------------------------------------
CHUNK_BYTES = 2 * MIB
"""A chunk ends at the last record boundary within this many bytes, or at the end of its first record."""
PLAIN_COLUMNS_IGNORED_MAX = 8
"""Chunks with more columns that are not used are parsed: PostgreSQL would have to store them. With long values, the CPU
time of both together is the same at 8 columns; with short ones at 24."""
WRITE_SECONDS_MAX = 15
"""A statement that writes rows of a chunk ends after this time: the chunk then comes back in smaller pieces."""
WRITE_SECONDS_QUICK = 5
"""If a chunk takes longer to write than this, the import gets fewer workers at a time, and smaller pieces."""
CUT_SECONDS = 10
"""This much of a worker's time is kept for cutting a chunk that could not be written in the rest of it."""
CUT_PIECES_MAX = 16
"""A chunk is cut into about this many pieces at a time, at most twice as many; they may be cut again."""
CUT_FACTOR = 4
"""After a time-out, pieces have this fraction of the size that took too long."""
CHUNK_LINES_MAX = 20_000
"""It ends within this many physical lines, too: short rows take as long to write as long ones."""
MERGE_ROWS_MIN = 10_000
"""If PostgreSQL estimates fewer products than this, chunks are written by the statement without a join."""
SCAN_BLOCK_BYTES = 8 * MIB
"""How much of the object the splitter reads at a time."""
SPLIT_SLICE_SECONDS = 2
"""After this time, the splitter continues in a new invocation, so that other files have their turn."""
INLINE_BYTES_MAX = 4 * MIB
INLINE_REWRITTEN_BYTES_MAX = 32 * MIB
"""The splitter itself rewrites files in UTF-8 that are not larger than this, before and after."""
CHUNK_CONCURRENCY = 16
"""How many chunks are written at a time, unless the stage sets another number."""
IN_FLIGHT_PER_WORKER = 2
"""This many chunks of all imports together are sent and not done, for each that can be written at a time."""
REFILL_CHUNKS_MAX = 8
"""A chunk's end sends others once there is room for half of the window, or for this many."""
SPLIT_AHEAD_FACTOR = 4
"""The splitter waits when it is this many times as many chunks ahead as may be in flight."""
SPLIT_AHEAD_CHUNKS_MIN = 32
WAKE_EVERY_CHUNKS = 8
"""When half of its lead is left, the end of every eighth chunk wakes the splitter, in case a message is lost."""

# --- quotes from a file in messages ---------------------------------------------------------------------------
COLUMNS_SHOWN_MAX = 10
VALUE_CHARACTERS_SHOWN_MAX = 40

# --- rejected rows --------------------------------------------------------------------------------------------
REJECTED_ROWS_STORED_MAX = 100_000
OVERSIZED_ROW_BYTES_STORED = 1 * KIB
"""Only the beginning of a line that is longer than a record may be is kept."""
REJECTED_BYTES_STORED_MAX = 64 * MIB
"""Bytes of rejected rows kept per import: the rows themselves, their columns, codes and messages."""
REJECTED_ROWS_PER_READ = 500
"""The CSV of rejected rows is written in pages of this many rows, usually 100 KB."""

# --- uploads --------------------------------------------------------------------------------------------------
UPLOAD_EXPIRES_SECONDS = 3600
"""An upload must start within this time after its link was created; once started, it may finish."""
UPLOAD_GRACE_SECONDS = 3600
"""How long after its link has expired we wait for a slow upload."""

# --- requests -------------------------------------------------------------------------------------------------
BODY_BYTES_MAX = 1 * MIB
BODY_VALUES_MAX = 10_000
"""Values in the JSON of a request. A mebibyte has room for half a million, and each may take 300 bytes of memory."""
PROBLEM_ERRORS_MAX = 50
"""A body of a mebibyte has room for a hundred thousand errors, and Lambda for six megabytes of response."""
POINTER_CHARACTERS_MAX = 200
"""How much of a pointer to an error is shown: a key may be as long as the body."""
API_RESPONSE_BYTES_MAX = 1_000_000
"""No response of the API has a larger body, whatever the request and whatever is stored; tests send the worst."""
PAGE_ITEMS_MAX = 200
PAGE_ITEMS_DEFAULT = 50
PAGE_BYTES_MAX = API_RESPONSE_BYTES_MAX - 100_000
"""A page ends before the item that would take its items beyond this. What is left of the response is for its links."""
LIST_TEXT_CHARACTERS_MAX = 500
"""Items of lists contain at most this much of a description or a rejected row, so that a page has room for many."""
CURSOR_CHARACTERS_MAX = 1_500
"""Room for the longest key of a SKU: 64 characters, each becoming three in NFC, of four bytes each, in base64."""
FILTER_CHARACTERS_MAX = 255
POLL_SECONDS = 1
"""How long clients are asked to wait before they check running work again."""
IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
IDEMPOTENCY_KEY_SECONDS = 24 * 3600
"""How long a key is kept with the answer to its request."""
IDEMPOTENCY_CLAIM_SECONDS = 60
"""A request that has not ended after this time was killed (no API function runs longer): its key is free again."""

# --- tokens ---------------------------------------------------------------------------------------------------
TOKEN_NAME_CHARACTERS_MAX = 100
TOKENS_LISTED_MAX = 1_000
TOKEN_LIFETIME_HOURS_MAX = 10 * 365 * 24
"""An expiry further away is a mistake; a token without one does not expire."""
REQUESTS_PER_TOKEN_PER_MINUTE_MAX = 3_000
"""Half of what API Gateway accepts for the whole stage: one token cannot use all of it."""
REQUEST_RETRY_SECONDS = 1
"""How long a client waits when it has sent too many requests. In this time, 50 more become available."""
IMPORTS_UNFINISHED_PER_TOKEN_MAX = 100
"""How many imports that one token registered may be pending or running: as many as one sweep checks."""
EXPORTS_UNFINISHED_PER_TOKEN_MAX = 10
UNFINISHED_RETRY_SECONDS = 10
"""How long a client waits when it has too many unfinished imports or exports."""

# --- time and repair ------------------------------------------------------------------------------------------
INVOCATION_RESERVE_SECONDS = 20
"""The splitter continues itself in a new invocation when less than this is left of its time limit."""
STALLED_SECONDS = 120
"""If an import has not advanced for this long and messages are missing in the queues, the sweep sends them again."""
LOST_SECONDS = 900
"""After this time it sends them again whatever the queues say, because their counts are approximate."""
ADVANCING_SECONDS = 120
"""Work that has advanced within this time may still be running: a dead letter does not end it."""
ABANDONED_SECONDS = 24 * 3600
"""An import that has not advanced for this long fails."""
SWEEP_IMPORTS_MAX = 100
"""How many imports one sweep repairs; the next sweep continues."""
SWEEP_BULK_DELETES_MAX = 100
"""How many bulk deletes one sweep wakes."""
SWEEP_EXPORTS_MAX = 100
"""How many exports one sweep wakes."""
SWEEP_LIST_VERSIONS_MAX = 1000
"""How many object versions one sweep checks for files whose event was lost."""
KEY_VERSIONS_MAX = 1000
"""How many versions of one key are put in order: a page of a listing. Older ones are accepted as they are found."""
SWEEP_EVENT_SECONDS = 60
"""How long the sweep waits for an object's own event before it accepts the object."""
RETRY_SECONDS_MIN = 5
RETRY_FACTOR = 4
RETRY_SECONDS_MAX = 300
"""A message waits 5, 20, 80, then 300 s after each transient error, for as long as its queue delivers it."""
FAULTS_MAX = 5
"""Work that has ended with this many unexpected errors is not tried again: its message becomes a dead letter."""
FAULT_SECONDS = 10
"""How long such a message waits before the next try."""
UNFINISHED_PERCENT_MAX = 99.9
"""Only completed work shows 100 percent."""
RATE_WINDOW_SECONDS = 10
"""Rate and remaining time are calculated from the work done in this window."""
THROUGHPUT_STEPS_MAX = 60
"""The chart of an import's speed has at most this many points."""
DOWNLOAD_EXPIRES_SECONDS = 300
"""How long a presigned link to one of our files is valid."""

# --- the connection to the database ---------------------------------------------------------------------------
CONNECTION_IDLE_SECONDS_MAX = 300
"""A connection that was idle for longer is replaced: AWS's networks silently drop it after 350 s."""
CONNECTION_UNANSWERED_SECONDS_MAX = 6
"""A server that is silent for this long is gone. The authorizer, which has 10 s, still has time to reconnect."""
CONNECTION_PROBE_SECONDS = 2
"""How often a silent server is probed."""
STATEMENT_SECONDS_MAX = 60
LOCK_WAIT_SECONDS_MAX = 30
IDLE_IN_TRANSACTION_SECONDS_MAX = 5
"""After these times, PostgreSQL ends a statement, its wait for a lock, or a transaction whose client does nothing."""
ROLE_ATTEMPTS_MAX = 5
"""How often the change of a role is tried when another database of the server changes it at the same moment."""

# --- exports --------------------------------------------------------------------------------------------------
EXPORT_PAGE_ROWS = 1_000
EXPORT_PAGE_BYTES = 4 * MIB
"""At most this many rows, and bytes of their descriptions, are read in one transaction."""
EXPORT_PART_BYTES = 8 * MIB
"""A part is uploaded once it has this size. S3 requires at least 5 MiB."""
EXPORT_STEP_PAGES_MAX = 200
"""A step ends after this many pages even if they do not fill a part, because few rows match the filter."""
EXPORT_STEPS_MAX = 10_000
"""S3 allows this many parts, and each step may write one: 78 GiB, or two billion rows read."""

# --- search ---------------------------------------------------------------------------------------------------
SAMPLE_PAGES = 750
"""A filter is first tried on a sample of this many pages of the table (8 KiB, some ten products each)."""
SAMPLE_MATCHES_MIN = 25
"""A filter is common if at least this many products of the sample match: about one in 300."""
SAMPLE_MATCHES_SURE = 100
"""With fewer matches than this, an estimate of their number may be wrong by a third: a larger sample is taken."""
SAMPLE_FACTOR = 4
"""How many times as large it is."""
SAMPLE_FEW_PAGES = 40
"""A sample of this many pages shows which words half of all SKUs contain."""
SAMPLE_SEED = 1
"""Which pages are in the sample: always the same, so that the total does not change when a page is loaded again."""
WALK_ROWS_MAX = 25_000
"""For a page of a common filter, at most this many products are read in order before the index is used instead."""
SEARCH_CHANGES_MAX = 10_000
"""With more changed products than this beside the search copy, it is not used: every search would have to read all of
them."""
INDEX_STEP_ROWS = 5_000
INDEX_STEP_BYTES = 8 * MIB
"""At most this many products, and bytes of their descriptions, are copied in one transaction."""
INDEX_STEP_CHANGES = 5_000
"""At most this many changes (edits, or chunks of imports) are taken from the record at a time."""
INDEX_AGAIN_SECONDS = 1
"""After this time, indexing looks again for changes that could not be copied yet."""
INDEX_SMALL_ROWS = 2_000
"""A change of at most this many products is copied at once, even while an import is running."""
INDEX_WAIT_SECONDS_MAX = 60
"""While an import is running, larger changes wait at most this long before they are copied."""
WAKE_SOON_SECONDS = 1
"""How long a wake-up for many small changes is delayed, so that one message serves them all."""

# --- products and bulk deletes --------------------------------------------------------------------------------
WRITE_ATTEMPTS_MAX = 5
"""How often an edit of a product or webhook that lost a race for its rows is tried."""
BULK_DELETE_STEP_ROWS = 5_000
"""Rows deleted in one transaction."""
TOMBSTONE_SECONDS_MIN = 3600
"""A tombstone is kept at least this long, and as long as an import accepted before it may still write."""

# --- retention ------------------------------------------------------------------------------------------------
IMPORT_DETAILS_KEPT_DAYS = 30
"""How long the chunks and rejected rows of an import are kept after it has ended; longer while it can be retried."""
IMPORTS_KEPT_DAYS = 365
"""How long an import is kept after it has ended; longer as long as S3 has its file."""
JOBS_KEPT_DAYS = 30
"""How long exports and bulk deletes are kept after they have ended."""
MESSAGES_KEPT_DAYS = 14
"""SQS keeps no message longer. For this long after its file is gone, an import is kept for messages about the file."""
FILE_CHECK_SECONDS = 24 * 3600
"""How often S3 is asked whether it still has the file of an import that has ended."""
SWEEP_REMOVAL_SECONDS = 25
"""For how many of its 60 seconds a sweep removes old data. The rest is for repairs, and for looking for files."""
SWEEP_STEP_SECONDS = 1
"""How long one step of the removal, which is a transaction, is meant to take: the next one is made to fit."""
SWEEP_STEP_ROWS_MIN = 100
"""How many rows the first step removes, and each step on a slow database."""
SWEEP_STEP_ROWS_MAX = 10_000
"""No step removes more rows, not counting those that are removed with them."""
SWEEP_FILES_CHECKED_MAX = 300
"""Of how many imports one sweep looks for the file, which takes about six of its 60 seconds."""

# --- webhooks -------------------------------------------------------------------------------------------------
URL_CHARACTERS_MAX = 2_048
ADDRESSES_TRIED_MAX = 3
"""At most this many addresses of a webhook's host are tried; all of them must be safe."""
WEBHOOK_CONNECT_SECONDS_MAX = 5
"""To find the addresses of a webhook's host and to connect to one of them."""
EXCHANGE_SECONDS_MAX = 15
"""From looking up the host to the last byte of the response, however slowly it arrives."""
RESPONSE_BYTES_MAX = 64 * KIB
"""At most this much of a response's body is read."""
RESPONSE_HEADERS_BYTES_MAX = 64 * KIB
"""Status lines and headers, those of informational responses included."""
INFORMATIONAL_RESPONSES_MAX = 50
"""At most this many informational responses (1xx) are skipped before the final one."""
RETRY_AFTER_SECONDS_MAX = 24 * 3600
"""A receiver may ask for a longer wait than the schedule's, up to this, which is the schedule's longest."""
UNWRAPPED_KEYS_MAX = 1_000
"""A process caches at most this many keys of webhooks' secrets, 32 bytes each, that KMS has unwrapped."""
KEY_FILE_KEYS_MAX = 10
"""A file of keys, which seals webhooks' secrets on a laptop, has room for at most this many."""
WEBHOOKS_MAX = 100
WEBHOOK_DESCRIPTION_CHARACTERS_MAX = 255
WEBHOOK_HEADERS_MAX = 10
WEBHOOK_HEADER_NAME_CHARACTERS_MAX = 64
WEBHOOK_HEADER_VALUE_CHARACTERS_MAX = 1_024
SECRET_OVERLAP_SECONDS = 24 * 3600
"""How long a replaced secret still signs, beside the new one."""
EVENT_BYTES_MAX = 20_000
"""No message is larger. This follows from the limits of its fields; a test sends the largest message."""
EVENT_DESCRIPTION_BYTES_MAX = 12_000
"""A message contains at most this much of a product's description, in JSON; a longer one is cut."""
RELAY_BATCH_EVENTS = 100
"""At most this many events get their positions and deliveries in one transaction."""
EVENTS_KEPT_DAYS = 30
"""How long events, their deliveries and attempts are kept; those that still wait are kept longer."""
WEBHOOK_CONCURRENT_MAX = 3
"""At most this many attempts at one webhook run at a time if it answers successfully and quickly; otherwise one."""
QUICK_MILLISECONDS = 2_000
"""A response within this time is quick."""
DELIVERY_LEASE_SECONDS = EXCHANGE_SECONDS_MAX + 5
"""How long an attempt holds its delivery; after that the attempt is considered killed."""
DELIVERY_TURN_SECONDS = 5
"""How long a function makes attempts at one webhook, one after the other, before it is another webhook's turn."""
DELAYED_MESSAGE_SECONDS_MAX = 900
"""The longest delay of a message in SQS. The sweep wakes webhooks that are due later."""
FAILING_SECONDS_MAX = 5 * 24 * 3600
"""A webhook that has failed for this long without one success is switched off."""
LOG_TEXT_CHARACTERS_MAX = 16 * KIB
"""A longer text in a log line is cut to its end: there a traceback names its cause."""
RESPONSE_BYTES_KEPT = 4 * KIB
"""How much of each response is kept in the log of attempts."""
SECRET_CHARACTERS_MIN = 8
"""If a response quotes part of a header that we sent, the log hides it from this length on."""
ATTEMPTS_SHOWN_MAX = 100
DELIVERIES_COUNT_MAX = 10_000
"""Up to this many deliveries of a webhook are counted; for more, the count is reported as a minimum."""
REDELIVERED_MAX = 10_000
"""How many failed deliveries one request can send again."""
SWEEP_WEBHOOKS_MAX = WEBHOOKS_MAX
"""How many webhooks with unattended deliveries one sweep wakes: all that can exist."""
