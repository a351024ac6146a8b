"""Removes one safety mechanism at a time from a copy of the project, and checks that a test turns red.

    python tests/mutation/mutate.py [NAME …]

Each mutation names the tests that should notice; they run with `-x`, so a noticed one is quick. A control run without
any mutation comes first. Exit status 1 when the control run is red, when a mechanism can be removed without a test
failing, or when a mutation no longer applies to the code; 2 for an unknown name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = (
    "app.py",
    "chalicelib",
    "functions",
    "infra",
    "tests",
    "vendor",
    ".chalice",
    "pyproject.toml",
    "web",
    "Makefile",
)
LINKED = (".venv", ".venv-localstack", ".venv-ministack")
RUN_SECONDS_MAX = 600
CONTROL_SECONDS_MAX = 1800
FAILURE_LINES = 15
SQL = "chalicelib/sql/products.sql"
CHANGES = """-- name: changes
(p.deleted or p.version < %(floor)s or excluded.sku collate "C" <> p.sku or excluded.name collate "C" <> p.name
 or excluded.description collate "C" <> p.description or excluded.active <> p.active)

"""
"""When a write changes something, as a naive guard against writing what is there already would say it."""
HISTORIES = "tests/integration/test_acceptance_order.py"
POST_REQUESTS = "tests/unit/test_post.py"
POST_RESPONSES = "tests/unit/test_post_responses.py"
POST_TLS = "tests/unit/test_post_tls.py"
SEALING = "tests/unit/test_sealing.py"
WEBHOOK_EVENTS = "tests/integration/test_webhook_events.py"
WEBHOOK_CRASHES = "tests/integration/test_webhook_crashes.py"
WEBHOOK_TURNS = "tests/integration/test_webhook_turns.py"
WEBHOOK_FAILURES = "tests/integration/test_webhook_failures.py"
WEBHOOK_REQUESTS = "tests/integration/test_webhook_requests.py"
WEBHOOK_REDELIVERY = "tests/integration/test_webhook_redelivery.py"
TELEMETRY = "tests/integration/test_telemetry.py"
LOGS = "tests/unit/test_logs.py"
REDACTION = "tests/unit/test_redaction.py"
EVENTS_SQL = "chalicelib/sql/events.sql"
DELIVERIES_SQL = "chalicelib/sql/deliveries.sql"
POST = "chalicelib/webhooks/outbound/post.py"
URLS = "chalicelib/webhooks/outbound/urls.py"
BOUNDED_SOCKET = "chalicelib/webhooks/outbound/bounded_socket.py"
SEALING_CODE = "chalicelib/backends/sealing.py"
FILE_STORE = "chalicelib/backends/s3.py"
ATTEMPTS = "chalicelib/webhooks/attempts.py"
DATABASE = "chalicelib/backends/database.py"
BROKEN = "tests/integration/test_broken_connections.py"


@dataclass(frozen=True)
class Mutation:
    """One mechanism, gone: `old` becomes `new` in `file`, everywhere it stands; and so does `also`."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    also: tuple[str, str] = ("", "")


