-- name: create_incoming
-- Where COPY puts a chunk's rows. The table belongs to the connection, and is filled in a transaction without other locks.
create temporary table if not exists incoming (
  line bigint not null,
  sku text not null,
  name text not null,
  description text,
  active boolean,
  -- The line that `active` comes from, if it is not the row's own: see inherit_active.
  active_line bigint,
  -- Columns of the file that are not used, for copy_plain_incoming.
  ignored_0 text, ignored_1 text, ignored_2 text, ignored_3 text, ignored_4 text, ignored_5 text,
  ignored_6 text, ignored_7 text, ignored_8 text, ignored_9 text, ignored_10 text, ignored_11 text,
  ignored_12 text, ignored_13 text, ignored_14 text, ignored_15 text
) on commit preserve rows

-- name: any_incoming
-- Whether the table still holds rows of a chunk whose transaction was rolled back.
select 1 from incoming limit 1

-- name: empty_incoming
-- Removes the rows of a chunk.
truncate incoming

-- name: copy_incoming
-- Loads the rows of a chunk.
copy incoming (line, sku, name, description, active) from stdin with (delimiter E'\x01')

-- name: copy_plain_incoming
-- Loads the rows of a chunk as they are in the file. To fill in: the columns, the delimiter, and which columns are text.
copy incoming (line, {}) from stdin with (format csv, delimiter {}, force_not_null ({}))

-- name: any_blank_active
-- Whether inherit_active has anything to do.
select 1 from incoming where active is null limit 1

-- name: inherit_active
-- Only the last of several rows with one SKU is written. If its `active` cell is empty, the nearest one before it counts.
update incoming i set active = last.active, active_line = last.line
from (
  select distinct on (key) key, active, line
  from (select sku_key(sku) collate "C" as key, active, line from incoming where active is not null offset 0) given
  order by key, line desc
) last
where last.key = sku_key(i.sku) and i.active is null

-- name: incoming_products
-- Part of merge_incoming and upsert_incoming: a chunk's rows, the last one of each SKU, in the order in which every writer
-- locks. A subquery with OFFSET computes each key once. A field that the file does not write has the floor as its version and its default as its value: it loses to every
-- write above the floor, and wins over everything below it.
select distinct on (key)
  key, sku, name, coalesce(description, '') as description, coalesce(active, true) as active,
  version_at(%(operation)s, line) as version, version_at(%(operation)s, line) as name_version,
  case when description is null then %(floor)s else version_at(%(operation)s, line) end as description_version,
  case when active is null then %(floor)s else version_at(%(operation)s, coalesce(active_line, line)) end as active_version
from (select sku_key(sku) collate "C" as key, * from incoming offset 0) keyed
order by key, line desc

-- name: any_field_wins
-- Part of merge_incoming and upsert_incoming: whether the row is newer than the product in any field.
excluded.version > p.version
  or excluded.name_version > p.name_version
  or excluded.description_version > p.description_version
  or excluded.active_version > p.active_version

-- name: content_changes
-- Part of winning_fields: whether the write changes what readers see, byte by byte.
(p.deleted or p.version < %(floor)s
  or (excluded.version > p.version and excluded.sku collate "C" <> p.sku)
  or (excluded.name_version > p.name_version and excluded.name collate "C" <> p.name)
  or (excluded.description_version > p.description_version and excluded.description collate "C" <> p.description)
  or (excluded.active_version > p.active_version and excluded.active <> p.active))

-- name: winning_fields
-- Part of merge_incoming and upsert_incoming: each field keeps the value of the newest operation that wrote it, so chunks,
-- edits and deletes have the same result in any order.
id = case when p.deleted or p.version < %(floor)s then nextval('product_id_seq') else p.id end,
sku = case when excluded.version > p.version then excluded.sku else p.sku end,
name = case when excluded.name_version > p.name_version then excluded.name else p.name end,
description = case when excluded.description_version > p.description_version
                   then excluded.description else p.description end,
active = case when excluded.active_version > p.active_version then excluded.active else p.active end,
deleted = p.deleted and excluded.version <= p.version,
version = greatest(p.version, excluded.version),
name_version = greatest(p.name_version, excluded.name_version),
description_version = greatest(p.description_version, excluded.description_version),
active_version = greatest(p.active_version, excluded.active_version),
content_version = case when {content_changes} then excluded.version else p.content_version end,
created_at = case when p.deleted or p.version < %(floor)s then now() else p.created_at end,
updated_at = case when {content_changes} then now() else p.updated_at end

-- name: outcome
-- Part of merge_incoming and upsert_incoming: the outcome of a row, which depends on what was there before, and what is
-- recorded of it: the id of a product that was created, the key of one that changed.
case
  when old.id is null then 'created'
  when %(operation)s in (operation_of(old.version), operation_of(old.name_version),
                         operation_of(old.description_version), operation_of(old.active_version)) then 'superseded'
  when old.deleted or old.version < %(floor)s then 'created'
  when new.content_version = old.content_version then 'unchanged'
  else 'updated'
end as outcome,
case when old.id is null or new.id <> old.id then new.id end as created_id,
case when new.id = old.id and new.content_version <> old.content_version then new.sku_key end as changed_key

-- name: record_outcomes
-- Part of merge_incoming and upsert_incoming: the counts for the receipt. Records what changed.
, counted as (
  select count(*) filter (where outcome = 'created') as created,
         count(*) filter (where outcome = 'updated') as updated,
         count(*) filter (where outcome = 'unchanged') as unchanged,
         min(created_id) as first_id, max(created_id) as last_id,
         array_agg(changed_key) filter (where changed_key is not null) as changed_keys
  from written
), change as (
  select nextval('catalogue_change_position_seq') as position, * from counted
  where first_id is not null or changed_keys is not null
), changed as (
  insert into product_change (position, sku_key) select position, unnest(changed_keys) from change
), recorded as (
  insert into catalogue_change (position, operation, created, first_id, last_id, products)
  select position, %(operation)s, created, first_id, last_id, coalesce(cardinality(changed_keys), 0) from change
)
select created, updated, unchanged from counted

