-- name: lock_barrier
-- First in the lock order. Waits for a bulk delete that is being accepted, and makes it wait for this writer.
lock table barrier in row exclusive mode

-- name: close_barrier
-- Waits for the writers that hold the barrier, and makes later writers wait, because PostgreSQL's lock queue is fair.
lock table barrier in exclusive mode

-- name: read_floor
-- A separate statement after lock_barrier, so that it sees the latest floor. What lies below the floor counts as deleted.
select floor from barrier

-- name: raise_floor
-- From now on everything accepted before this operation is deleted.
update barrier set floor = version_at(%(operation)s, 0) returning floor

-- name: next_operation
-- Taken after the rows to be written are locked, so that the writes to one row have ascending numbers.
select take_operation() as operation

-- name: next_version
-- The version that an edit writes: the next operation, without a line.
select version_at(take_operation(), 0) as version

-- name: operation_numbers_used
-- How many percent of all operation numbers have been taken.
select (100.0 * coalesce(last_value, 0) / max_value)::float8 as percent from pg_sequences
where schemaname = 'public' and sequencename = 'operation'