MUTATIONS = (
    Mutation("version comparison", SQL,
             "case when excluded.name_version > p.name_version then excluded.name else p.name end", "excluded.name",
             ("tests/integration/test_delivery.py",),
             also=("excluded.version > p.version\n  or excluded.name", "true\n  or excluded.name")),
    Mutation("name version comparison", SQL,
             "case when excluded.name_version > p.name_version then excluded.name else p.name end", "excluded.name",
             (HISTORIES,)),
    Mutation("description version comparison", SQL,
             "case when excluded.description_version > p.description_version\n                   then",
             "case when true then",
             (HISTORIES,)),
    Mutation("active version comparison", SQL,
             "case when excluded.active_version > p.active_version then", "case when true then",
             ("tests/integration/test_import.py",)),
    Mutation("sorted rows", SQL, "from incoming\norder by key, line desc\n",
             "from incoming\norder by key, line desc) shuffled order by random()\n",
             ("tests/integration/test_orders.py",),
             also=("select distinct on (key)\n  key, sku", "select * from (select distinct on (key)\n  key, sku")),
    Mutation("batch dedupe", SQL, "select distinct on (key)\n  key, sku", "select\n  key, sku",
             ("tests/integration/test_import.py",)),
    Mutation("unchanged row advances its versions", SQL,
             "excluded.version > p.version\n"
             "  or excluded.name_version > p.name_version\n"
             "  or excluded.description_version > p.description_version\n"
             "  or excluded.active_version > p.active_version\n",
             "{changes}\n", ("tests/integration/test_delivery.py",),
             also=("-- name: any_field_wins", CHANGES + "-- name: any_field_wins")),
    Mutation("inherited active cells", "chalicelib/importing/upserting.py",
             'transaction.run("inherit_active")', "pass", ("tests/integration/test_import.py",)),
    Mutation("tombstone", SQL,
             "update product set\n  id = next_product_id(), name = '', description = '', active = true,"
             " deleted = true,\n  version = %(version)s, name_version = %(version)s, description_version = %(version)s,"
             " active_version = %(version)s,\n  content_version = %(version)s, updated_at = now()\nwhere id = %(id)s",
             "delete from product where id = %(id)s and %(version)s > 0", ("tests/integration/test_products.py",)),
    Mutation("tombstones wait for running imports", SQL, "status = 'processing' or", "false or",
             ("tests/integration/test_products.py",)),
    Mutation("floor for writers", "chalicelib/acceptance.py", 'return transaction.value("read_floor", int)', "return 0",
             ("tests/integration/test_products.py",)),
    Mutation("floor for readers", SQL, "where p.id = %(id)s and not p.deleted and p.version >= b.floor",
             "where p.id = %(id)s and not p.deleted", ("tests/integration/test_products.py",)),
    Mutation("floor for lists", "chalicelib/sql/listing.sql",
             "\nwhere not p.deleted and p.version >= (select floor from barrier)",
             "\nwhere not p.deleted", ("tests/integration/test_products_list_api.py",)),
    Mutation("If-Match is checked after the lock", "chalicelib/catalogue/products.py",
             "_refuse_unexpected(current, expected)", "_refuse_unexpected(before_lock, expected)",
             ("tests/integration/test_products_api.py",)),
    Mutation("barrier at acceptance", "chalicelib/importing/imports.py",
             "    acceptance.enter(transaction)  # So that", "    pass  # So that",
             ("tests/integration/test_races.py",)),
    Mutation("bulk delete ends older imports", "chalicelib/catalogue/bulk_deletes.py",
             "        _end_older_imports(transaction, operation)\n", "", ("tests/integration/test_products.py",)),
    Mutation("lock on the import", "chalicelib/sql/imports.sql",
             "select * from import where id = %(id)s for no key update", "select * from import where id = %(id)s",
             ("tests/integration/test_races.py",)),
    Mutation("the lock on the import leaves room for foreign keys", "chalicelib/sql/imports.sql",
             "for no key update", "for update", ("tests/integration/test_orders.py",)),
    Mutation("split_done", "chalicelib/importing/imports.py", "locked.split_done and ", "",
             ("tests/integration/test_races.py",)),
    Mutation("fence of the splitters", "chalicelib/sql/imports.sql", " and split_offset = %(from_offset)s", "",
             ("tests/integration/test_races.py",)),
    Mutation("an ended import takes no more chunks", "chalicelib/importing/upserting.py",
             "if not imports.complete_if_done(transaction, chunk.import_id):",
             "if not imports.complete_if_done(transaction, chunk.import_id) and False:",
             ("tests/integration/test_races.py",)),
    Mutation("unique event key", "chalicelib/sql/migrations/0001_catalogue.sql",
             "dedupe_key text not null unique", "dedupe_key text not null", ("tests/integration/test_races.py",)),
    Mutation("a done chunk is not done again", "chalicelib/importing/upserting.py",
             "if locked is None or locked.done:", "if locked is None:", ("tests/integration/test_orders.py",)),
    Mutation("version id on reads", FILE_STORE, ", VersionId=version, Range", ", Range",
             ("tests/integration/test_delivery.py",)),
    Mutation("attempt of a dead letter", "chalicelib/repair/dead_letters.py", "attempt=message.attempt", "attempt=None",
             ("tests/integration/test_delivery.py",)),
    Mutation("unsent chunks are sent again", "chalicelib/importing/splitting.py",
             "            _send_unsent(backends, import_)\n            if not import_", "            if not import_",
             ("tests/integration/test_delivery.py",)),
    Mutation("record cap", "chalicelib/csvfile/boundaries.py",
             "cap = min(record + self._record_bytes_max, self.known)", "cap = self.known",
             ("tests/unit/test_boundaries.py",)),
    Mutation("ON CONFLICT when two writers add one SKU", "chalicelib/importing/upserting.py",
             '_write_by(transaction, "upsert_incoming"', '_write_by(transaction, "merge_incoming"',
             ("tests/integration/test_races.py",)),
    Mutation("MERGE keeps the order of keys", SQL, "select set_config(name, 'off', true)",
             "select set_config(name, 'on', true)", ("tests/integration/test_races.py",)),
    Mutation("rows of a rolled-back chunk are removed first", "chalicelib/importing/upserting.py",
             '    if transaction.exists("any_incoming"):\n', "    if False:\n", ("tests/integration/test_races.py",)),
    Mutation("no record of a stride is too long", "chalicelib/csvfile/boundaries.py",
             "stop = min(boundary + self._record_bytes_max, limit)", "stop = limit",
             ("tests/unit/test_boundaries.py",)),
    Mutation("only a proven chunk is parsed in one go", "chalicelib/csvfile/boundaries.py",
             "regular = not oversized and end - self._window.well_formed_end <= self._record_bytes_max",
             "regular = not oversized", ("tests/unit/test_rows.py",)),
    Mutation("one request at a time has an idempotency key", "chalicelib/sql/idempotency.sql",
             "where k.claimed_at < now() - make_interval(secs => %(key_seconds)s)\n", "where true\n",
             ("tests/integration/test_idempotency.py",)),
    Mutation("an idempotency key belongs to one request", "chalicelib/access/idempotency.py",
             "stored.request_sha256 != request_sha256", "False",
             ("tests/integration/test_idempotency.py",)),
    Mutation("a quote must be proven to be one around a field", "chalicelib/csvfile/boundaries.py",
             "if end == boundary or self._well_formed.fullmatch(self.data, boundary, end) is None:",
             "if end == boundary:", ("tests/unit/test_boundaries.py",)),
    Mutation("unclosed quotes cost one line", "chalicelib/csvfile/rows.py",
             "judge if reader.line_num == 1 else _refuse_unclosed", "judge",
             ("tests/unit/test_rows.py",)),
    Mutation("COPY in a transaction of its own", "chalicelib/importing/upserting.py",
             "        accepted = _copy(transaction, content.products)\n",
             "        acceptance.enter(transaction)\n"
             "        transaction.exists(\"lock_chunk\", import_id=chunk.import_id, number=chunk.number)\n"
             "        accepted = _copy(transaction, content.products)\n",
             ("tests/integration/test_freeze.py",)),
    Mutation("idle transactions are ended", "chalicelib/sql/migrations/0001_catalogue.sql",
             "alter role importer set idle_in_transaction_session_timeout = '5s';", "",
             ("tests/integration/test_freeze.py",)),
    Mutation("fence of exports", "chalicelib/sql/exports.sql", " and steps = %(steps)s", "",
             ("tests/integration/test_exporting.py",)),
    Mutation("a part number for each step", "chalicelib/exporting/writing.py",
             "number = step.parts_begun", "number = step.steps", ("tests/integration/test_exporting.py",)),
    Mutation("a dead letter ends only what does not advance", "chalicelib/sql/exports.sql",
             "and status in ('pending', 'processing') and advanced_at < now() - make_interval(secs => %(seconds)s)\n"
             "for update",
             "and status in ('pending', 'processing') and %(seconds)s > 0\nfor update",
             ("tests/integration/test_dead_letters.py",)),
    Mutation("a dead letter waits for the step", "chalicelib/sql/bulk_deletes.sql",
             "make_interval(secs => %(seconds)s)\nfor update", "make_interval(secs => %(seconds)s)",
             ("tests/integration/test_dead_letters.py",)),
    Mutation("a wake-up does not count as progress", "chalicelib/sql/bulk_deletes.sql", "set woken_at = now()",
             "set woken_at = now(), advanced_at = now()", ("tests/integration/test_dead_letters.py",)),
    Mutation("signed size of an upload", FILE_STORE, '"ContentLength": size_bytes, ', "",
             ("tests/integration/test_api.py",)),
    Mutation("uploads cannot be replaced", FILE_STORE, ', "IfNoneMatch": "*"}', "}",
             ("tests/integration/test_api.py",)),
    Mutation("scope of a token", "functions/api/routes.py",
             "if scope is not None and scope not in scopes:", "if False:",
             ("tests/integration/test_api_standard.py",)),
    Mutation("noted edits are searched too", "chalicelib/sql/listing.sql",
             "  union select sku_key from product_search_edit\n", "",
             ("tests/integration/test_search_index.py",)),
    Mutation("an index that lacks an import is not used", "chalicelib/sql/listing.sql",
             "    and not exists (select from import where operation is not null and not indexed)\n", "",
             ("tests/integration/test_search_index.py",)),
    Mutation("a retried import is indexed again", "chalicelib/sql/imports.sql", ", indexed = false", "",
             ("tests/integration/test_search_index.py",)),
    Mutation("only imports that had ended before are indexed", "chalicelib/sql/search_index.sql",
             "    and i.id || ':' || i.attempt = any(s.imports)\n", "",
             ("tests/integration/test_search_index.py",)),
    Mutation("indexing waits for an import", "chalicelib/catalogue/search_index.py",
             'if transaction.value("is_import_running", bool):', "if False:",
             ("tests/integration/test_search_index.py",)),
    Mutation("what the index finds must still exist", "chalicelib/sql/listing.sql",
             "from hits h join product p on p.sku_key = h.sku_key\n"
             "  where not p.deleted and p.version >= (select floor from barrier)",
             "from hits h join product p on p.sku_key = h.sku_key where true",
             ("tests/integration/test_search_index.py",)),
    Mutation("only public addresses", POST,
             "all(ok or is_public(address) for", "all(True for", (POST_REQUESTS,)),
    Mutation("every address must be public", POST,
             "if not all(ok or is_public", "if not any(ok or is_public", (POST_REQUESTS,)),
    Mutation("our own list of public addresses", "chalicelib/webhooks/outbound/public_addresses.py",
             "return not is_in(address, NOT_PUBLIC_IPV4 if address.version == 4 else NOT_PUBLIC_IPV6)",
             "return address.is_global", (POST_REQUESTS,)),
    Mutation("connects to the address that was checked", POST,
             "self._connect(address, target.port, deadline.remaining() / left)",
             "socket.create_connection((socket.getaddrinfo(target.host, 0)[0][4][0], target.port))", (POST_REQUESTS,)),
    Mutation("no unusual notations of addresses", URLS,
             "if _NUMBER.fullmatch(labels[-1]):", "if False:", (POST_REQUESTS,)),
    Mutation("ports", POST, "if target.port not in self._allowed_ports and not all(within):",
             "if False:", (POST_REQUESTS,)),
    Mutation("other ports only in an allowed network", POST, "and not all(within):",
             "and not any(within):", (POST_REQUESTS,)),
    Mutation("no users in URLs", URLS, 'if "@" in authority:', "if False:", (POST_REQUESTS,),
             also=("found = _AUTHORITY.fullmatch(authority)",
                   "found = _AUTHORITY.fullmatch(authority.rpartition('@')[2])")),
    Mutation("only visible ASCII in URLs", URLS, "if not url.isascii() or", "if False and",
             (POST_REQUESTS,), also=('_URL = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE)',
                                '_URL = re.compile(r"(https?)://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)')),
    Mutation("no backslash in URLs", URLS, r' or "\\" in url', "", (POST_REQUESTS,)),
    Mutation("no fragments", URLS, 'if "#" in url:', "if False:", (POST_REQUESTS,)),
    Mutation("reserved headers of the connection", URLS, "if name.lower() in RESERVED_HEADERS:", "if False:",
             (POST_REQUESTS,)),
    Mutation("values of headers", URLS, "if not _HEADER_VALUE.fullmatch(value):", "if False:",
             (POST_REQUESTS,)),
    Mutation("deadline while reading", BOUNDED_SOCKET,
             "        self._connection.settimeout(self._deadline.remaining())\n        count",
             "        count", (POST_RESPONSES,)),
    Mutation("deadline while sending", BOUNDED_SOCKET,
             "            self._connection.settimeout(self._deadline.remaining())\n            rest",
             "            rest", (POST_RESPONSES,)),
    Mutation("deadline of the handshake", POST,
             "connection.settimeout(total.remaining())", "connection.settimeout(None)", (POST_TLS,)),
    Mutation("deadline of the look-up", POST, "asking.join(seconds)", "asking.join()", (POST_RESPONSES,)),
    Mutation("budget of bytes", BOUNDED_SOCKET, "if self._taken >= self._allowed:", "if False:", (POST_RESPONSES,),
             also=("[: self._allowed - self._taken]", "")),
    Mutation("limit of the response", POST, "while len(content) <= self._answer_bytes:",
             "while True:", (POST_RESPONSES,),
             also=("self._answer_bytes + 1 - len(content)", "65536")),
    Mutation("an incomplete response is an error", POST, "if response.length:", "if False:", (POST_RESPONSES,)),
    Mutation("certificates", POST, "(self._tls or _tls())",
             "ssl._create_unverified_context()", (POST_TLS,)),
    Mutation("the name on a certificate", POST, "server_hostname=target.name",
             "server_hostname=connection.getpeername()[0]", (POST_TLS,)),
    Mutation("networks inside only on a laptop", "chalicelib/settings.py",
             'if value and info.data.get("stage") != LOCAL_STAGE:', "if False:", ("tests/unit/test_settings.py",)),
    Mutation("sealed for a context", SEALING_CODE, "form + context.encode()", "form", (SEALING,)),
    Mutation("KMS knows the context", SEALING_CODE, 'EncryptionContext={"context": context}',
             "EncryptionContext={}", (SEALING,)),
    Mutation("the format is bound", SEALING_CODE, "form + context.encode()", "context.encode()", (SEALING,),
             also=("if sealed[:1] != KMS_FORMAT or not", "if not")),
    Mutation("a bounded cache of keys", SEALING_CODE, "maxsize=UNWRAPPED_KEYS_MAX", "maxsize=None",
             (SEALING,)),
    Mutation("every valid secret signs", "chalicelib/webhooks/signatures.py", "for secret in secrets]",
             "for secret in secrets[:1]]", ("tests/unit/test_signatures.py",)),
    Mutation("the id is signed", "chalicelib/webhooks/signatures.py", "(message_id.encode(), timestamp, body)",
             '(b"", timestamp, body)', ("tests/unit/test_signatures.py",)),
    Mutation("Retry-After is never undercut", "chalicelib/webhooks/retry_schedule.py", "return max(scheduled, asked)",
             "return asked or scheduled", ("tests/unit/test_retry_schedule.py",)),
    Mutation("Retry-After has a limit", "chalicelib/webhooks/retry_schedule.py",
             "min(_asked_seconds(retry_after, now), RETRY_AFTER_SECONDS_MAX)", "_asked_seconds(retry_after, now)",
             ("tests/unit/test_retry_schedule.py",)),
    Mutation("events in the transaction of their change", "chalicelib/events.py",
             '    transaction.run("add_event", dedupe_key=f"{event_type}:{key}", type=event_type,'
             " payload=Jsonb(data))\n",
             "    import psycopg\n\n"
             "    from chalicelib.sql import query\n\n"
             "    info = transaction.cursor.connection.info\n"
             "    row = {\"dedupe_key\": f\"{event_type}:{key}\", \"type\": event_type, \"payload\": Jsonb(data)}\n"
             "    with psycopg.connect(info.dsn, password=info.password) as own:\n"
             "        own.execute(query(\"add_event\"), row)\n",
             (f"{WEBHOOK_EVENTS}::test_a_change_that_is_rolled_back_is_never_sent",)),
    Mutation("events are marked", EVENTS_SQL, "from event where not relayed order by id",
             "from event where not relayed\n"
             "    and id::text > coalesce((select max(id::text) from event where relayed), '') order by id",
             (f"{WEBHOOK_EVENTS}::test_an_event_that_commits_late_is_sent_and_listed_in_order",)),
    Mutation("one relay at a time", EVENTS_SQL, "select from relay_state for update", "select from relay_state",
             (f"{WEBHOOK_CRASHES}::test_two_relays_at_once_give_each_event_one_position",)),
    Mutation("only events after the webhook was created", EVENTS_SQL, " and w.created_at <= e.created_at", "",
             (f"{WEBHOOK_EVENTS}::test_a_webhook_gets_no_events_from_before_it_was_created",)),
    Mutation("lost wake-ups of the relay", "chalicelib/webhooks/relay.py",
             "    if waiting:\n        queues.wake(RELAY_QUEUE)\n", "",
             (f"{WEBHOOK_CRASHES}::test_a_killed_relay_neither_loses_nor_repeats_events",)),
    Mutation("lost turns", ATTEMPTS,
             '    queues.send("deliveries", [TurnMessage(webhook=each.id) for each in due])\n', "",
             (f"{WEBHOOK_CRASHES}::test_a_killed_sender_loses_nothing",)),
    Mutation("a claim is a lease", DELIVERIES_SQL,
             "    and (d.claimed_until is null or d.claimed_until < now())\n", "",
             (f"{WEBHOOK_CRASHES}::test_a_claimed_delivery_is_not_attempted_by_another_sender",)),
    Mutation("a lease ends", DELIVERIES_SQL, "(d.claimed_until is null or d.claimed_until < now())",
             "d.claimed_until is null", ("tests/integration/test_faults.py", "-k", "delivery.after_claim")),
    Mutation("fence of the senders", DELIVERIES_SQL, " and claims = %(claims)s", "",
             (f"{WEBHOOK_CRASHES}::test_a_sender_whose_claim_has_ended_records_nothing",)),
    Mutation("an ended delivery stays ended", DELIVERIES_SQL, "and claims = %(claims)s and status = 'pending'",
             "and %(claims)s > 0",
             (f"{WEBHOOK_CRASHES}::test_a_sender_whose_claim_has_ended_records_nothing",)),
    Mutation("one attempt at a time until it is quick", ATTEMPTS,
             "WEBHOOK_CONCURRENT_MAX if webhook.quick else 1", "WEBHOOK_CONCURRENT_MAX",
             (f"{WEBHOOK_TURNS}::test_a_webhook_gets_one_attempt_at_a_time_until_it_is_known_to_be_quick",)),
    Mutation("limit of concurrent attempts", DELIVERIES_SQL, "%(concurrent_max)s > (", "%(concurrent_max)s + 100 > (",
             (f"{WEBHOOK_TURNS}::test_a_quick_webhook_gets_several_attempts_at_a_time",)),
    Mutation("turns end", ATTEMPTS, "continues = time.monotonic() < turn_ends and", "continues =",
             (f"{WEBHOOK_TURNS}::test_a_webhook_whose_turn_ends_continues_with_a_new_message",)),
    Mutation("nothing for a webhook that is off", DELIVERIES_SQL, "(%(enabled)s and %(concurrent_max)s",
             "((%(enabled)s or true) and %(concurrent_max)s",
             (f"{WEBHOOK_FAILURES}::test_pending_deliveries_are_sent_when_the_webhook_is_switched_on_again",)),
    Mutation("410 switches off", "chalicelib/sql/webhooks.sql", "enabled = enabled and not %(gone)s",
             "enabled = enabled", (f"{WEBHOOK_FAILURES}::test_410_gone_switches_a_webhook_off_and_gives_the_reason",)),
    Mutation("the relay does not wait for senders", "chalicelib/sql/webhooks.sql", "for no key update", "for update",
             (f"{WEBHOOK_CRASHES}::test_the_relay_does_not_wait_for_senders",)),
    Mutation("a test goes first", DELIVERIES_SQL, "order by d.test desc, d.due_at", "order by d.due_at",
             (f"{WEBHOOK_REDELIVERY}::test_a_test_is_sent_before_pending_deliveries",)),
    Mutation("the log hides quoted secrets", "chalicelib/webhooks/sender.py", "_without(response.body, hidden)",
             "response.body",
             (f"{WEBHOOK_REQUESTS}::test_headers_that_a_response_quotes_are_not_stored",)),
    Mutation("nothing is prepared behind a proxy", DATABASE, "if self._pooled else {}",
             "if False else {}", ("tests/integration/test_database_roles.py",)),
    Mutation("a connection that broke while idle is replaced", DATABASE,
             "if not (replaceable and connection is former and connection.closed):", "if True:", (BROKEN,)),
    Mutation("no transaction is restarted inside another one", DATABASE, "replaceable = idle and not continues",
             "replaceable = not (former is None or former.closed or continues)", (BROKEN,)),
    Mutation("work that needs its session stays in it", DATABASE, "replaceable = idle and not continues",
             "replaceable = idle", (BROKEN,)),
    Mutation("work that needs its session opens no other one", DATABASE,
             "if continues and (former is None or former.closed):", "if False:", (BROKEN,)),
    Mutation("a chunk is written in the session that has its rows", "chalicelib/importing/upserting.py",
             "transaction(continues=True)",
             "transaction()", (BROKEN,)),
    Mutation("a connection that was idle too long is replaced", DATABASE, "if replaceable and now - self._begun_at >",
             "if False and now - self._begun_at >", (BROKEN,)),
    Mutation("a server that has failed over is left", DATABASE,
             "except pg.ReadOnlySqlTransaction:\n            self.close()\n            raise",
             "except pg.ReadOnlySqlTransaction:\n            raise", (BROKEN,)),
    Mutation("a silent server is given up", DATABASE, "                    **_GIVEN_UP,\n", "", (BROKEN,)),
    Mutation("no statement ties a session to its caller", "chalicelib/sql/acceptance.sql",
             "select next_operation()", "select nextval('operation')",
             ("tests/packaging/test_shared_sessions.py", "-k", "pins_a_connection")),
    Mutation("the planner's switches are over with the transaction",
             "chalicelib/sql/migrations/0008_shared_sessions.sql", "'0', true)", "'0', false)",
             ("tests/integration/test_database_roles.py",)),
    Mutation("the database must prove its identity", "chalicelib/backends/credentials.py", 'sslmode="verify-full"',
             'sslmode="require"', ("tests/unit/test_credentials.py",)),
    Mutation("a proxy and the database have different authorities", "chalicelib/backends/credentials.py",
             "certifi.where() if settings.database_pooled else str(RDS_AUTHORITIES)", "certifi.where()",
             ("tests/unit/test_credentials.py",)),
    Mutation("no token is made a second time", "infra/tokens.py", 'retries={"total_max_attempts": 1}',
             'retries={"total_max_attempts": 2}', ("tests/unit/test_tokens_of_a_stage.py",)),
    Mutation("waiting for a response has a limit", "infra/tokens.py", "read_timeout=ANSWER_SECONDS_MAX",
             "read_timeout=25", ("tests/unit/test_tokens_of_a_stage.py",)),
    Mutation("a whole object in place of a range is cut", FILE_STORE, "data if _is_part(answer) else data[start:end]",
             "data", ("tests/unit/test_file_store.py",)),
    Mutation("a rolled-back change is not logged", DATABASE,
             "        if not committed:\n            return\n",
             "", (TELEMETRY,)),
    Mutation("a change is logged after its commit", DATABASE,
             "self.afterwards.append(partial(telemetry.log, happened, **more))", "telemetry.log(happened, **more)",
             (TELEMETRY,)),
    Mutation("ids are removed after their block", "chalicelib/telemetry.py", "_ids.reset(token)", "pass", (LOGS,)),
    Mutation("ids of the invocation", "functions/invocations.py", "with logged_on_failure(**_ids(event)):",
             "with logged_on_failure():",
             (TELEMETRY,)),
    Mutation("secrets in texts are not logged", "functions/redaction.py", "return _SECRET.sub(_hide, content)",
             "return content", (REDACTION,)),
    Mutation("secrets by their names are not logged", "functions/redaction.py", "if _NAME.search(name):", "if False:",
             (REDACTION,)),
    Mutation("redaction takes linear time", "functions/redaction.py", "(?P<named> (?:",
             "(?P<named> [\\w-]* (?:", (LOGS,)),
    Mutation("secrets are hidden before the last cut", "functions/logs.py", "2 * LOG_TEXT_CHARACTERS_MAX",
             "LOG_TEXT_CHARACTERS_MAX", (LOGS,)),
    Mutation("each line ends", "functions/logs.py", 'else "\\n"', 'else ""', (LOGS,)),
    Mutation("half of a surrogate pair does not lose the line", "functions/logs.py", "json.dumps(line, ",
             "json.dumps(line, ensure_ascii=False, ", (LOGS,)),
    Mutation("libraries log warnings only", "functions/logs.py", 'OURS = ("chalicelib", "functions")',
             'OURS = ("",)', (LOGS,)),
    Mutation("the stage local is not deployed", "infra/deploy/packaging.py", "if stage == LOCAL_STAGE:", "if False:",
             ("tests/packaging/test_package.py::test_the_stage_that_may_send_into_private_networks_is_never_deployed",)),
    Mutation("no MERGE into a catalogue that seems small", "chalicelib/importing/upserting.py",
             'if transaction.value("seems_small", bool, rows=MERGE_ROWS_MIN):', "if False:",
             ("tests/integration/test_import.py",)),
    Mutation("lost files are accepted in the order they came in", "chalicelib/repair/sweeping.py",
             "    candidates.reverse()\n", "", ("tests/integration/test_restore.py",)),
    Mutation("a retry goes to the message's own queue", "functions/consumers.py",
             "retry_after(self.queue, ", 'retry_after("deliveries", ',
             ("tests/unit/test_consumers.py", "tests/integration/test_retries.py")),
    Mutation("the wait before a retry is short", "functions/consumers.py",
             "record.receipt_handle, _wait_seconds(record))", "record.receipt_handle, 43_000)",
             ("tests/unit/test_consumers.py", "tests/integration/test_retries.py")),
    Mutation("the wait before a retry grows", "functions/consumers.py", "RETRY_FACTOR ** (received - 1)",
             "RETRY_FACTOR", ("tests/unit/test_consumers.py",)),
    Mutation("a retry has a short wait at all", "functions/consumers.py",
             "backends().queues.retry_after(self.queue, record.receipt_handle, _wait_seconds(record))", "pass",
             ("tests/unit/test_consumers.py", "tests/integration/test_retries.py")),
    Mutation("a consumer knows its own queue", "functions/upsert_chunk.py", '@consumes("chunks", ',
             '@consumes("uploads", ', ("tests/unit/test_consumers.py",)),
    Mutation("messages about missing things are finished", "functions/consumers.py",
             "except NotFound as error:", "except ZeroDivisionError as error:",
             ("tests/integration/test_restore.py",)),
    Mutation("the error that Lambda logs has no cause attached", "functions/invocations.py",
             "raise InvocationFailed(error) from None", "raise InvocationFailed(error)",
             ("tests/integration/test_telemetry.py",)),
    Mutation("an old secret that cannot be opened is left out", "chalicelib/webhooks/webhooks.py",
             "with suppress(Unsealable):", "with suppress():", ("tests/integration/test_lost_key.py",)),
)  # fmt: skip


