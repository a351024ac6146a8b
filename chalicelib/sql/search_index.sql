-- name: lock_search_state
-- Locks the state of indexing; a second invocation waits. `after_key`: how far the walk has come.
select begun, at_position, at_key, at_id, after_key from product_search_state for update

-- name: any_being_copied
-- Whether changes have been chosen that are not copied completely.
select 1 from catalogue_change where stage = 1 limit 1

-- name: begin_index
-- Begins a new index: a walk copies what is there, and the record has what changes from now on.
update product_search_state set begun = true, after_key = '', copied_floor = b.floor from barrier b

-- name: begin_walk
-- Begins a walk, if a bulk delete has hidden products that are in the index. Lists use the index in the meantime.
update product_search_state s set after_key = '', copied_floor = b.floor from barrier b where s.copied_floor <> b.floor

-- name: choose_changes
-- Chooses changes to copy, and adds them to the number of products. While an import is running, large changes wait, but not
-- too long: copying takes a processor from the import, and chunks that run at once create products whose ids lie between
-- each other's, so a range that is read for many of them is read about once. `cost` is how many products are read for a
-- change at most. Returns how many were chosen.
with waiting as (
  select position, products + coalesce(last_id - first_id + 1, 0) as cost, at from catalogue_change
  where stage = 0 order by position limit %(changes)s
), chosen as (
  update catalogue_change set stage = 1
  where position in (
    select position from waiting
    where cost <= %(small)s
      or not exists (select from import where status = 'processing')
      or (select min(at) from waiting) < now() - make_interval(secs => %(seconds)s)
  )
  returning created - deleted as change
), added as (
  update catalogue_total set total = total + (select sum(change) from chosen) where exists (select from chosen)
), begun as (
  update product_search_state set at_position = 0, at_key = '', at_id = 0 where exists (select from chosen)
)
select count(*) as chosen from chosen

-- name: index_looked_at
-- Part of other queries: writes the products that were looked at into the index where it differs, folded.
insert into product_search (sku_key, content_version, name, description, active)
select p.sku_key, p.content_version, folded(p.name) as name, folded(p.description) as description, p.active
from looked_at p left join product_search s on s.sku_key = p.sku_key
where p.shown and s.content_version is distinct from p.content_version
on conflict (sku_key) do update set
  content_version = excluded.content_version, name = excluded.name, description = excluded.description,
  active = excluded.active

-- name: copy_changed
-- Copies the next products that the chosen changes name, limited in rows and in bytes, and removes entries without a
-- product. Returns the last key, or nulls when there are no more. The nested loop reads no more than it returns.
with state as (
  select at_position, at_key from product_search_state
), named as (
  select c.position, k.sku_key
  from (
    select c.position from catalogue_change c, state
    where c.stage = 1 and c.products > 0 and c.position >= state.at_position order by c.position
  ) c cross join lateral (
    select k.sku_key from product_change k, state
    where k.position = c.position and (c.position > state.at_position or k.sku_key > state.at_key)
    order by k.sku_key
  ) k
  order by c.position, k.sku_key limit %(rows)s
), found as (
  select n.position, n.sku_key, p.id, p.sku, p.content_version, p.name, p.description, p.active,
         not p.deleted and p.version >= (select floor from barrier) as shown,
         coalesce(sum(octet_length(p.description)) over (order by n.position, n.sku_key), 0)
           - coalesce(octet_length(p.description), 0) as bytes_before
  from named n left join product p on p.sku_key = n.sku_key
), looked_at as (
  select distinct on (sku_key) * from found where bytes_before < %(bytes)s order by sku_key
), gone as (
  delete from product_search s using looked_at p where s.sku_key = p.sku_key and p.shown is not true
), written as (
  {index_looked_at}
)
select position as at_position, sku_key as at_key,
       (select count(*) from looked_at p where p.shown and p.sku_key <> sku_key(p.sku)) as wrong_keys
from (
  select position, sku_key from found where bytes_before < %(bytes)s
  order by position desc, sku_key desc limit 1
) last

