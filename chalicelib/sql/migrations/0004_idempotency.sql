-- Idempotency keys: a request that is sent twice is carried out once, and answered twice.

create table idempotency_key (
  token_id uuid not null references api_token on delete cascade,
  key text collate "C" not null,
  -- Whose turn it is: a request that was taken for dead can no longer write its answer.
  claim uuid not null default uuidv7(),
  request_sha256 bytea not null check (length(request_sha256) = 32),
  claimed_at timestamptz not null default now(),
  -- Null while the request runs. Then either the answer, or the id of what was made, to build the answer anew.
  status integer,
  headers jsonb,
  body text,
  reference text,
  primary key (token_id, key),
  constraint idempotency_key_answer check (
    status is null or (headers is not null and (body is null) <> (reference is null))
  )
);
create index idempotency_key_age on idempotency_key (claimed_at);

grant select, insert, update, delete on idempotency_key to importer;