-- name: seems_small
-- Whether the catalogue has few rows, according to the statistics. A table without statistics (-1) does not count as small.
select reltuples between 0 and %(rows)s as small from pg_class where oid = 'product'::regclass

-- name: lock_in_order
-- For merge_incoming: only a nested loop join keeps the order of the keys, which prevents deadlocks between writers.
select set_config(name, 'off', true)
from unnest(array['enable_hashjoin', 'enable_mergejoin', 'enable_seqscan']) as name

-- name: merge_incoming
-- Writes a chunk's rows into the catalogue, in a seventh less time than upsert_incoming. Fails with a unique violation when
-- another writer adds the same new SKU at the same time; then upsert_incoming must do it.
with written as (
  merge into product p using ({incoming_products}) excluded on p.sku_key = excluded.key
  when matched and ({any_field_wins}) then update set {winning_fields}
  when not matched then
    insert (sku, sku_key, name, description, active,
            version, name_version, description_version, active_version, content_version)
    values (excluded.sku, excluded.key, excluded.name, excluded.description, excluded.active,
            excluded.version, excluded.name_version, excluded.description_version, excluded.active_version, excluded.version)
  returning {outcome}
)
{record_outcomes}

-- name: upsert_incoming
-- Does the same as merge_incoming, whatever other writers do at the same time.
with written as (
  insert into product as p (sku, sku_key, name, description, active,
                            version, name_version, description_version, active_version, content_version)
  select sku, key, name, description, active, version, name_version, description_version, active_version, version
  from ({incoming_products}) incoming_product
  on conflict (sku_key) do update set {winning_fields}
  where {any_field_wins}
  returning {outcome}
)
{record_outcomes}

-- name: find_product
-- Finds a product that readers see: no tombstones, nothing below the floor.
select p.* from product p, barrier b where p.id = %(id)s and not p.deleted and p.version >= b.floor

-- name: lock_keys
-- Locks every row that a writer is about to change, in the order of their keys, which is the order of imports, too.
select * from product where sku_key = any(%(keys)s) order by sku_key for update

-- name: key_of
-- The key of a SKU.
select sku_key(%(sku)s) as key

-- name: put_product
-- Writes a whole product through the API: a new one, a revived tombstone, or the target of a rename. Changes and returns
-- nothing when the SKU is taken or the row was written by a later operation.
insert into product as p (id, sku, sku_key, name, description, active,
                          version, name_version, description_version, active_version, content_version, created_at)
values (coalesce(%(id)s, next_product_id()), %(sku)s, sku_key(%(sku)s), %(name)s, %(description)s, %(active)s,
        %(version)s, %(version)s, %(version)s, %(version)s, %(version)s, coalesce(%(created_at)s, now()))
on conflict (sku_key) do update set
  id = excluded.id, sku = excluded.sku, name = excluded.name, description = excluded.description,
  active = excluded.active, deleted = false, version = excluded.version, name_version = excluded.name_version,
  description_version = excluded.description_version, active_version = excluded.active_version,
  content_version = excluded.content_version, created_at = excluded.created_at, updated_at = now()
where (p.deleted or p.version < %(floor)s) and p.version < excluded.version
returning *

-- name: edit_product
-- Writes the given fields of a locked product. A field that is null keeps its value and its version.
update product p set
  sku = coalesce(%(sku)s, sku),
  name = coalesce(%(name)s, name),
  description = coalesce(%(description)s, description),
  active = coalesce(%(active)s, active),
  version = case when %(sku)s::text is null then version else %(version)s end,
  name_version = case when %(name)s::text is null then name_version else %(version)s end,
  description_version = case when %(description)s::text is null then description_version else %(version)s end,
  active_version = case when %(active)s::boolean is null then active_version else %(version)s end,
  content_version = case when edited.changed then %(version)s else content_version end,
  updated_at = case when edited.changed then now() else updated_at end
from (
  select coalesce(%(sku)s, sku) <> sku or coalesce(%(name)s, name) <> name
      or coalesce(%(description)s, description) <> description or coalesce(%(active)s, active) <> active as changed
  from product where id = %(id)s
) edited
where p.id = %(id)s
returning p.*

-- name: bury_product
-- Turns a locked product into a tombstone: every field gets its default, and a product that returns under the SKU gets a
-- new id.
update product set
  id = next_product_id(), name = '', description = '', active = true, deleted = true,
  version = %(version)s, name_version = %(version)s, description_version = %(version)s, active_version = %(version)s,
  content_version = %(version)s, updated_at = now()
where id = %(id)s

-- name: purge_tombstones
-- Removes tombstones below every operation that may still write, the oldest first: a tombstone gets its id when the product
-- is deleted, and the same version everywhere. Their minimum age rules out operations whose acceptance is not committed yet: no transaction lives that long.
-- Only the oldest are looked at, so that nothing reads all those of the last hour to find that they are too young.
with oldest as (
  select id, content_version, updated_at from product where deleted order by id limit %(limit)s
), removable as materialized (
  select id, content_version from oldest
  where content_version < coalesce((
      select version_at(min(operation), 0) from import where status = 'processing' or (status = 'failed' and retryable)
    ), 9223372036854775807)
    and updated_at < now() - make_interval(secs => %(age_seconds)s)
)
delete from product where id in (
  select p.id from product p join removable r on r.id = p.id
  where p.deleted and p.content_version = r.content_version for update of p skip locked
)
