-- name: claim_delivery
-- Claims the delivery of a webhook that has been due for longest, unless the maximum number of attempts is running. A
-- test goes first, and ignores that maximum. The statement before this one has locked the webhook's row.
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
returning d.id, d.webhook_id, d.claims, d.tries, d.test,
  d.event_id, e.type as event_type, e.payload, e.created_at as event_created_at

-- name: end_attempt
-- Records the result of an attempt, unless another sender has claimed the delivery since: `claims` is the fence.
-- `due_at` stays as it is when there is no next attempt.
update delivery set
  status = %(status)s::delivery_status, attempts = attempts + 1, tries = tries + 1, claimed_until = null,
  due_at = coalesce(now() + make_interval(secs => %(delay_seconds)s), due_at),
  finished_at = case when %(status)s = 'pending' then null else now() end,
  last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = %(error)s
where id = %(id)s and claims = %(claims)s and status = 'pending'
returning attempts

-- name: add_attempt
-- Adds an attempt to the log.
insert into delivery_attempt (delivery_id, number, started_at, milliseconds, status_code, error, request_headers, response_body)
values (%(id)s, %(number)s, %(started_at)s, %(milliseconds)s, %(status_code)s, %(error)s, %(request_headers)s, %(response_body)s)

-- name: add_test_delivery
-- Creates the delivery of a test, for one webhook.
insert into delivery (webhook_id, event_id, test) values (%(webhook_id)s, %(event_id)s, true) returning id

-- name: due_webhooks
-- Finds webhooks with a delivery that is due and that no sender has claimed, for the sweep.
select w.id from webhook w
where exists (
  select from delivery d
  where d.webhook_id = w.id and d.status = 'pending' and d.due_at <= now()
    and (d.claimed_until is null or d.claimed_until < now()) and (w.enabled or d.test)
)
limit %(limit)s

-- name: delivery_fields
-- The columns of a delivery with its event: the beginning of the following queries.
select d.*, e.type as event_type, e.payload, e.created_at as event_created_at, w.enabled as webhook_enabled
from delivery d join event e on e.id = d.event_id join webhook w on w.id = d.webhook_id

-- name: find_delivery
-- Reads one delivery.
{delivery_fields}
where d.id = %(id)s

-- name: deliveries_below
-- A page of a webhook's log, newest first: the deliveries below an id, or from the newest.
{delivery_fields}
where d.webhook_id = %(webhook_id)s and (%(below)s::uuid is null or d.id < %(below)s)
  and (%(status)s::text is null or d.status = %(status)s::delivery_status)
order by d.id desc limit %(limit)s

-- name: deliveries_above
-- The page before one, lowest id first: the deliveries above an id.
{delivery_fields}
where d.webhook_id = %(webhook_id)s and d.id > %(above)s
  and (%(status)s::text is null or d.status = %(status)s::delivery_status)
order by d.id limit %(limit)s

-- name: count_deliveries
-- Counts the deliveries of a webhook, up to a limit.
select count(*) as counted from (
  select from delivery
  where webhook_id = %(webhook_id)s and (%(status)s::text is null or status = %(status)s::delivery_status)
  limit %(limit)s
) counted

-- name: delivery_attempts
-- Lists the attempts at a delivery, newest first.
select * from delivery_attempt where delivery_id = %(id)s order by number desc limit %(limit)s

-- name: redeliver
-- Sends one delivery again. The schedule starts again; earlier attempts stay in the log.
update delivery set status = 'pending', due_at = now(), tries = 0, finished_at = null
where id = %(id)s and status <> 'pending'
returning id

-- name: redeliver_failed
-- Sends failed deliveries again, the oldest first, so that a caller with more of them can repeat the same request.
update delivery set status = 'pending', due_at = now(), tries = 0, finished_at = null
where id in (
  select id from delivery
  where webhook_id = %(webhook_id)s and status = 'failed' and created_at >= %(since)s and not test
  order by id limit %(limit)s for no key update
)
