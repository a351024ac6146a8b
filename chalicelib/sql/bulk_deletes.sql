-- name: add_bulk_delete
-- Accepts a bulk delete.
insert into bulk_delete (operation, total) values (%(operation)s, %(total)s) returning *

-- name: older_imports
-- Imports that were accepted before the bulk delete and could still write, locked.
select id, status from import
where operation < %(operation)s and (status = 'processing' or (status = 'failed' and retryable))
order by id for no key update

-- name: never_retry
-- A failed import from before a bulk delete: a retry would write nothing.
update import set retryable = false where id = %(id)s

-- name: find_bulk_delete
-- Reads a bulk delete.
select * from bulk_delete where id = %(id)s

-- name: count_bulk_deletes
-- Counts all bulk deletes, for the total of the list.
select count(*) as total from bulk_delete

-- name: bulk_deletes_below
-- A page of the list, newest first: the bulk deletes below an id, or from the newest.
select * from bulk_delete where %(below)s::uuid is null or id < %(below)s order by id desc limit %(limit)s

-- name: bulk_deletes_above
-- The page before one, lowest id first: the bulk deletes above an id.
select * from bulk_delete where id > %(above)s order by id limit %(limit)s

-- name: lock_bulk_delete
-- Locks a bulk delete after the rows of a step, to check that no other invocation has done the same step.
select * from bulk_delete where id = %(id)s for update

-- name: delete_step
-- Removes the next rows below the floor, tombstones included, in the order of their keys.
with doomed as (
  select id, sku_key, deleted from product
  where sku_key > %(last_key)s and version < version_at(%(operation)s, 0)
  order by sku_key limit %(limit)s for update
), gone as (
  delete from product p using doomed d where p.id = d.id returning d.sku_key, d.deleted
)
select count(*) as rows, count(*) filter (where not deleted) as products, max(sku_key) as last_key from gone

-- name: any_left_to_delete
-- Whether any row below the floor is left after this key.
select 1 from product where sku_key > %(last_key)s and version < version_at(%(operation)s, 0) limit 1

-- name: advance_bulk_delete
-- Records a step, which may be the last one.
update bulk_delete
set status = %(status)s::bulk_delete_status, deleted = deleted + %(products)s, last_key = %(last_key)s,
    advanced_at = now(), finished_at = case when %(status)s = 'completed' then now() end
where id = %(id)s
returning *

-- name: fail_bulk_delete
-- Ends a bulk delete with a reason, unless it has already ended.
update bulk_delete
set status = 'failed', error_code = %(error_code)s, error_message = %(error_message)s, finished_at = now()
where id = %(id)s and status in ('pending', 'processing')

-- name: lock_idle_bulk_delete
-- Locks a bulk delete for its dead letter, unless it has ended or an invocation has advanced it recently.
select id from bulk_delete
where id = %(id)s and status in ('pending', 'processing') and advanced_at < now() - make_interval(secs => %(seconds)s)
for update

-- name: wake_stalled_bulk_deletes
-- Returns the bulk deletes that need a new message. Records the wake-up, so that a bulk delete whose message waits in a
-- long queue does not get another one every minute.
update bulk_delete set woken_at = now()
where id in (
  select id from bulk_delete
  where status in ('pending', 'processing')
    and greatest(advanced_at, woken_at) < now() - make_interval(secs => %(seconds)s)
  order by created_at limit %(limit)s for update skip locked
)
returning id
