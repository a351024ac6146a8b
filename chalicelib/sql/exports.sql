-- name: count_unfinished_exports
select count(*) as total from export where status in ('pending', 'processing')

-- name: add_export
-- The estimate counts tombstones too, because they are looked at. It is exact enough for a percentage, and costs nothing.
insert into export (filters, estimated_rows)
select %(filters)s, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)
from pg_class c where c.oid = 'product'::regclass
returning *

-- name: find_export
-- All that people may want to know; not the tail, which can be megabytes.
select id, status, estimated_rows, looked_at, exported_rows, size_bytes, object_version, error_code, error_message,
       created_at, finished_at
from export where id = %(id)s

-- name: begin_export_step
-- Each step has a part number of its own, used or not: of two invocations that do the same step, none can replace the
-- part of the other.
update export set status = 'processing', parts_begun = parts_begun + 1
where id = %(id)s and status in ('pending', 'processing')
returning *

-- name: open_export
-- Everything from the start, in a new upload.
update export set
  upload_id = %(upload_id)s, tail = %(tail)s, size_bytes = length(%(tail)s),
  last_key = '', looked_at = 0, exported_rows = 0, read_done = false, steps = steps + 1, advanced_at = now()
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: forget_export_parts
delete from export_part where export_id = %(id)s

-- name: export_page
-- The next rows of the catalogue in the order of their keys: those that are wanted, each with what the page has looked at
-- in all. It is what is looked at that is limited, in rows and in bytes: however little a filter lets through, a page takes
-- no longer. One row without a SKU when none is wanted. The filters of lists are added to this, then export_page_end.
with next_rows as (
  select sku_key, sku, name, description, active, deleted, version
  from product where sku_key > %(after)s
  order by sku_key limit %(rows)s
), looked_at as (
  select * from (
    select *, sum(octet_length(description)) over (order by sku_key) - octet_length(description) as bytes_before
    from next_rows
  ) sized
  where bytes_before < %(bytes)s
), wanted as (
  select p.* from looked_at p where not p.deleted and p.version >= (select floor from barrier)

-- name: export_page_end
)
select w.sku, w.name, w.description, w.active, seen.rows as looked_at, seen.last_key
from (select count(*) as rows, max(sku_key) as last_key from looked_at) seen
left join wanted w on true
order by w.sku_key

-- name: advance_export
-- The fence: only from where the step began.
update export set
  last_key = %(last_key)s, looked_at = looked_at + %(looked_at)s, exported_rows = exported_rows + %(rows)s,
  size_bytes = size_bytes + %(bytes)s, tail = %(tail)s, read_done = %(read_done)s,
  steps = steps + 1, advanced_at = now()
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: add_export_part
insert into export_part (export_id, number, stored) values (%(id)s, %(number)s, %(stored)s)

-- name: export_parts
select stored from export_part where export_id = %(id)s order by number

-- name: reopen_export
-- Its upload is gone: the next step opens another one.
update export set upload_id = null, steps = steps + 1, advanced_at = now()
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: complete_export
update export set
  status = 'completed', object_version = %(version)s, size_bytes = %(bytes)s, finished_at = now(), steps = steps + 1
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: fail_export
update export set
  status = 'failed', tail = '', error_code = %(error_code)s, error_message = %(error_message)s, finished_at = now()
where id = %(id)s and status in ('pending', 'processing')

-- name: lock_idle_export
-- Locked, unless it has ended or somebody has just advanced it.
select id from export
where id = %(id)s and status in ('pending', 'processing') and advanced_at < now() - make_interval(secs => %(seconds)s)
for update

-- name: wake_stalled_exports
-- The wake-up is noted, so that one that waits in a long queue does not get a message every minute.
update export set woken_at = now()
where id in (
  select id from export
  where status in ('pending', 'processing')
    and greatest(advanced_at, woken_at) < now() - make_interval(secs => %(seconds)s)
  order by created_at limit %(limit)s for update skip locked
)
returning id
