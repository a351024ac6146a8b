-- Changes the rule for keys, the keys, and the packing of versions, in one transaction and under the closed barrier: no
-- writer is half done, and writers that come later compute keys and versions by the new rules. They wait for this
-- transaction: with 500,000 products, 0.2 s for 1,000 keys that change, and 7 s for 50,000. Readers do not wait.
set local jit = off;
analyze changing_key;
lock table barrier in exclusive mode;

-- The key: without invisible characters, without white space around it (the set that Python's str.strip removes), NFC,
-- lower case, NFC. Of ASCII text alone, only white space and case change.
create or replace function sku_key(sku text) returns text
  language sql immutable parallel safe
  return case when octet_length(sku) = length(sku) then
    lower(btrim(sku, U&'\0009\000A\000B\000C\000D\001C\001D\001E\001F\0020') collate pg_c_utf8)
  else normalize(
    lower(
      normalize(
        btrim(
          translate(sku, U&'\03C2\00AD\200B\200C\200D\2060\FEFF', U&'\03C3'),
          U&'\0009\000A\000B\000C\000D\001C\001D\001E\001F\0020\0085\00A0\1680\2000\2001\2002\2003\2004\2005\2006\2007\2008\2009\200A\2028\2029\202F\205F\3000'
        ),
        NFC
      ) collate pg_c_utf8
    ),
    NFC
  ) end;

-- As before, by the new rule. Final sigma is frequent in Greek, so `replace` changes it in most texts; `translate` is slow.
create or replace function folded(given text) returns text
  language sql immutable parallel safe
  return case
    when octet_length(given) = length(given) then lower(given collate pg_c_utf8)
    when given collate "C" !~ '[^\u0001-\u00ac\u00ae-\u02ff\u0384-\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u0482\u048a-\u052f\u0559-\u058a\u05d0-\u05ea\u061b-\u064a\u0660-\u0669\u0671-\u06d5\u10d0-\u10ff\u1e00-\u1eff\u2002-\u200a\u200e-\u205f\u2061-\u2064\u2074-\u208e\u20a0-\u20c0\u2100-\u2125\u2190-\u2328\u232b-\u2adb\u3000-\u3029\u3041-\u3096\u309b-\u30ff\u3220-\u9fff\uac00-\ud7a3\ufe00-\ufe0f\uff01-\uffbe\U0001f000-\U0001faff]'
    then lower(replace(given, U&'\03C2', U&'\03C3') collate pg_c_utf8)
    else normalize(
      lower(normalize(translate(given, U&'\03C2\00AD\200B\200C\200D\2060\FEFF', U&'\03C3'), NFC) collate pg_c_utf8), NFC
    )
  end;

-- A certain part may have invisible characters between its own, so they are removed here, too.
create or replace function lowered(given text) returns text
  language sql immutable parallel safe
  return lower(
    case when octet_length(given) > length(given) and given collate "C" ~ '[\u00ad\u200b-\u200d\u2060\ufeff]'
    then translate(given, U&'\00AD\200B\200C\200D\2060\FEFF', '') else given end collate pg_c_utf8
  );

-- As before, but sigma is not certain: folding makes it of final sigma, too.
create or replace function certain_part(wanted text) returns text
  language sql immutable parallel safe
  return (
    select part
    from regexp_split_to_table(
      sku_key(wanted) collate "C",
      '[^\u0001-:<-_a-hj-\u007f\u03b1-\u03b8\u03ba-\u03c1\u03c4-\u03c9\u0430-\u0438\u043a-\u044f\u0454-\u0456\u0458-\u045b\u0627-\u064a\u0e01-\u0e37\u0e40-\u0e47]'
    ) as part
    order by length(part) desc, part limit 1
  );

-- A version has 38 bits of operation and 25 bits of line: enough for 100 operations a second for 87 years. The versions
-- that are stored had 31 and 32, and stay: their operations are multiplied by 128, and new ones begin after them.
create or replace function version_at(operation bigint, line bigint) returns bigint
  language sql immutable strict parallel safe
  return (operation << 25) + line;
drop function version_of(bigint, bigint);
drop function next_operation();
revoke select (version) on product from sweeper;

do $$
declare
  last bigint := (select case when is_called then last_value else 0 end from operation);
  part record;
begin
  -- Both columns are unique: from the largest on, so that no number meets one that has not been multiplied yet.
  perform from import order by id for update;
  for part in select id from import where operation is not null order by operation desc loop
    update import set operation = operation * 128 where id = part.id;
  end loop;
  update catalogue_change set operation = operation * 128;
  perform from bulk_delete order by id for update;
  for part in select id from bulk_delete order by operation desc loop
    update bulk_delete set operation = operation * 128 where id = part.id;
  end loop;

  execute format('alter sequence operation maxvalue 274877906943 start %1$s restart %1$s', 128 * (last + 1));
  -- Not strict: PostgreSQL would call them instead of writing them into the statement.
  execute format(
    'create or replace function operation_of(version bigint) returns bigint language sql immutable parallel safe'
    ' return case when version < %s then (version >> 32) * 128 else version >> 25 end', (last + 1) << 32
  );
  execute format(
    'create or replace function line_of(version bigint) returns bigint language sql immutable parallel safe'
    ' return case when version < %s then version & 4294967295 else version & 33554431 end', (last + 1) << 32
  );
end
$$;

-- The rows of each key that changes, with the one that keeps it: of products that readers see, the one that was written
-- last; a tombstone only if there are no others. A row below the floor is nothing, and keeps no key; if its own key
-- changes, it stays until the bulk delete removes it, because nothing finds it there. Nothing keeps an empty key.
create temporary table changing on commit drop as
select p.id, p.sku_key, p.deleted, p.version, p.name_version, p.description_version, p.active_version,
       sku_key(p.sku) collate "C" as new_key
from (select distinct sku_key from changing_key) c join product p using (sku_key)
where p.version >= (select floor from barrier);
analyze changing;
create temporary table member on commit drop as
with together as (
  select id, sku_key as old_key, new_key, deleted, version, name_version, description_version, active_version from changing
  union all
  select p.id, p.sku_key, p.sku_key, deleted, version, name_version, description_version, active_version
  from (select distinct new_key from changing) c join product p on p.sku_key = c.new_key
), judged as (
  select *, version >= (select floor from barrier) as counts,
         greatest(version, name_version, description_version, active_version) as written_last
  from together
)
select *, counts and not deleted as shown,
       case when new_key <> '' then
         first_value(id) over (partition by new_key order by counts desc, deleted, written_last desc, id desc)
       end as kept_id
from judged;
analyze member;

insert into merged_product (id, sku, name, description, active, kept_id)
select p.id, p.sku, p.name, p.description, p.active, m.kept_id
from member m join product p on p.id = m.id
where m.shown and m.id is distinct from m.kept_id;

delete from product p using member m where p.id = m.id and m.id is distinct from m.kept_id;

-- Each field of the kept row is as new as in any of them: an older import that still runs cannot bring back what was
-- removed or deleted.
update product p set
  sku_key = kept.new_key, version = kept.version, name_version = kept.name_version,
  description_version = kept.description_version, active_version = kept.active_version,
  content_version = case when p.deleted then kept.version else p.content_version end
from (
  select kept_id, new_key, max(version) as version, max(name_version) as name_version,
         max(description_version) as description_version, max(active_version) as active_version
  from member where counts group by kept_id, new_key
) kept
where p.id = kept.kept_id;

-- This is an operation of its own. It is recorded like others: removed products as deleted, new keys as renamed.
do $$
declare
  own bigint := take_operation();
  place bigint := nextval('catalogue_change_position_seq');
  products bigint := (select count(*) from member where shown and id is distinct from kept_id);
  keys bigint := (select count(*) from member where shown and id = kept_id and old_key <> new_key);
begin
  insert into product_change (position, sku_key)
  select distinct place, key
  from member, unnest(array[old_key, new_key]) as key
  where shown and key <> '' and (old_key <> new_key or id is distinct from kept_id);
  insert into catalogue_change (position, operation, deleted, products)
  select place, own, products, count(*) from product_change where position = place having count(*) > 0;
  if products > 0 then
    insert into event (dedupe_key, type, payload)
    select p.id || ':' || version_at(own, 0), 'product.deleted', jsonb_build_object('id', p.id::text, 'sku', p.sku)
    from merged_product p join member m on m.id = p.id order by p.id;
    raise info '% products were removed: their SKU differed from that of another product only in invisible characters'
      ' or a final sigma, or had no visible character. They are listed in the table merged_product.', products;
  end if;
  if keys > 0 then
    raise info '% products have a new key: their SKU contains invisible characters or a final sigma.', keys;
  end if;
end
$$;
