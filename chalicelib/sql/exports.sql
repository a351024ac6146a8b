-- name: lock_exports
-- Makes requests that add an export wait for each other, so that together they cannot exceed the limit.
lock table export in share row exclusive mode

-- name: count_unfinished_exports
-- How many exports of one token are pending or processing.
select count(*) as total from export where status in ('pending', 'processing') and token_id = %(token_id)s

-- name: add_export
-- Accepts an export. The estimate includes tombstones, because the export looks at them, too. It is accurate enough for a
-- percentage, and costs nothing.
insert into export (filters, token_id, estimated_rows)
select %(filters)s, %(token_id)s, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)
from pg_class c where c.oid = 'product'::regclass
returning *

-- name: find_export
-- Reads what clients see of an export, without the tail, which can be megabytes.
select id, status, estimated_rows, looked_at, exported_rows, size_bytes, object_version, error_code, error_message,
       created_at, finished_at
from export where id = %(id)s

-- name: count_exports
-- Counts all exports, for the total of the list.
select count(*) as total from export

-- name: exports_below
-- A page of the list, newest first: the exports below an id, or from the newest.
select id, status, estimated_rows, looked_at, exported_rows, size_bytes, object_version, error_code, error_message,
       created_at, finished_at
from export where %(below)s::uuid is null or id < %(below)s order by id desc limit %(limit)s

-- name: exports_above
-- The page before one, lowest id first: the exports above an id.
select id, status, estimated_rows, looked_at, exported_rows, size_bytes, object_version, error_code, error_message,
       created_at, finished_at
from export where id > %(above)s order by id limit %(limit)s

-- name: begin_export_step
-- Begins a step. Each step gets a part number of its own, used or not: of two invocations that do the same step, neither
-- can replace the other's part.
update export set status = 'processing', parts_begun = parts_begun + 1
where id = %(id)s and status in ('pending', 'processing')
returning *

-- name: open_export
-- Starts from the beginning, in a new upload.
update export set
  upload_id = %(upload_id)s, tail = %(tail)s, size_bytes = length(%(tail)s),
  last_key = '', looked_at = 0, exported_rows = 0, read_done = false, steps = steps + 1, advanced_at = now()
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: forget_export_parts
-- Removes the parts of an upload that no longer exists.
delete from export_part where export_id = %(id)s

-- name: export_page
-- Reads the next rows of the catalogue in the order of their keys, and returns those that match, each with the number of
-- rows that the page has looked at. The limits, in rows and in bytes, are on the rows looked at, so that a page takes no
-- longer when few of them match. A page without a match is one row without a SKU. The caller appends the filters of lists,
-- then export_page_end.
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
-- Second part of export_page.
)
select w.sku, w.name, w.description, w.active, seen.rows as looked_at, seen.last_key
from (select count(*) as rows, max(sku_key) as last_key from looked_at) seen
left join wanted w on true
order by w.sku_key

-- name: advance_export
-- Records a step. `steps` is the fence: it matches only if no other invocation has recorded a step in the meantime.
update export set
  last_key = %(last_key)s, looked_at = looked_at + %(looked_at)s, exported_rows = exported_rows + %(rows)s,
  size_bytes = size_bytes + %(bytes)s, tail = %(tail)s, read_done = %(read_done)s,
  steps = steps + 1, advanced_at = now()
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: add_export_part
-- Records an uploaded part, with what S3 needs to put the file together.
insert into export_part (export_id, number, stored) values (%(id)s, %(number)s, %(stored)s)

-- name: export_parts
-- The parts of the file, in order.
select stored from export_part where export_id = %(id)s order by number

-- name: reopen_export
-- Forgets an upload that no longer exists: the next step opens another one.
update export set upload_id = null, steps = steps + 1, advanced_at = now()
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: complete_export
-- Ends an export whose file is in S3.
update export set
  status = 'completed', object_version = %(version)s, size_bytes = %(bytes)s, finished_at = now(), steps = steps + 1
where id = %(id)s and steps = %(steps)s and status = 'processing'

-- name: fail_export
-- Ends an export with a reason, unless it has already ended.
update export set
  status = 'failed', tail = '', error_code = %(error_code)s, error_message = %(error_message)s, finished_at = now()
where id = %(id)s and status in ('pending', 'processing')

-- name: lock_idle_export
-- Locks an export for its dead letter, unless it has ended or an invocation has advanced it recently.
select id from export
where id = %(id)s and status in ('pending', 'processing') and advanced_at < now() - make_interval(secs => %(seconds)s)
for no key update

-- name: wake_stalled_exports
-- Returns the exports that need a new message. Records the wake-up, so that an export whose message waits in a long queue
-- does not get another one every minute.
update export set woken_at = now()
where id in (
  select id from export
  where status in ('pending', 'processing')
    and greatest(advanced_at, woken_at) < now() - make_interval(secs => %(seconds)s)
  order by created_at limit %(limit)s for update skip locked
)
returning id
