-- name: count_products
select count(*) as total from product p, barrier b where not p.deleted and p.version >= b.floor

-- name: add_bulk_delete
insert into bulk_delete (operation, total) values (%(operation)s, %(total)s) returning *

-- name: older_imports
-- Imports that were accepted before the bulk delete and could still write, locked.
select id, status from import
where operation < %(operation)s and (status = 'processing' or (status = 'failed' and retryable))
order by id for update

-- name: never_retry
update import set retryable = false where id = %(id)s

-- name: find_bulk_delete
select * from bulk_delete where id = %(id)s

-- name: lock_bulk_delete
select * from bulk_delete where id = %(id)s for update

-- name: delete_step
-- The next rows below the floor, tombstones too, in the order of their keys.
with doomed as (
  select id, sku_key, deleted from product
  where sku_key > %(last_key)s and version < version_of(%(operation)s, 0)
  order by sku_key limit %(limit)s for update
), gone as (
  delete from product p using doomed d where p.id = d.id returning d.sku_key, d.deleted
)
select count(*) as rows, count(*) filter (where not deleted) as products, max(sku_key) as last_key from gone

-- name: any_left_to_delete
select 1 as left_over from product where sku_key > %(last_key)s and version < version_of(%(operation)s, 0) limit 1

-- name: advance_bulk_delete
update bulk_delete
set status = %(status)s::bulk_delete_status, deleted = deleted + %(products)s, last_key = %(last_key)s,
    advanced_at = now(), finished_at = case when %(status)s = 'completed' then now() end
where id = %(id)s
returning *

-- name: fail_bulk_delete
update bulk_delete
set status = 'failed', error_code = %(error_code)s, error_message = %(error_message)s, finished_at = now()
where id = %(id)s and status in ('pending', 'processing')

-- name: lock_idle_bulk_delete
-- Locked, unless it has ended or somebody has just advanced it.
select id from bulk_delete
where id = %(id)s and status in ('pending', 'processing') and advanced_at < now() - make_interval(secs => %(seconds)s)
for update

-- name: wake_stalled_bulk_deletes
-- The wake-up is noted, so that one that waits in a long queue does not get a message every minute.
update bulk_delete set woken_at = now()
where id in (
  select id from bulk_delete
  where status in ('pending', 'processing')
    and greatest(advanced_at, woken_at) < now() - make_interval(secs => %(seconds)s)
  order by created_at limit %(limit)s for update skip locked
)
returning id
