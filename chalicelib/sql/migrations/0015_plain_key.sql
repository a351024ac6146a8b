-- The key of a SKU is a column like the others: the statements that write products compute it. As a generated column it was
-- computed for every row that an import left unchanged, too.
alter table product alter column sku_key drop expression;

-- The code before this migration does not write the column. 0015_plain_key_contract.sql removes the trigger.
create function fill_sku_key() returns trigger
  language plpgsql
  as $$ begin new.sku_key := sku_key(new.sku); return new; end $$;
create trigger product_fill_sku_key before insert on product
  for each row when (new.sku_key is null) execute function fill_sku_key();

-- The two parts of a version; `version_of` packs them.
create function operation_of(version bigint) returns bigint
  language sql immutable strict parallel safe
  return version >> 32;
create function line_of(version bigint) returns bigint
  language sql immutable strict parallel safe
  return version & 4294967295;
