-- name: shown_products
-- What people see: no tombstones, nothing below the floor. The floor is a subquery of its own so that the planner takes it
-- for a constant and walks an index in the order of the page. Conditions and an order are added to this.
select p.id, p.sku, p.sku_key, p.name, p.description, p.active, p.content_version, p.created_at, p.updated_at
from product p
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
order by p.id limit %(limit)s

-- name: downwards_by_id
order by p.id desc limit %(limit)s

-- name: upwards_by_sku
order by p.sku_key limit %(limit)s

-- name: downwards_by_sku
order by p.sku_key desc limit %(limit)s

-- name: count_shown
-- Counts no further than the limit; conditions and count_shown_end are added to this.
select count(*) as counted from (
  select from product p
  where not p.deleted and p.version >= (select floor from barrier)

-- name: count_shown_end
  limit %(limit)s
) counted

-- name: estimate_products
-- From the table's statistics, which know nothing of tombstones, nor of what a bulk delete has still to remove.
select greatest(reltuples, 0)::bigint as estimated from pg_class where oid = 'product'::regclass

-- name: imports_of_operations
-- Where products come from: the operation in a content version is an import's, or else that of an edit.
select operation, id, filename from import where operation = any(%(operations)s)