class DoesNotApply(Exception):
    """The source no longer has the text that a mutation replaces."""


def mutated(mutation: Mutation, text: str) -> str:
    """The text of the mutation's file without the mechanism. Raises DoesNotApply."""
    for old, new in ((mutation.old, mutation.new), mutation.also):
        if old not in text:
            raise DoesNotApply(f"{mutation.name}: {mutation.file} no longer contains {old!r}")
        text = text.replace(old, new)
    return text


def main(names: list[str]) -> int:
    """Runs the chosen mutations, or all. Returns the exit status."""
    chosen = [each for each in MUTATIONS if not names or each.name in names]
    if unknown := set(names) - {each.name for each in chosen}:
        print(f"no such mutation: {', '.join(sorted(unknown))}")  # noqa: T201
        return 2
    if not _control(chosen):
        return 1
    survivors = [each.name for each in chosen if not _noticed(each)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutations noticed")  # noqa: T201
    for name in survivors:
        print(f"NOT NOTICED: {name}")  # noqa: T201
    return 1 if survivors else 0


def _control(chosen: Sequence[Mutation]) -> bool:
    """Runs the same tests without a mutation: a test that is red anyway would notice everything."""
    started = time.monotonic()
    files = sorted({test.partition("::")[0] for each in chosen for test in each.tests if test.startswith("tests/")})
    with _copied_project() as copy:
        ran = _pytest(copy, files, CONTROL_SECONDS_MAX)
    verdict = "green" if ran.returncode == 0 else "RED: these tests fail without any mutation"
    print(f"control run, {len(files)} files, {time.monotonic() - started:.0f} s: {verdict}", flush=True)  # noqa: T201
    if ran.returncode != 0:
        print("\n".join(ran.stdout.splitlines()[-FAILURE_LINES:]))  # noqa: T201
    return ran.returncode == 0


def _noticed(mutation: Mutation) -> bool:
    started = time.monotonic()
    with _copied_project() as copy:
        target = copy / mutation.file
        try:
            target.write_text(mutated(mutation, target.read_text("utf-8")), "utf-8")
        except DoesNotApply as error:
            print(f"does not apply: {error}", flush=True)  # noqa: T201
            return False
        ran = _pytest(copy, mutation.tests, RUN_SECONDS_MAX)
    # An error outside a test does not count: it would be there without the mutation too.
    red = next((line for line in ran.stdout.splitlines() if line.startswith("FAILED")), "")
    broken = next((line for line in ran.stdout.splitlines() if line.startswith("ERROR")), "")
    verdict = "red  " if red else "BROKEN" if broken else "GREEN"
    print(f"{verdict} {time.monotonic() - started:5.1f} s  {mutation.name}: {(red or broken)[:150]}", flush=True)  # noqa: T201
    return verdict == "red  "


def _pytest(copy: Path, tests: Sequence[str], seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [copy / ".venv/bin/python", "-m", "pytest", "-x", "-q", "--timeout", "120", *tests],
        cwd=copy,
        env={**os.environ, "HISTORIES": "500", "SHRINK": "0"},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@contextmanager
def _copied_project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory)
        copy.chmod(0o755)  # PostgreSQL runs as another user, who must get to its programs, when root runs this.
        _copy_project(copy)
        yield copy


def _copy_project(copy: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
