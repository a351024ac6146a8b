-- name: product_columns
-- Part of others: what people may want to know of a product.
p.id, p.sku, p.sku_key, p.name, p.description, p.active, p.content_version, p.created_at, p.updated_at

-- name: shown_products
-- What people see: no tombstones, nothing below the floor. The floor is a subquery of its own so that the planner takes it
-- for a constant and walks an index in the order of the page. Conditions and an order are added to this.
select {product_columns} from product p
where not p.deleted and p.version >= (select floor from barrier)

-- name: with_id
and p.id = %(id)s

-- name: with_sku
-- Both sides are lower-cased by the database, in the same collation. strpos knows no wildcards: text means itself.
and strpos(lower(p.sku collate pg_c_utf8), lower(%(sku)s::text collate pg_c_utf8)) > 0

-- name: with_name
and strpos(lower(p.name collate pg_c_utf8), lower(%(name)s::text collate pg_c_utf8)) > 0

-- name: with_description
and strpos(lower(p.description collate pg_c_utf8), lower(%(description)s::text collate pg_c_utf8)) > 0

-- name: with_text
and (strpos(lower(p.sku collate pg_c_utf8), lower(%(q)s::text collate pg_c_utf8)) > 0
  or strpos(lower(p.name collate pg_c_utf8), lower(%(q)s::text collate pg_c_utf8)) > 0
  or strpos(lower(p.description collate pg_c_utf8), lower(%(q)s::text collate pg_c_utf8)) > 0)

-- name: with_active
and p.active = %(active)s

-- name: above_id
and p.id > %(key)s

-- name: below_id
and p.id < %(key)s

-- name: above_sku
-- Bytewise, as the column's collation says.
and p.sku_key > %(key)s

-- name: below_sku
and p.sku_key < %(key)s

-- name: upwards_by_id
order by p.id

-- name: downwards_by_id
order by p.id desc

-- name: upwards_by_sku
order by p.sku_key

-- name: downwards_by_sku
order by p.sku_key desc

-- name: limit_page
limit %(limit)s

-- name: walk
-- Goes through the catalogue in order and keeps what passes the filters, until it has a page or has looked at too many.
-- shown_products in its order is added to this, then walk_filter, the filters, and the order and limit of the page.
select * from (

-- name: walk_filter
limit %(looked_at_max)s) p where true

-- name: count_shown
-- Counts no further than the limit.
select count(*) as counted from (
  select from product p where not p.deleted and p.version >= (select floor from barrier) limit %(limit)s
) counted

-- name: estimate_products
-- From the table's statistics, which know nothing of tombstones, nor of what a bulk delete has still to remove.
select case when reltuples > 0 then reltuples else pg_stat_get_live_tuples(oid) end::bigint as estimated
from pg_class where oid = 'product'::regclass

-- name: search_state
-- `ready`: whether every product can be found in the copy or among the edits beside it. `indexable`: whether one of the texts
-- has three letters or digits in a row, or there is none: the index knows nothing shorter. `shown`: how many products people
-- see, when it is ready. `pages`: the size of the table.
select
  s.shown_count is not null
    and not exists (select from import where operation is not null and not indexed)
    and waiting.edits <= %(edits_max)s as ready,
  not exists (select from unnest(%(texts)s::text[]))
    or exists (
      select from unnest(%(texts)s::text[]) as t, unnest(show_trgm(lower(t collate pg_c_utf8))) as trigram
      where strpos(trigram, ' ') = 0
    ) as indexable,
  case when s.floor = b.floor then s.shown_count else 0 end + waiting.shown_change as shown,
  pg_relation_size('product') / current_setting('block_size')::integer as pages
from product_search_state s, barrier b, lateral (
  select count(*) as edits, coalesce(sum(shown_change) filter (where version >= b.floor), 0)::bigint as shown_change
  from (select * from product_search_edit limit %(edits_max)s + 1) e
) waiting

-- name: sample
-- A part of the table's pages, the same ones every time; the filters are added to this.
select count(*) as matches from product p tablesample system (%(percent)s) repeatable (1)
where not p.deleted and p.version >= (select floor from barrier)

-- name: with_indexes
-- For the next: however few or many products the planner expects.
select prefer_indexes()

-- name: found_in_copy
-- Every product that may pass the filters, by the copy; the conditions of the copy are added to this.
with hits as materialized (
  select s.sku_key from product_search s where true

-- name: found_beside_copy
-- Joined with the catalogue, where the filters decide; they are added to this, then matching_page.
  union select sku_key from product_search_edit
), matching as materialized (
  select p.id, p.sku_key from hits h join product p on p.sku_key = h.sku_key
  where not p.deleted and p.version >= (select floor from barrier)

-- name: indexed_sku
and s.sku like containing(%(sku)s::text)

-- name: indexed_name
and s.name like containing(%(name)s::text)

-- name: indexed_description
and s.description like containing(%(description)s::text)

-- name: indexed_text
and (s.sku like containing(%(q)s::text) or s.name like containing(%(q)s::text)
  or s.description like containing(%(q)s::text))

-- name: indexed_active
and s.active = %(active)s

-- name: in_parallel
-- For the next: the planner takes looking for a text for cheaper than it is.
select prefer_parallel()

-- name: found_in_catalogue
-- Every product that passes the filters, from the catalogue itself; they are added to this, then matching_page.
with matching as materialized (
  select p.id, p.sku_key from product p
  where not p.deleted and p.version >= (select floor from barrier)

-- name: matching_page
-- How many there are, and the page, whose place, order and limit are added to this. One row without an id when the page is
-- empty.
)
select counted.total, p.* from (select count(*) as total from matching) counted left join (
  select {product_columns} from product p join (select p.id from matching p where true

-- name: matching_page_end
-- The order is added to this once more.
) m on m.id = p.id) p on true

-- name: imports_of_operations
-- Where products come from: the operation in a content version is an import's, or else that of an edit.
select operation, id, filename from import where operation = any(%(operations)s)
