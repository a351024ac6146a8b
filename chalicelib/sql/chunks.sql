-- name: add_chunk
insert into chunk (import_id, number, start_byte, end_byte, first_line, oversized, regular)
values (%(import_id)s, %(number)s, %(start)s, %(end)s, %(first_line)s, %(oversized)s, %(regular)s)

-- name: unsent_chunks
-- Chunks whose message was never sent, or whose sending was taken back by a retry or the sweep.
select number from chunk
where import_id = %(import_id)s and not done and sent_at is null
order by number limit %(limit)s

-- name: mark_chunks_sent
update chunk set sent_at = now() where import_id = %(import_id)s and number = any(%(numbers)s)

-- name: unsend_chunks
update chunk set sent_at = null where import_id = %(import_id)s and not done and sent_at is not null

-- name: chunk_to_do
-- What a worker needs to read the chunk's bytes and rows.
select c.number, c.start_byte, c.end_byte, c.first_line, c.oversized, c.regular, c.done,
       i.id as import_id, i.status, i.attempt, i.operation, i.header, i.data_key, i.data_version
from chunk c join import i on i.id = c.import_id
where c.import_id = %(import_id)s and c.number = %(number)s

-- name: lock_chunk
select done from chunk where import_id = %(import_id)s and number = %(number)s for update

-- name: finish_chunk
update chunk
set done = true, done_at = now(), created = %(created)s, updated = %(updated)s, unchanged = %(unchanged)s,
    superseded = %(superseded)s, rejected = %(rejected)s
where import_id = %(import_id)s and number = %(number)s

-- name: import_throughput
-- The rows done in each of some equal stretches of time, from the start to the last chunk that is done. A chunk is done at
-- one moment, so there are two chunks to a stretch at least: else the picture would show little but when they ended.
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

-- name: stored_rejections
-- How much of the import's allowance for rejected rows is used.
select count(*) as rows, coalesce(sum(length(raw)), 0)::bigint as bytes from rejected_row where import_id = %(import_id)s

-- name: add_rejected_row
insert into rejected_row (import_id, line, column_name, code, message, raw)
values (%(import_id)s, %(line)s, %(column)s, %(code)s, %(message)s, %(raw)s)

-- name: list_rejected_rows
select line, column_name, code, message, raw from rejected_row
where import_id = %(import_id)s and line > %(after)s
order by line limit %(limit)s

-- name: list_rejected_rows_before
select line, column_name, code, message, raw from rejected_row
where import_id = %(import_id)s and line < %(before)s
order by line desc limit %(limit)s

-- name: next_rejected_rows
-- For the CSV, a page at a time. A row with an unclosed quote swallows what follows it until it is mended, so these come
-- last.
select line, code = 'quote_unclosed' as unclosed, message, raw from rejected_row
where import_id = %(import_id)s and (code = 'quote_unclosed', line) > (%(after_unclosed)s, %(after_line)s)
order by code = 'quote_unclosed', line limit %(limit)s
