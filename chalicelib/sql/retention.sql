-- name: prune_bulk_deletes
-- Removes bulk deletes that ended long ago, the oldest first. What they deleted stays deleted: the floor says so.
delete from bulk_delete where id in (
  select id from bulk_delete where finished_at < now() - make_interval(days => %(days)s)
  order by finished_at limit %(limit)s for update skip locked
)

-- name: prune_exports
-- Removes exports that ended long ago, the oldest first.
delete from export where id in (
  select id from export where finished_at < now() - make_interval(days => %(days)s)
  order by finished_at limit %(limit)s for update skip locked
)

-- name: imports_to_prune
-- Imports that ended long ago, the oldest first, whose chunks and rejected rows are still stored. One that can be retried
-- needs its chunks.
select id from import
where details_kept and not retryable and finished_at < now() - make_interval(days => %(days)s)
order by finished_at limit %(limit)s

-- name: remove_chunks
-- Removes the chunks of an import that has ended, and its header, which may have a megabyte. Their sums stay. Changes
-- nothing in the import if it is running, if it can be retried, or if its chunks are removed already.
with chunks as (
  select import_id, number from chunk where import_id = %(id)s order by number for update
), removed as (
  delete from chunk c using chunks where c.import_id = chunks.import_id and c.number = chunks.number
)
update import i
set details_kept = false, header = null, sum_bytes = i.sum_bytes + coalesce((i.header ->> 'end')::bigint, 0)
where i.id = %(id)s and i.details_kept and not i.retryable and i.finished_at is not null

-- name: remove_all_rejected_rows
-- Removes the rejected rows of an import that has ended.
delete from rejected_row where import_id = %(id)s

-- name: claim_files_to_check
-- Imports that have ended and whose file is to be looked for in S3, those that have waited longest first. The next check is
-- set before this one, so that an object that S3 refuses to look for cannot stop the others.
update import set file_check_at = now() + make_interval(secs => %(seconds)s)
where id in (
  select id from import
  where bucket = %(bucket)s and finished_at is not null and coalesce(file_check_at, finished_at) <= now()
  order by coalesce(file_check_at, finished_at) limit %(limit)s for no key update skip locked
)
returning id, object_key, object_version, file_gone_at is not null as is_gone

-- name: note_file_gone
-- S3 has confirmed that the file is gone, so a retry cannot help. S3 is asked again when the import is to be removed.
update import
set file_gone_at = now(), retryable = false,
    file_check_at = greatest(finished_at + make_interval(days => %(days)s), now() + make_interval(days => %(message_days)s))
where id = %(id)s and finished_at is not null

-- name: note_file_back
-- There is a file again.
update import set file_gone_at = null where id = %(id)s

-- name: remove_import
-- Removes an import that ended long ago, and whose file has been gone for longer than any message about it is kept.
delete from import i
where i.id = %(id)s and i.finished_at <= now() - make_interval(days => %(days)s)
  and i.file_gone_at <= now() - make_interval(days => %(message_days)s)
  and not i.details_kept
  and not exists (select from chunk c where c.import_id = i.id)
  and not exists (select from rejected_row r where r.import_id = i.id)
