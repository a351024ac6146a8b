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
select i.id, i.data_key, i.data_version, i.object_key, i.object_version,
       greatest(i.attempt_started_at, c.last_done_at) < now() - make_interval(secs => %(abandoned_seconds)s) as abandoned
from import i
cross join lateral (select max(done_at) as last_done_at from chunk where import_id = i.id) c
where i.status = 'processing'
  and greatest(i.advanced_at, c.last_done_at) < now() - make_interval(secs => %(seconds)s)
order by i.created_at limit %(limit)s

-- name: note_wake_up
-- The import was woken: it is not stalled again before the same wait has passed.
update import set advanced_at = now() where id = %(id)s
