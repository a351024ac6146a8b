-- name: add_event
insert into event (dedupe_key, type, payload) values (%(dedupe_key)s, %(type)s, %(payload)s)

-- name: add_relayed_event
-- For one webhook alone: nobody else hears of it, and it has no position.
insert into event (dedupe_key, type, payload, relayed) values (%(dedupe_key)s, %(type)s, %(payload)s, true)
returning id

-- name: relay_events
-- The oldest events get their positions, and a delivery for each webhook that wants them and was there before them. The
-- row of relay_state is locked by lock_relay, a statement before this one, so that this one sees all that was relayed.
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
select from relay_state for update

-- name: any_unrelayed
select 1 as found from event where not relayed limit 1

-- name: event_position
select position from event where id = %(id)s

-- name: events_after
select id, type, payload, created_at from event where position > %(position)s order by position limit %(limit)s

-- name: prune_events
-- The oldest first, with their deliveries; those that wait to be sent are kept.
delete from event where id in (
  select e.id from event e
  where e.relayed and e.created_at < now() - make_interval(days => %(days)s)
    and not exists (select from delivery d where d.event_id = e.id and d.status = 'pending')
  order by e.id limit %(limit)s
)
