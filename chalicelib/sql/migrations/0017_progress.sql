-- The progress of an import is on its row: how many chunks are done, the sums of their outcomes, and how many were sent. So
-- whatever a chunk's end, the progress and the sweep need takes the same time for any number of chunks.

-- No chunk is being written from here on, and none is split. Its writer holds the barrier before it locks anything else.
lock table barrier in exclusive mode;

alter table import
  -- Chunks are sent in the order of their numbers: those below this number have been sent.
  add column chunks_sent integer not null default 0,
  add column chunks_done integer not null default 0,
  -- What the rejected rows use of the import's allowance.
  add column sum_rejected_stored bigint not null default 0,
  add column sum_rejected_stored_bytes bigint not null default 0,
  add column last_done_at timestamptz,
  -- The bytes done in the current step of time, and in the one before it. Steps have equal lengths and are numbered.
  add column rate_step bigint not null default 0,
  add column rate_bytes bigint not null default 0,
  add column rate_bytes_before bigint not null default 0,
  -- The splitter is far enough ahead: a chunk's end wakes it.
  add column split_waits boolean not null default false,
  -- The messages of unfinished chunks from this number on may be lost; null if they are known to be sent.
  add column unsure_from integer;

-- The chunks that this chunk's end sends, as the half-open range [sends_from, sends_to).
alter table chunk add column sends_from integer, add column sends_to integer;
-- To lock chunks before it removes them.
grant update (sends_to) on chunk to sweeper;

create index import_running on import (id) where status = 'processing';

update import i
set chunks_sent = c.sent, chunks_done = c.done, sum_bytes = c.bytes, sum_created = c.created, sum_updated = c.updated,
    sum_unchanged = c.unchanged, sum_superseded = c.superseded, sum_rejected = c.rejected,
    sum_rejected_stored = c.stored, sum_rejected_stored_bytes = c.stored_bytes, last_done_at = c.last_done_at
from (
  select import_id, coalesce(min(number) filter (where sent_at is null and not done), count(*)) as sent,
         count(*) filter (where done) as done, coalesce(sum(end_byte - start_byte) filter (where done), 0) as bytes,
         sum(created) as created, sum(updated) as updated, sum(unchanged) as unchanged, sum(superseded) as superseded,
         sum(rejected) as rejected, sum(rejected_stored) as stored, sum(rejected_stored_bytes) as stored_bytes,
         max(done_at) as last_done_at
  from chunk group by import_id
) c
where i.id = c.import_id and i.details_kept;

-- The previous version of the code sums chunks when it reads an import. From now on it reads the same sums as the new one.
create or replace function import_sums(import_id uuid, out done_bytes bigint, out recent_bytes bigint, out created bigint,
                                       out updated bigint, out unchanged bigint, out superseded bigint,
                                       out rejected bigint, out last_done_at timestamptz)
  language sql stable parallel safe
  begin atomic
    select i.sum_bytes, i.rate_bytes + i.rate_bytes_before, i.sum_created, i.sum_updated, i.sum_unchanged,
           i.sum_superseded, i.sum_rejected, i.last_done_at
    from import i where i.id = import_sums.import_id;
  end;

-- Chunks that the previous version finishes are counted by this trigger, until the contract. The new version changes the
-- import's row in the transaction in which it finishes a chunk, and then there is nothing left to count.
create function count_finished_chunk() returns trigger language plpgsql as $$
begin
  update import
  set chunks_done = chunks_done + 1, sum_bytes = sum_bytes + new.end_byte - new.start_byte,
      sum_created = sum_created + new.created, sum_updated = sum_updated + new.updated,
      sum_unchanged = sum_unchanged + new.unchanged, sum_superseded = sum_superseded + new.superseded,
      sum_rejected = sum_rejected + new.rejected, sum_rejected_stored = sum_rejected_stored + new.rejected_stored,
      sum_rejected_stored_bytes = sum_rejected_stored_bytes + new.rejected_stored_bytes,
      last_done_at = statement_timestamp()
  where id = new.import_id and xmin <> pg_current_xact_id()::xid;
  return null;
end
$$;

create trigger count_finished_chunk after update of done on chunk
  for each row when (new.done and not old.done) execute function count_finished_chunk();
