-- A database that is slow gets less work at a time: chunks that took too long come back in smaller pieces.

alter table import
  -- Chunks that are larger are cut before they are tried; null: whole chunks can be written.
  add column piece_bytes integer,
  -- How long a whole chunk takes to write, at the pace of the chunk that was written last; null before the first one.
  add column write_seconds real;

-- Until the end of the transaction, a statement ends after this time, and its wait for a lock after half of it. Not SET,
-- which would tie the session of a proxy to its caller. A wait for another writer ends first, because smaller pieces
-- would not make it shorter.
create function limit_statements(seconds float8) returns void
  language sql volatile
  begin atomic
    select set_config('statement_timeout', ceil(1000 * seconds)::bigint::text, true),
           set_config('lock_timeout', ceil(500 * seconds)::bigint::text, true);
  end;

revoke execute on function limit_statements from public;
grant execute on function limit_statements to importer;
