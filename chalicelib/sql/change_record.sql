-- name: record_change
-- Records the products that a transaction created (with ids), and those that it changed, deleted or renamed (with keys).
with recorded as (
  insert into catalogue_change (operation, created, deleted, first_id, last_id, products)
  values (operation_of(%(version)s), %(created)s, %(deleted)s, %(created_id)s, %(created_id)s, cardinality(%(keys)s::text[]))
  returning position
)
insert into product_change (position, sku_key) select r.position, k from recorded r, unnest(%(keys)s::text[]) k

-- name: total_products
-- The number of all products that readers see. Without adding up the catalogue: only what was not added to the total yet.
select coalesce(
  t.total + (select coalesce(sum(created - deleted), 0) from catalogue_change where stage = 0)::bigint,
  (select count(*) from product p, barrier b where not p.deleted and p.version >= b.floor)
) as total
from catalogue_total t
