-- Webhooks: who wants to hear of what, what is still to be sent, and how each attempt went.

-- The outbox. A position is given when the relay takes an event: in the order in which events are seen, without gaps that
-- a slow transaction could fill later. So whoever has seen a position has seen all before it.
alter table event add column position bigint unique;
alter table event add column relayed boolean not null default false;
create index event_unrelayed on event (id) where not relayed;

-- One row, locked while positions are given.
create table relay_state (
  single_row boolean primary key default true check (single_row),
  last_position bigint not null default 0
);
insert into relay_state default values;

create table webhook (
  id uuid primary key default uuidv7(),
  url text not null,
  description text not null,
  -- Types of events; '*' stands for all.
  events text[] not null check (cardinality(events) > 0),
  enabled boolean not null,
  disabled_reason text,
  -- Sealed with a key that is not in the database: the secret, its predecessor as long as that still signs, and the values of
  -- the customer's own headers, which may let somebody in.
  secret bytea not null,
  old_secret bytea,
  old_secret_expires_at timestamptz,
  header_names text[] not null default '{}',
  headers bytea,
  -- Counts edits: the part of the ETag that If-Match is about.
  revision integer not null default 1,
  -- Whether the last attempt was answered well and soon: only then several are made at once.
  quick boolean not null default false,
  failing_since timestamptz,
  last_at timestamptz,
  last_status_code integer,
  last_milliseconds integer,
  last_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
) with (fillfactor = 50);

create type delivery_status as enum ('pending', 'delivered', 'failed');

create table delivery (
  id uuid primary key default uuidv7(),
  webhook_id uuid not null references webhook on delete cascade,
  event_id uuid not null references event on delete cascade,
  test boolean not null default false,
  status delivery_status not null default 'pending',
  -- When the next attempt is due. Whoever makes it claims the delivery until then; `claims` counts that, as the fence.
  due_at timestamptz not null default now(),
  claimed_until timestamptz,
  claims integer not null default 0,
  -- Attempts in all, and since it was last ordered by hand: the schedule begins anew with each order.
  attempts integer not null default 0,
  tries integer not null default 0,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  last_status_code integer,
  last_milliseconds integer,
  last_error text,
  unique (webhook_id, event_id)
) with (fillfactor = 70);
create index delivery_due on delivery (webhook_id, due_at) where status = 'pending';
create index delivery_log on delivery (webhook_id, id);
create index delivery_event on delivery (event_id);

create table delivery_attempt (
  delivery_id uuid not null references delivery on delete cascade,
  number integer not null,
  started_at timestamptz not null,
  milliseconds integer not null,
  status_code integer,
  error text,
  request_headers jsonb not null,
  -- The first bytes of the answer, whatever they are.
  response_body bytea,
  primary key (delivery_id, number)
);

grant select, insert, update, delete on relay_state, webhook, delivery, delivery_attempt to importer;
