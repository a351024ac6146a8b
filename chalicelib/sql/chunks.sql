-- name: add_chunk
-- A new chunk, not sent yet.
insert into chunk (import_id, number, start_byte, end_byte, first_line, oversized, regular)
values (%(import_id)s, %(number)s, %(start)s, %(end)s, %(first_line)s, %(oversized)s, %(regular)s)

-- name: unsent_chunks
-- Chunks whose message was never sent, or that a retry or the sweep has marked as unsent.
select number from chunk
where import_id = %(import_id)s and not done and sent_at is null
order by number limit %(limit)s

-- name: mark_chunks_sent
-- The messages of these chunks have been sent.
update chunk c set sent_at = now()
from (
  select import_id, number from chunk where import_id = %(import_id)s and number = any(%(numbers)s)
  order by number for update
) sent
where c.import_id = sent.import_id and c.number = sent.number

-- name: unsend_chunks
-- Mark every unfinished chunk as unsent, so that its message is sent again.
update chunk c set sent_at = null
from (
  select import_id, number from chunk where import_id = %(import_id)s and not done and sent_at is not null
  order by number for update
) unfinished
where c.import_id = unfinished.import_id and c.number = unfinished.number

-- name: chunk_to_do
-- What a worker needs to read the bytes and rows of a chunk.
select c.number, c.start_byte, c.end_byte, c.first_line, c.oversized, c.regular, c.done,
       i.id as import_id, i.status, i.operation, i.header, i.data_key, i.data_version, i.piece_bytes, i.write_seconds
from chunk c join import i on i.id = c.import_id
where c.import_id = %(import_id)s and c.number = %(number)s

-- name: lock_chunk
-- After the barrier in the lock order. Two deliveries of one chunk wait for each other here.
select done, end_byte from chunk where import_id = %(import_id)s and number = %(number)s for update

-- name: limit_statements
-- Until the end of the transaction, a statement ends after this time, and its wait for a lock after half of it.
select limit_statements(%(seconds)s)

-- name: shorten_chunk
-- The chunk keeps the first of its pieces.
update chunk set end_byte = %(end)s, regular = %(regular)s
where import_id = %(import_id)s and number = %(number)s

-- name: finish_chunk
-- The chunk is done, with the outcomes of its rows, and what it uses of the import's allowance for rejected rows.
update chunk
set done = true, done_at = now(), created = %(created)s, updated = %(updated)s, unchanged = %(unchanged)s,
    superseded = %(superseded)s, rejected = %(rejected)s,
    rejected_stored = %(stored_rows)s, rejected_stored_bytes = %(stored_bytes)s
where import_id = %(import_id)s and number = %(number)s

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
-- Summed over the chunks that are done: counting the rows would take longer with every row.
select coalesce(sum(rejected_stored), 0)::bigint as rows, coalesce(sum(rejected_stored_bytes), 0)::bigint as bytes
from chunk where import_id = %(import_id)s

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
