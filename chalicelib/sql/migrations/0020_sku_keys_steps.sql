-- Notes the rows that were there before product_note_changing_key and whose key changes, in the order of their keys. Rows
-- that are written in the meantime note themselves.
with looked_at as (
  select sku_key from product
  where sku_key > coalesce(%(position)s::text, '') order by sku_key limit 20000
), noted as (
  insert into changing_key (sku_key)
  select sku_key from looked_at
  where octet_length(sku_key) > length(sku_key) and sku_key ~ '[\u00ad\u03c2\u200b-\u200d\u2060\ufeff]'
)
select case when count(*) = 20000 then max(sku_key) end as position from looked_at
