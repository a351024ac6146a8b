-- name: lock_barrier
-- First in the lock order. Waits for a bulk delete that is being accepted, and makes it wait for this writer.
lock table barrier in row exclusive mode

-- name: close_barrier
-- Waits for the writers that hold the barrier, and makes later ones wait: PostgreSQL's lock queue is fair.
lock table barrier in exclusive mode

-- name: read_floor
-- A statement of its own after lock_barrier: what was written below the floor counts as deleted.
select floor from barrier

-- name: raise_floor
-- From now on everything accepted before this operation is deleted.
update barrier set floor = version_of(%(operation)s, 0)

-- name: next_operation
-- Taken after the rows to be written are locked, so that on one row the numbers follow the order of execution.
select next_operation() as operation
