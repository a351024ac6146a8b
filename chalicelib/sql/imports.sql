-- name: register_import
-- A promised upload: pending until its object is seen in S3.
with made as (select uuidv7() as id)
insert into import (id, filename, encoding, bucket, object_key, size_bytes, upload_expires_at)
select id, %(filename)s, %(encoding)s, %(bucket)s, %(prefix)s || id || '.csv', %(size_bytes)s,
       now() + make_interval(secs => %(expires_seconds)s)
from made
returning id

-- name: renew_upload
-- A new link is about to be made: the object is waited for as long as that one lives.
update import set upload_expires_at = now() + make_interval(secs => %(expires_seconds)s)
where id = %(id)s and status = 'pending'
returning object_key, size_bytes

-- name: accept_registered_import
-- The registered upload has arrived: it takes its place in the acceptance order.
update import
set status = 'processing', operation = nextval('operation'), object_version = %(object_version)s,
    size_bytes = %(size_bytes)s, started_at = now(), attempt_started_at = now(), advanced_at = now()
where bucket = %(bucket)s and object_key = %(object_key)s and object_version is null and status = 'pending'
returning id

-- name: accept_dropped_import
-- A file that nobody registered: put into the bucket by any S3 client.
insert into import (status, operation, filename, bucket, object_key, object_version, size_bytes,
                    started_at, attempt_started_at, advanced_at)
values ('processing', nextval('operation'), %(filename)s, %(bucket)s, %(object_key)s, %(object_version)s,
        %(size_bytes)s, now(), now(), now())
on conflict on constraint import_object do nothing
returning id

-- name: find_import_by_object
select id from import
where bucket = %(bucket)s and object_key = %(object_key)s and object_version = %(object_version)s

-- name: find_ended_registration
-- A registration that ended (cancelled, expired) before its object arrived: the object is not imported.
select id from import
where bucket = %(bucket)s and object_key = %(object_key)s and object_version is null and status <> 'pending'

-- name: find_import
-- One import with the sums of its chunks: progress is never a counter that writers fight over.
select i.*, s.* from import i cross join lateral import_sums(i.id) s
where i.id = %(id)s

-- name: imports_before
-- The history, newest first: ids are UUIDv7, so their order is the order of creation.
select i.*, s.* from import i cross join lateral import_sums(i.id) s
where %(before)s::uuid is null or i.id < %(before)s
order by i.id desc limit %(limit)s

-- name: imports_after
-- The page before, so oldest first.
select i.*, s.* from import i cross join lateral import_sums(i.id) s
where i.id > %(after)s
order by i.id limit %(limit)s

-- name: count_imports
select count(*) as total from import

-- name: lock_import
-- The last lock but the outbox in the one lock order: barrier, chunk, products by key, import, outbox.
-- NO KEY: a chunk with rejected rows already holds FOR KEY SHARE on this row through its foreign key. FOR UPDATE
-- conflicts with the same lock of another chunk, and the two would deadlock.
select * from import where id = %(id)s for no key update

-- name: import_progress
-- A new statement after lock_import, so that it sees every chunk committed by those who held the lock before.
select count(*) filter (where not done) as open_chunks from chunk where import_id = %(id)s

-- name: complete_import
update import set status = 'completed', finished_at = now(), advanced_at = now() where id = %(id)s

-- name: end_import
update import
set status = %(status)s::import_status, error_code = %(error_code)s, error_message = %(error_message)s,
    retryable = %(retryable)s, finished_at = now()
where id = %(id)s

-- name: reopen_import
update import
set status = 'processing', attempt = attempt + 1, error_code = null, error_message = null, retryable = false,
    finished_at = null, attempt_started_at = now(), advanced_at = now(), indexed = false
where id = %(id)s
returning attempt

-- name: begin_splitting
-- Notes what was learnt from the file's head. Only the first splitter's word counts.
update import
set data_key = %(data_key)s, data_version = %(data_version)s, data_bytes = %(data_bytes)s, header = %(header)s,
    warnings = %(warnings)s, split_offset = %(split_offset)s, split_line = %(split_line)s, advanced_at = now()
where id = %(id)s and header is null and status = 'processing'

-- name: advance_splitting
-- The fence: of two splitters at the same offset one gets the row, the other stops.
update import
set split_offset = %(to_offset)s, split_line = %(to_line)s, chunk_count = chunk_count + %(chunks)s,
    split_done = %(done)s, advanced_at = now()
where id = %(id)s and split_offset = %(from_offset)s and not split_done and status = 'processing'
returning chunk_count
