-- name: note_edit
-- Notes an edit, in its own transaction, so that lists find it before it is indexed.
insert into product_search_edit (sku_key, version, shown_change) values (%(key)s, %(version)s, %(shown_change)s)

-- name: lock_search_state
-- Locks the state of indexing. Returns no row while another invocation has it.
select after_key from product_search_state for update skip locked

-- name: is_import_running
-- Whether indexing must wait.
select exists (select from import where status = 'processing') as running

-- name: searchable_products
-- Part of index_edits and index_range: products in the form that the index stores.
select p.sku_key, p.content_version, lower(p.sku collate pg_c_utf8) as sku, lower(p.name collate pg_c_utf8) as name,
       lower(p.description collate pg_c_utf8) as description, p.active

-- name: replace_searchable
-- Part of index_edits and index_range: replaces what the index has under the key.
on conflict (sku_key) do update set
  content_version = excluded.content_version, sku = excluded.sku, name = excluded.name,
  description = excluded.description, active = excluded.active

-- name: index_edits
-- Indexes the oldest noted edits. Their effect on the number of products counts unless a bulk delete came after them.
-- `shown_count * 0` starts from zero after a bulk delete, but leaves null (never counted) as null.
with edits as (
  delete from product_search_edit
  where id in (select id from product_search_edit order by id limit %(limit)s)
  returning sku_key, version, shown_change
), keys as (
  select k.sku_key, p.sku_key is not null as shown
  from (select distinct sku_key from edits) k
  left join product p on p.sku_key = k.sku_key and not p.deleted and p.version >= (select floor from barrier)
), gone as (
  delete from product_search s using keys k where s.sku_key = k.sku_key and not k.shown
), written as (
  insert into product_search (sku_key, content_version, sku, name, description, active)
  {searchable_products}
  from keys k join product p on p.sku_key = k.sku_key where k.shown
  {replace_searchable}
), counted as (
  update product_search_state s set
    shown_count = case when s.floor = b.floor then s.shown_count else s.shown_count * 0 end
                  + (select coalesce(sum(shown_change) filter (where version >= b.floor), 0) from edits),
    floor = b.floor
  from barrier b where exists (select from edits)
)
select count(*) as edits from edits

-- name: begin_indexing
-- Starts a pass over the catalogue if there is a reason: ended imports that are not indexed, a bulk delete, or no index yet.
update product_search_state s set after_key = '', imports = ended.imports, copied_floor = b.floor
from barrier b, (
  select coalesce(array_agg(id || ':' || attempt), '{}') as imports
  from import where operation is not null and not indexed and status not in ('pending', 'processing')
) ended
where s.shown_count is null or s.copied_floor <> b.floor or ended.imports <> '{}'

-- name: index_range
-- Indexes the next products in the order of their keys, limited in rows and in bytes: writes those that differ, and removes
-- entries without a product. Returns the last key, or null at the end of both tables.
with next_products as (
  select sku_key, content_version, sku, name, description, active,
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
), written as (
  insert into product_search (sku_key, content_version, sku, name, description, active)
  {searchable_products}
  from looked_at p left join product_search s on s.sku_key = p.sku_key
  where p.shown and s.content_version is distinct from p.content_version
  {replace_searchable}
), gone as (
  delete from product_search s using last
  where s.sku_key > %(after)s and (last.key is null or s.sku_key <= last.key)
    and not exists (select from looked_at p where p.sku_key = s.sku_key and p.shown)
)
select key as last_key from last

-- name: advance_indexing
-- Records how far the pass has come.
update product_search_state set after_key = %(after)s

-- name: sort_in_product_search
-- Moves new entries from the pending list of the trigram index into the index.
select sort_in_product_search()

-- name: end_indexing
-- Ends a pass: marks the imports that it covers as indexed, and counts the products. One statement and therefore one
-- snapshot: the count and the edits that are still noted agree.
with ended as (
  select i.id from import i join product_search_state s on i.id || ':' || i.attempt = any(s.imports)
  where i.operation is not null and not i.indexed and i.status not in ('pending', 'processing')
  order by i.id for no key update of i
), indexed as (
  update import i set indexed = true from ended where i.id = ended.id
)
update product_search_state set
  after_key = null, imports = '{}', floor = b.floor,
  shown_count = (select count(*) from product p where not p.deleted and p.version >= b.floor)
              - (select coalesce(sum(shown_change) filter (where e.version >= b.floor), 0) from product_search_edit e)
from barrier b
