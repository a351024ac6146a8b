-- A new rule for the key of a SKU, and more room for operation numbers. This file prepares both; nothing changes for the code
-- that runs, or for the code before it. 0020_sku_keys_steps.sql finds the products whose key changes, and
-- 0020_sku_keys_contract.sql changes rule, keys and numbers in one transaction.
--
-- By the new rule, invisible characters (U+00AD, U+200B to U+200D, U+2060, U+FEFF) do not count, and Greek final sigma is
-- sigma. So exactly the keys that contain one of these characters change.

-- The code before this migration packs versions in its own way, with these two functions. The code from here on uses
-- others, so that 0020_sku_keys_contract.sql can remove the old ones: what still runs of the old code then fails, and is
-- repeated by the new one, where it would have written wrong versions.
create function version_at(operation bigint, line bigint) returns bigint
  language sql immutable strict parallel safe
  return (operation << 32) + line;
create function take_operation() returns bigint
  language sql volatile
  begin atomic
    select nextval('operation');
  end;
revoke execute on function take_operation from public;
grant execute on function take_operation to api, importer;
grant select (content_version) on product to sweeper;

-- A text in lower case, for a first look before it is folded.
create function lowered(given text) returns text
  language sql immutable parallel safe
  return lower(given collate pg_c_utf8);

-- The rows whose key changes, by their present key. A row keeps its key for life, so only inserts are noted. The table has
-- no unique key, because two writers would wait for each other there.
create table changing_key (sku_key text collate "C" not null);
grant insert on changing_key to api, importer;
create function note_changing_key() returns trigger
  language plpgsql
  as $$ begin insert into changing_key (sku_key) values (new.sku_key); return null; end $$;
create trigger product_note_changing_key after insert on product
  for each row
  when (octet_length(new.sku_key) > length(new.sku_key) and new.sku_key ~ '[\u00ad\u03c2\u200b-\u200d\u2060\ufeff]')
  execute function note_changing_key();

-- Products that 0020_sku_keys_contract.sql removes, because by the new rule their SKU is that of another product, or empty.
create table merged_product (
  id bigint primary key,
  sku text not null,
  name text not null,
  description text not null,
  active boolean not null,
  -- The product that keeps the SKU; null if the SKU has no visible character.
  kept_id bigint,
  merged_at timestamptz not null default now()
);
comment on table merged_product is 'Removed because the SKU is that of another product since the migration 0020_sku_keys.';

-- No code writes a SKU without a visible character, also not the code before this migration by the new rule.
alter table product add constraint product_sku_key_visible check (sku_key <> '') not valid;
