-- The search index is updated from the record of changes (0016_changes.sql), not by comparing it with the whole catalogue
-- after each import. Only a new index is still filled by walking over the catalogue.

-- What has been done with a change: 0 nothing, 1 it is being copied into the search index, and counted in catalogue_total,
-- 2 it is in the index. Readers add up and search what is not there yet. A number of a transaction would not do: after a
-- restore into another server, it means nothing.
alter table catalogue_change add column stage smallint not null default 0;
create index catalogue_change_unindexed on catalogue_change (position) where stage < 2;
alter table catalogue_total drop column added_to;

-- `built`: whether the index contains everything from before the record. Of the changes that are being copied, products are
-- in the index up to a key of a change, and created products up to an id.
alter table product_search_state
  add column begun boolean not null default false,
  add column built boolean not null default false,
  add column at_position bigint not null default 0,
  add column at_key text collate "C" not null default '',
  add column at_id bigint not null default 0;

-- Until the functions have been replaced, the code before changes products without a record. So nothing is copied yet, and
-- all lists read the catalogue; those of the code before do so as long as the number of products is unknown.
update product_search_state set after_key = null, imports = '{}', shown_count = null;
create function product_search_waits() returns trigger
  language plpgsql as 'begin return null; end';
create trigger product_search_waits before update on product_search_state
  for each row execute function product_search_waits();

grant select on product_change to api;
grant select, update (stage), delete on catalogue_change to importer;
grant select, delete on product_change to importer;
grant select, update on catalogue_total to importer;
grant select (stage) on catalogue_change to sweeper;
grant select (built, copied_floor) on product_search_state to sweeper;

-- Not for tables of a few pages, such as the barrier: starting processes for one row takes longer than all the rest.
create or replace function prefer_parallel() returns void
  language sql volatile
  begin atomic
    select set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
           set_config('min_parallel_table_scan_size', '64kB', true), set_config('enable_bitmapscan', 'off', true);
  end;
