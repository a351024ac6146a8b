-- Finding products folds texts by the rule that says when two SKUs are the same: `É` is `é`, composed or decomposed.

-- A text in the form in which texts are compared: sku_key without the trimming. Normalizing costs ten times as much as
-- lower-casing. Texts that it cannot change are only lower-cased: those of ASCII alone, and those of characters that neither
-- combine nor decompose, and whose lower-case letters do not either: most of Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic,
-- Georgian, Chinese, Japanese and Korean, and symbols. A test compares the result for every character.
create function folded(given text) returns text
  language sql immutable parallel safe
  return case
    when octet_length(given) = length(given)
      or given collate "C" !~ '[^\u0001-\u02ff\u0384-\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u0482\u048a-\u052f\u0559-\u058a\u05d0-\u05ea\u061b-\u064a\u0660-\u0669\u0671-\u06d5\u10d0-\u10ff\u1e00-\u1eff\u2002-\u2064\u2074-\u208e\u20a0-\u20c0\u2100-\u2125\u2190-\u2328\u232b-\u2adb\u3000-\u3029\u3041-\u3096\u309b-\u30ff\u3220-\u9fff\uac00-\ud7a3\ufe00-\ufe0f\uff01-\uffbe\U0001f000-\U0001faff]'
    then lower(given collate pg_c_utf8)
    else normalize(lower(normalize(given, NFC) collate pg_c_utf8), NFC)
  end;

-- The longest part of the wanted text that consists of certain characters: those that folding makes only of themselves and
-- their capitals. A text that contains the wanted text when it is folded contains this part when it is only lower-cased, and
-- most texts do not. `i` is not certain: folding makes it of a decomposed `İ`, too. The part may be empty.
create function certain_part(wanted text) returns text
  language sql immutable parallel safe
  return (
    select part
    from regexp_split_to_table(
      sku_key(wanted) collate "C",
      '[^\u0001-:<-_a-hj-\u007f\u03b1-\u03b8\u03ba-\u03c9\u0430-\u0438\u043a-\u044f\u0454-\u0456\u0458-\u045b\u0627-\u064a\u0e01-\u0e37\u0e40-\u0e47]'
    ) as part
    order by length(part) desc, part limit 1
  );

-- The wanted text, trimmed and folded, as a pattern for LIKE that contains it. Nothing in it is a wildcard.
create or replace function containing(wanted text) returns text
  language sql immutable strict parallel safe
  return '%' || replace(replace(replace(sku_key(wanted), '\', '\\'), '%', '\%'), '_', '\_') || '%';

-- The search index is emptied, and `index_products` fills it again; until then, lists search the catalogue. The locks wait
-- for lists that have already seen that it is filled. Noted edits stay.
lock table product_search_state, product_search in access exclusive mode;
truncate product_search;
update product_search_state set after_key = null, imports = '{}', shown_count = null;

-- A SKU is found by its key, which the index has already. Without the column, the previous version of `index_products`
-- fails until it is replaced: it must not write texts that are not folded.
drop function sort_in_product_search;
alter table product_search drop column sku;
create index product_search_texts on product_search
  using gin (sku_key gin_trgm_ops, name gin_trgm_ops, description gin_trgm_ops) with (gin_pending_list_limit = 32768);
create function sort_in_product_search() returns bigint
  language sql security definer set search_path = pg_catalog, public
  return gin_clean_pending_list('public.product_search_texts'::regclass);
revoke execute on function sort_in_product_search from public;
grant execute on function sort_in_product_search to importer;

-- Until the end of the transaction, the planner prefers to scan whole tables, with several processes. Not by way of the
-- trigram index: it would read all of that for a text without trigrams.
create or replace function prefer_parallel() returns void
  language sql volatile
  begin atomic
    select set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
           set_config('min_parallel_table_scan_size', '0', true), set_config('enable_bitmapscan', 'off', true);
  end;
