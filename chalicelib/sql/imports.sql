-- name: lock_registrations
-- Makes requests of one token that register an upload wait for each other, so that together they cannot exceed the limit.
select pg_advisory_xact_lock(hashtextextended(%(token_id)s::uuid::text, 0))

-- name: count_unfinished_imports
-- How many imports that a token registered are pending or processing.
select count(*) as total from import where status in ('pending', 'processing') and token_id = %(token_id)s

-- name: register_import
-- Register an upload: pending until its object is seen in S3.
with generated as (select uuidv7() as id)
insert into import (id, token_id, filename, encoding, bucket, object_key, size_bytes, upload_expires_at)
select id, %(token_id)s, %(filename)s, %(encoding)s, %(bucket)s, %(prefix)s || id || '.csv', %(size_bytes)s,
       now() + make_interval(secs => %(expires_seconds)s)
from generated
returning id

-- name: renew_upload
-- Before a new link is created: the import waits for its object until that link expires.
update import set upload_expires_at = now() + make_interval(secs => %(expires_seconds)s)
where id = %(id)s and status = 'pending'

-- name: accept_registered_import
-- The registered upload has arrived: the import enters the acceptance order.
update import
set status = 'processing', operation = nextval('operation'), object_version = %(object_version)s,
    size_bytes = %(size_bytes)s, started_at = now(), attempt_started_at = now(), advanced_at = now()
where bucket = %(bucket)s and object_key = %(object_key)s and object_version is null and status = 'pending'
returning id

-- name: accept_dropped_import
-- A file that was not registered: any S3 client put it into the bucket. Returns nothing if its import exists.
insert into import (status, operation, filename, bucket, object_key, object_version, size_bytes,
                    started_at, attempt_started_at, advanced_at)
values ('processing', nextval('operation'), %(filename)s, %(bucket)s, %(object_key)s, %(object_version)s,
        %(size_bytes)s, now(), now(), now())
on conflict on constraint import_object do nothing
returning id

-- name: record_ignored_import
-- A file that is plainly not a product file: its import has ended before it began. Returns nothing if it exists.
insert into import (status, filename, bucket, object_key, object_version, size_bytes, error_code, error_message,
                    started_at, finished_at)
values ('cancelled', %(filename)s, %(bucket)s, %(object_key)s, %(object_version)s, %(size_bytes)s, %(error_code)s,
        %(reason)s, now(), now())
on conflict on constraint import_object do nothing
returning id

-- name: find_import_by_object
-- The import of one version of an object.
select id from import
where bucket = %(bucket)s and object_key = %(object_key)s and object_version = %(object_version)s

-- name: find_ended_registration
-- A registration that ended (cancelled, expired) before its object arrived: the object is not imported.
select id from import
where bucket = %(bucket)s and object_key = %(object_key)s and object_version is null and status <> 'pending'

-- name: find_expected_object
-- Whether an object belongs to an import or to a registered upload, whose key no other upload uses.
select from import
where bucket = %(bucket)s and object_key = %(object_key)s
  and (object_version = %(object_version)s or object_version is null)

-- name: known_objects
-- Which of these objects belong to an import, or to a registration that ended before they arrived.
select o.object_key, o.object_version
from unnest(%(keys)s::text[], %(versions)s::text[]) as o (object_key, object_version)
where exists (
  select from import i
  where i.bucket = %(bucket)s and i.object_key = o.object_key
    and (i.object_version = o.object_version or (i.object_version is null and i.status <> 'pending'))
)

-- name: import_sums
-- Part of other queries: the sums of an import's finished chunks.
i.sum_bytes as done_bytes, i.sum_created as created, i.sum_updated as updated, i.sum_unchanged as unchanged,
i.sum_superseded as superseded, i.sum_rejected as rejected, i.rate_step, i.rate_bytes, i.rate_bytes_before

-- name: find_import
-- One import with the sums of its chunks.
select i.*, {import_sums} from import i
where i.id = %(id)s

-- name: import_to_split
-- What the splitter needs of a running import whose header has been read.
select id, attempt, data_key, data_version, data_bytes, header, split_offset, split_line, split_done, chunk_count,
       chunks_done, chunks_sent, unsure_from, write_seconds
from import where id = %(id)s and header is not null and status = 'processing'

