-- Bulk deletes, and the tombstones that deletes leave.

create type bulk_delete_status as enum ('pending', 'processing', 'completed', 'failed');

create table bulk_delete (
  id uuid primary key default uuidv7(),
  status bulk_delete_status not null default 'pending',
  operation bigint not null unique,
  total bigint not null,
  deleted bigint not null default 0,
  -- Rows go in the order of their keys; this is the last one that went.
  last_key text collate "C" not null default '',
  error_code text,
  error_message text,
  created_at timestamptz not null default now(),
  advanced_at timestamptz not null default now(),
  finished_at timestamptz
);
create index bulk_delete_active on bulk_delete (created_at) where status in ('pending', 'processing');

-- By id, which no write changes: an index on a column that upserts change would cost them their in-place updates.
create index product_tombstone on product (id) where deleted;

grant select, insert, update, delete on bulk_delete to importer;
