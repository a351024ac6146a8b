-- name: claim_delivery
-- The delivery of a webhook that is due for the longest time, unless as many as may be are under way. A test goes first,
-- and always. The webhook's row is locked by the statement before this one.
with chosen as (
  select d.id from delivery d
  where d.webhook_id = %(webhook_id)s and d.status = 'pending' and d.due_at <= now()
    and (d.claimed_until is null or d.claimed_until < now())
    and (d.test or (%(enabled)s and %(concurrent_max)s > (
      select count(*) from delivery o
      where o.webhook_id = %(webhook_id)s and o.status = 'pending' and o.claimed_until >= now() and not o.test
    )))
  order by d.test desc, d.due_at, d.id limit 1
)
update delivery d set claimed_until = now() + make_interval(secs => %(lease_seconds)s), claims = claims + 1
from chosen c, event e
where d.id = c.id and e.id = d.event_id
returning d.id, d.webhook_id, d.claims, d.attempts, d.tries, d.test, d.event_id, e.type, e.payload, e.created_at

-- name: end_attempt
-- The fence: nobody has claimed it since. `due_at` stays where there is no next attempt.
update delivery set
  status = %(status)s::delivery_status, attempts = attempts + 1, tries = tries + 1, claimed_until = null,
  due_at = coalesce(now() + make_interval(secs => %(delay_seconds)s), due_at),
  finished_at = case when %(status)s = 'pending' then null else now() end,
  last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = %(error)s
where id = %(id)s and claims = %(claims)s and status = 'pending'
returning attempts

-- name: add_attempt
insert into delivery_attempt (delivery_id, number, started_at, milliseconds, status_code, error, request_headers, response_body)
values (%(id)s, %(number)s, %(started_at)s, %(milliseconds)s, %(status_code)s, %(error)s, %(request_headers)s, %(response_body)s)

-- name: add_test_delivery
insert into delivery (webhook_id, event_id, test) values (%(webhook_id)s, %(event_id)s, true) returning id

-- name: due_webhooks
-- Webhooks with deliveries that are due and that nobody works on.
select w.id from webhook w
where exists (
  select from delivery d
  where d.webhook_id = w.id and d.status = 'pending' and d.due_at <= now()
    and (d.claimed_until is null or d.claimed_until < now()) and (w.enabled or d.test)
)
limit %(limit)s

-- name: delivery_fields
-- Part of the next ones.
select d.*, e.type, e.created_at as event_created_at, e.payload, w.enabled
from delivery d join event e on e.id = d.event_id join webhook w on w.id = d.webhook_id

-- name: find_delivery
{delivery_fields}
where d.id = %(id)s

-- name: deliveries_before
{delivery_fields}
where d.webhook_id = %(webhook_id)s and (%(before)s::uuid is null or d.id < %(before)s)
  and (%(status)s::text is null or d.status = %(status)s::delivery_status)
order by d.id desc limit %(limit)s

-- name: deliveries_after
{delivery_fields}
where d.webhook_id = %(webhook_id)s and d.id > %(after)s
  and (%(status)s::text is null or d.status = %(status)s::delivery_status)
order by d.id limit %(limit)s

-- name: count_deliveries
-- No further than the limit.
select count(*) as counted from (
  select from delivery
  where webhook_id = %(webhook_id)s and (%(status)s::text is null or status = %(status)s::delivery_status)
  limit %(limit)s
) counted

-- name: delivery_attempts
select * from delivery_attempt where delivery_id = %(id)s order by number desc limit %(limit)s

-- name: redeliver
-- The schedule begins anew; what has been tried stays in the log.
update delivery set status = 'pending', due_at = now(), tries = 0, finished_at = null
where id = %(id)s and status <> 'pending'
returning id

-- name: redeliver_failed
-- The oldest first, so that who has more can order again with the same time.
update delivery set status = 'pending', due_at = now(), tries = 0, finished_at = null
where id in (
  select id from delivery
  where webhook_id = %(webhook_id)s and status = 'failed' and created_at >= %(since)s and not test
  order by id limit %(limit)s
)
