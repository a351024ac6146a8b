-- name: add_event
-- Records an event in the outbox, in the transaction of the change that it describes.
insert into event (dedupe_key, type, payload) values (%(dedupe_key)s, %(type)s, %(payload)s)

-- name: add_relayed_event
-- Records the event of a test. It counts as relayed and has no position, so no other webhook and no list gets it.
insert into event (dedupe_key, type, payload, relayed) values (%(dedupe_key)s, %(type)s, %(payload)s, true)
returning id

-- name: relay_events
-- Gives the oldest events their positions, and creates a delivery for each webhook that wants them and already existed
-- when they happened. lock_relay runs first, as a statement of its own, so that this one sees all that was relayed
-- before.
with fresh as (
  select id, row_number() over (order by id) as place
  from (select id from event where not relayed order by id limit %(limit)s) oldest
), relayed as (
  update event e set relayed = true, position = s.last_position + f.place
  from fresh f, relay_state s where e.id = f.id
  returning e.id, e.type, e.created_at
), moved as (
  update relay_state set last_position = last_position + (select count(*) from fresh)
), added as (
  insert into delivery (webhook_id, event_id)
  select w.id, e.id from relayed e join webhook w
    on w.enabled and w.events && array[e.type, '*'] and w.created_at <= e.created_at
  order by e.id
  returning webhook_id
)
select (select count(*) from fresh) as events,
       (select coalesce(jsonb_object_agg(webhook_id, deliveries), '{}')
        from (select webhook_id, count(*) as deliveries from added group by webhook_id) counted) as deliveries

-- name: lock_relay
-- Lets one relay work at a time, so that positions are unique and increase in the order of commits.
select from relay_state for update

-- name: any_unrelayed
-- Finds an event that waits for the relay, for the sweep.
select 1 from event where not relayed limit 1

-- name: event_position
-- Finds where a reader of the list of events continues.
select position from event where id = %(id)s

-- name: events_after
-- Lists events in the order in which they were relayed.
select id, type, payload, created_at from event where position > %(position)s order by position limit %(limit)s

-- name: prune_events
-- Deletes old events with their deliveries, the oldest first. An event with a pending delivery is kept. The deliveries are
-- locked in order first: a webhook that is being deleted locks them as well. Ids begin with the time, so no younger event
-- is read.
with old as (
  select e.id from event e
  where e.relayed and e.created_at < now() - make_interval(days => %(days)s)
    and e.id < (select uuidv7(make_interval(days => -%(days)s)))
    and not exists (select from delivery d where d.event_id = e.id and d.status = 'pending')
  order by e.id limit %(limit)s for update of e skip locked
), logged as (
  select d.id from delivery d join old on old.id = d.event_id order by d.id for update of d
)
delete from event where id in (select id from old) and (select count(*) from logged) >= 0