-- name: listed_import
-- Part of other queries: an import without its header, which may have megabytes and which no list shows.
i.id, i.status, i.attempt, i.split_done, i.retryable, i.error_code, i.error_message, i.object_key, i.object_version,
i.data_key, i.data_version, i.filename, i.encoding, i.size_bytes, i.data_bytes, null::jsonb as header, i.warnings,
i.created_at, i.started_at, i.finished_at, i.details_kept, i.file_gone_at,
{import_sums}

-- name: imports_below
-- Imports below an id, or all, newest first: ids are UUIDv7, so their order is the order of creation.
select {listed_import} from import i
where %(id)s::uuid is null or i.id < %(id)s
order by i.id desc limit %(limit)s

-- name: imports_above
-- Imports above an id: the nearest first, so oldest first.
select {listed_import} from import i
where i.id > %(id)s
order by i.id limit %(limit)s

-- name: count_imports
-- The total of the list of imports.
select count(*) as total from import

-- name: lock_import
-- Only the outbox comes after it in the one lock order: barrier, chunk, products by key, import, outbox.
-- NO KEY: a chunk with rejected rows already holds FOR KEY SHARE on this row through its foreign key. FOR UPDATE would
-- conflict with the same lock of another chunk, and the two chunks would deadlock.
select * from import where id = %(id)s for no key update

-- name: complete_import
-- Every chunk is done.
update import set status = 'completed', finished_at = now(), advanced_at = now() where id = %(id)s

-- name: end_import
-- End an import early, with the reason.
update import
set status = %(status)s::import_status, error_code = %(error_code)s, error_message = %(error_message)s,
    retryable = %(retryable)s, finished_at = now()
where id = %(id)s

-- name: reopen_import
-- Start the next attempt of a failed import.
update import
set status = 'processing', attempt = attempt + 1, error_code = null, error_message = null, retryable = false,
    finished_at = null, attempt_started_at = now(), advanced_at = now()
where id = %(id)s

-- name: count_pieces
-- Pieces of a chunk become chunks of their own, with the next numbers.
update import set chunk_count = chunk_count + %(pieces)s, advanced_at = now() where id = %(id)s
returning chunk_count

-- name: note_pace
-- How fast the database is, for the chunks that follow.
update import set piece_bytes = %(piece_bytes)s, write_seconds = %(write_seconds)s where id = %(id)s

-- name: begin_splitting
-- Record what the head of the file says. Only the first splitter changes the row.
update import
set data_key = %(data_key)s, data_version = %(data_version)s, data_bytes = %(data_bytes)s, header = %(header)s,
    warnings = %(warnings)s, split_offset = %(split_offset)s, split_line = %(split_line)s, advanced_at = now()
where id = %(id)s and header is null and status = 'processing'

-- name: advance_splitting
-- The fence: of two splitters at the same offset, one updates the row, and the other stops. Chunks are to be sent after the
-- commit. Until `note_sent`, the next splitter sends them again.
update import
set split_offset = %(to_offset)s, split_line = %(to_line)s, chunk_count = chunk_count + %(chunks)s,
    split_done = %(done)s, advanced_at = now(),
    chunks_sent = greatest(chunks_sent, least(chunk_count + %(chunks)s, chunks_done + %(window)s)),
    unsure_from = case when chunks_sent < least(chunk_count + %(chunks)s, chunks_done + %(window)s)
                       then least(unsure_from, chunks_sent) else unsure_from end,
    split_waits = not %(done)s and chunk_count + %(chunks)s - chunks_done >= %(ahead)s
where id = %(id)s and split_offset = %(from_offset)s and not split_done and status = 'processing'
returning chunk_count, chunks_done, split_done, split_waits, old.chunks_sent as sends_from, new.chunks_sent as sends_to

-- name: resume_sending
-- What a splitter that begins finds to send: what may be lost, and what there is room for.
update import
set chunks_sent = greatest(chunks_sent, least(chunk_count, chunks_done + %(window)s)),
    unsure_from = least(unsure_from, chunks_sent),
    split_waits = not split_done and chunk_count - chunks_done >= %(ahead)s
where id = %(id)s and status = 'processing'
returning split_waits, new.unsure_from as sends_from, new.chunks_sent as sends_to

-- name: note_sent
-- Every message of unfinished chunks from this number on has been sent.
update import set unsure_from = null where id = %(id)s and unsure_from >= %(sends_from)s

-- name: send_again
-- Every message of the import may be lost. It counts as advanced: it is not stalled again before the same wait has passed.
update import set unsure_from = 0, split_waits = false, advanced_at = now() where id = %(id)s
