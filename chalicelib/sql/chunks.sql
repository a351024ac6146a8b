-- name: add_chunk
-- A new chunk, not sent yet.
insert into chunk (import_id, number, start_byte, end_byte, first_line, oversized, regular)
values (%(import_id)s, %(number)s, %(start)s, %(end)s, %(first_line)s, %(oversized)s, %(regular)s)

-- name: unfinished_chunks
-- The unfinished ones among the chunks [first, after).
select number from chunk
where import_id = %(import_id)s and number >= %(first)s and number < %(after)s and not done
order by number

-- name: chunk_to_do
-- What a worker needs to read the bytes and rows of a chunk.
select c.number, c.start_byte, c.end_byte, c.first_line, c.oversized, c.regular, c.done, c.sends_from,
       c.sends_to, i.id as import_id, i.status, i.attempt, i.header, i.data_key, i.data_version,
       i.piece_bytes, i.write_seconds
from chunk c join import i on i.id = c.import_id
where c.import_id = %(import_id)s and c.number = %(number)s

-- name: lock_chunk
-- After the barrier in the lock order. Two deliveries of one chunk wait for each other here. The import's operation is read
-- under the barrier, because a migration may renumber all operations while it is closed.
select c.done, c.end_byte, i.operation from chunk c join import i on i.id = c.import_id
where c.import_id = %(import_id)s and c.number = %(number)s for update of c

-- name: limit_statements
-- Until the end of the transaction, a statement ends after this time, and its wait for a lock after half of it.
select limit_statements(%(seconds)s)

-- name: shorten_chunk
-- The chunk keeps the first of its pieces.
update chunk set end_byte = %(end)s, regular = %(regular)s
where import_id = %(import_id)s and number = %(number)s

-- name: count_running_imports
-- How many imports have unfinished chunks, up to a limit.
select count(*) as total
from (select from import where status = 'processing' and chunk_count > chunks_done limit %(limit)s) running

-- name: finish_chunk
-- The chunk is done, with the outcomes of its rows, and its import has these more. Nothing here depends on the number of
-- chunks. Returns nothing if the import has ended. If there is room for at least `refill` chunks, the window is filled: the
-- chunk remembers which ones are to be sent after the commit, so that the next delivery of its message sends them if this
-- worker is killed.
with counted as (
  update import i
  set chunks_done = i.chunks_done + 1, sum_bytes = i.sum_bytes + c.end_byte - c.start_byte,
      sum_created = i.sum_created + %(created)s, sum_updated = i.sum_updated + %(updated)s,
      sum_unchanged = i.sum_unchanged + %(unchanged)s, sum_superseded = i.sum_superseded + %(superseded)s,
      sum_rejected = i.sum_rejected + %(rejected)s,
      sum_rejected_stored = i.sum_rejected_stored + %(stored_rows)s,
      sum_rejected_stored_bytes = i.sum_rejected_stored_bytes + %(stored_bytes)s,
      last_done_at = statement_timestamp(), rate_step = now.step,
      rate_bytes = case i.rate_step when now.step then i.rate_bytes else 0 end + c.end_byte - c.start_byte,
      rate_bytes_before = case i.rate_step when now.step then i.rate_bytes_before when now.step - 1 then i.rate_bytes else 0 end,
      chunks_sent = case when i.chunks_done + 1 + %(window)s - i.chunks_sent >= %(refill)s
                         then greatest(i.chunks_sent, least(i.chunk_count, i.chunks_done + 1 + %(window)s))
                         else i.chunks_sent end
  from chunk c, (select floor(extract(epoch from statement_timestamp()) / %(step_seconds)s)::bigint as step) now
  where c.import_id = %(import_id)s and c.number = %(number)s and i.id = c.import_id and i.status = 'processing'
  returning i.id, i.attempt, i.split_done, i.split_waits, i.chunk_count, i.chunks_done,
            old.chunks_sent as sends_from, new.chunks_sent as sends_to
)
update chunk c
set done = true, done_at = statement_timestamp(), created = %(created)s, updated = %(updated)s,
    unchanged = %(unchanged)s, superseded = %(superseded)s, rejected = %(rejected)s,
    rejected_stored = %(stored_rows)s, rejected_stored_bytes = %(stored_bytes)s,
    sends_from = n.sends_from, sends_to = n.sends_to
from counted n
where c.import_id = n.id and c.number = %(number)s
returning n.*

-- name: import_throughput
-- The rows done in each of up to `steps` equal time steps, from the start of the import to its last finished chunk. All
-- rows of a chunk are done at one moment. So a step has at least two chunks on average: otherwise the chart would mostly
-- show when chunks ended.
with finished as (
  select done_at, created + updated + unchanged + superseded + rejected as rows
  from chunk where import_id = %(import_id)s and done
), span as (
  select extract(epoch from i.started_at) as since,
         extract(epoch from greatest(max(f.done_at), i.started_at + interval '1 millisecond')) as until,
         least((count(*) + 1) / 2, %(steps)s)::integer as steps
  from finished f cross join import i where i.id = %(import_id)s group by i.started_at
)
select ((until - since) / steps)::float8 as seconds, coalesce(sum(f.rows), 0)::bigint as rows
from span cross join generate_series(1, steps) as step
left join finished f on step = least(width_bucket(extract(epoch from f.done_at), since, until, steps), steps)
group by step, since, until, steps order by step

-- name: rejected_rows_allowance_used
-- What the rejected rows of finished chunks use of the import's allowance.
select sum_rejected_stored as rows, sum_rejected_stored_bytes as bytes from import where id = %(import_id)s

-- name: count_rejected_rows
-- The stored rejected rows of an import.
select count(*) from rejected_row where import_id = %(import_id)s

-- name: add_rejected_rows
-- Store rejected rows, in one statement, so that the limit of a statement holds for all of them.
insert into rejected_row (import_id, line, column_name, code, message, raw)
select %(import_id)s::uuid, *
from unnest(%(line)s::bigint[], %(column)s::text[], %(code)s::text[], %(message)s::text[], %(raw)s::bytea[])

-- name: remove_rejected_rows
-- Those for which the import has no room.
delete from rejected_row where import_id = %(import_id)s and line = any(%(lines)s)

-- name: rejected_rows_after_line
-- The next rejected rows, in the order of the file, with the beginning of each.
select line, column_name, code, message, substring(raw from 1 for %(raw_bytes_max)s) as raw from rejected_row
where import_id = %(import_id)s and line > %(line)s
order by line limit %(limit)s

-- name: rejected_rows_before_line
-- The rejected rows before a line: the nearest first, so in reverse order of the file.
select line, column_name, code, message, substring(raw from 1 for %(raw_bytes_max)s) as raw from rejected_row
where import_id = %(import_id)s and line < %(line)s
order by line desc limit %(limit)s