-- name: copy_created
-- Copies the next products that the chosen changes created, in the order of their ids, limited in rows and in bytes.
-- Returns the last id, or null when there are no more. Ranges of ids that overlap are read once.
with state as (
  select at_id from product_search_state
), ranges as (
  select unnest(range_agg(int8range(first_id, last_id, '[]'))) as ids from catalogue_change where stage = 1 and created > 0
), next_products as (
  select p.*
  from (
    select greatest(lower(ids), state.at_id + 1) as first, upper(ids) - 1 as last
    from ranges, state where upper(ids) > state.at_id + 1 order by 1
  ) r cross join lateral (
    select p.id, p.sku, p.sku_key, p.content_version, p.name, p.description, p.active,
           not p.deleted and p.version >= (select floor from barrier) as shown
    from product p where p.id between r.first and r.last order by p.id limit %(rows)s
  ) p
  order by r.first, p.id limit %(rows)s
), looked_at as (
  select * from (
    select *, sum(octet_length(description)) over (order by id) - octet_length(description) as bytes_before
    from next_products
  ) p where bytes_before < %(bytes)s
), written as (
  {index_looked_at}
)
select max(id) as at_id, count(*) filter (where shown and sku_key <> sku_key(sku)) as wrong_keys from looked_at

-- name: advance_copying
-- Records how far the chosen changes have been copied.
update product_search_state set at_position = %(at_position)s, at_key = %(at_key)s, at_id = %(at_id)s

-- name: end_copying
-- All chosen changes are in the index.
update catalogue_change set stage = 2 where stage = 1

-- name: index_range
-- Walks over the next products in the order of their keys, limited in rows and in bytes: writes those that differ, and
-- removes entries without a product. Returns the last key, or null at the end of both tables.
with next_products as (
  select sku, sku_key, content_version, name, description, active,
         not deleted and version >= (select floor from barrier) as shown,
         sum(octet_length(description)) over (order by sku_key) - octet_length(description) as bytes_before
  from (select * from product where sku_key > %(after)s order by sku_key limit %(rows)s) ordered
), next_entries as (
  select sku_key from product_search where sku_key > %(after)s order by sku_key limit %(rows)s
), last as (
  select least(
    (select max(sku_key) filter (where bytes_before < %(bytes)s) from next_products
     having count(*) = %(rows)s or max(bytes_before) >= %(bytes)s),
    (select max(sku_key) from next_entries having count(*) = %(rows)s)
  ) as key
), looked_at as (
  select p.* from next_products p, last where last.key is null or p.sku_key <= last.key
), gone as (
  delete from product_search s using last
  where s.sku_key > %(after)s and (last.key is null or s.sku_key <= last.key)
    and not exists (select from looked_at p where p.sku_key = s.sku_key and p.shown)
), written as (
  {index_looked_at}
)
select key as last_key, (select count(*) from looked_at p where p.shown and p.sku_key <> sku_key(p.sku)) as wrong_keys
from last

-- name: advance_walk
-- Records how far the walk has come.
update product_search_state set after_key = %(after)s

-- name: end_walk
-- Everything from before the walk is in the index.
update product_search_state set after_key = null, built = true

-- name: sort_in_product_search
-- Moves new entries from the pending list of the trigram index into the index.
select sort_in_product_search()

-- name: prune_changes
-- Deletes the oldest changes that are in the index. Returns how many.
with old as (
  select position from (
    select position, sum(products) over (order by position) - products as products_before
    from (select position, products from catalogue_change where stage = 2 order by position limit %(changes)s) oldest
  ) c where products_before < %(rows)s
), keys as (
  delete from product_change k using old where k.position = old.position
)
delete from catalogue_change c using old where c.position = old.position

-- name: any_unindexed
-- Finds work for index_products, for the sweep: changes, a walk after a bulk delete, or a new index.
select 1 from product_search_state s, barrier b
where not s.built or s.copied_floor <> b.floor or exists (select from catalogue_change where stage < 2)
