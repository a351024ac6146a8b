-- name: pending_imports
-- Registered uploads whose object has not been seen yet. `overdue` means that it can no longer arrive. Those come first:
-- ordered by age, registrations that are renewed again and again would hide all later ones.
select id, object_key, upload_expires_at + make_interval(secs => %(grace_seconds)s) < now() as overdue
from import where status = 'pending'
order by upload_expires_at, id limit %(limit)s

-- name: read_sweep_cursor
-- Where the next sweep continues its listing of the bucket.
select key_marker, version_marker from sweep_cursor

-- name: move_sweep_cursor
-- Both markers are null at the end of the listing: the next sweep starts from the beginning.
update sweep_cursor set key_marker = %(key_marker)s, version_marker = %(version_marker)s

-- name: stalled_imports
-- Running imports that neither the splitter nor a worker has advanced for a while.
select id, data_key, data_version, object_key, object_version,
       greatest(attempt_started_at, last_done_at) < now() - make_interval(secs => %(abandoned_seconds)s) as abandoned,
       greatest(advanced_at, last_done_at) < now() - make_interval(secs => %(lost_seconds)s) as is_lost
from import
where status = 'processing' and greatest(advanced_at, last_done_at) < now() - make_interval(secs => %(seconds)s)
order by created_at limit %(limit)s

-- name: expected_messages
-- How many messages about running imports there are if none is lost: one for each chunk that was sent and is not done, and
-- one for each import that is not split yet, unless its splitter waits for its chunks.
select coalesce(sum(case when chunk_count > chunks_done then greatest(chunks_sent - chunks_done, 1) else 0 end), 0)::bigint
         as chunks,
       count(*) filter (where not split_done and (not split_waits or chunk_count = chunks_done)) as uploads
from import where status = 'processing'
