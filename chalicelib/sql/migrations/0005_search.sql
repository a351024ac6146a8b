-- What lists are filtered by: a lower-cased copy of the catalogue, with the trigrams of its texts. `index_products` fills it
-- behind the imports' back: an index on `product` itself would make them three to ten times slower.

create extension if not exists pg_trgm;

-- One row for every product that people see, as of `content_version`. It may lag: who reads it joins the product and looks
-- again, and knows from the rest of this file what it may not have yet.
create table product_search (
  sku_key text collate "C" primary key,
  content_version bigint not null,
  sku text collate pg_c_utf8 not null,
  name text collate pg_c_utf8 not null,
  description text collate pg_c_utf8 not null,
  active boolean not null
);
-- New entries wait in a list of 32 MB and are sorted in together: a sixth of the time that one by one takes.
create index product_search_texts on product_search
  using gin (sku gin_trgm_ops, name gin_trgm_ops, description gin_trgm_ops) with (gin_pending_list_limit = 32768);
create index product_search_active on product_search (active);

-- Only the owner of an index may empty its list of new entries; the functions do it by this.
create function sort_in_product_search() returns bigint
  language sql security definer set search_path = pg_catalog, public
  return gin_clean_pending_list('public.product_search_texts'::regclass);
revoke execute on function sort_in_product_search from public;
grant execute on function sort_in_product_search to importer;

-- What was written by hand since: searched beside the copy, until it is in there. `shown_change` is what the edit did to the
-- number of products that people see.
create table product_search_edit (
  id bigint generated always as identity primary key,
  sku_key text collate "C" not null,
  version bigint not null,
  shown_change smallint not null
);

-- Where the copying is: null, or the key it goes on from, with the imports, as id:attempt, and the floor that it has seen.
-- `shown_count` is the number of products that people saw, less the edits above; it counts for one floor of the barrier.
create table product_search_state (
  single_row boolean primary key default true check (single_row),
  after_key text collate "C",
  imports text[] not null default '{}',
  copied_floor bigint not null default 0,
  shown_count bigint,
  floor bigint not null default 0
);
insert into product_search_state default values;

-- Imports change too much to be noted product by product: as long as one is not in the copy, the copy is not used.
alter table import add column indexed boolean not null default false;
create index import_unindexed on import (id) where operation is not null and not indexed;

-- A text as a pattern for LIKE that contains it, in lower case. Nothing in it is a wildcard.
create function containing(wanted text) returns text
  language sql immutable strict parallel safe
  return '%' || replace(replace(replace(lower(wanted collate pg_c_utf8), '\', '\\'), '%', '\%'), '_', '\_') || '%';

grant select, insert, update, delete on product_search, product_search_edit, product_search_state to importer;
grant usage, select on all sequences in schema public to importer;
