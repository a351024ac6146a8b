-- Exports of the catalogue: how far each is, and the parts of its file that are stored.

create type export_status as enum ('pending', 'processing', 'completed', 'failed');

create table export (
  id uuid primary key default uuidv7(),
  status export_status not null default 'pending',
  filters jsonb not null,
  -- For the percentage only: what PostgreSQL's statistics said when the export was accepted.
  estimated_rows bigint not null,
  -- Counts what was written down, by whomever: an invocation that began from another count has lost the race.
  steps integer not null default 0,
  -- Rows go in the order of their keys; this is the last one that was looked at.
  last_key text collate "C" not null default '',
  looked_at bigint not null default 0,
  exported_rows bigint not null default 0,
  size_bytes bigint not null default 0,
  read_done boolean not null default false,
  -- The multipart upload in S3, and the end of what was read as long as it is too short for a part.
  upload_id text,
  parts_begun integer not null default 0,
  tail bytea not null default '',
  object_version text,
  error_code text,
  error_message text,
  created_at timestamptz not null default now(),
  advanced_at timestamptz not null default now(),
  finished_at timestamptz
);
create index export_active on export (created_at) where status in ('pending', 'processing');

create table export_part (
  export_id uuid not null references export on delete cascade,
  number integer not null,
  -- As S3 wants to hear it again: number, ETag, checksum.
  stored jsonb not null,
  primary key (export_id, number)
);

grant select, insert, update, delete on export, export_part to importer;
