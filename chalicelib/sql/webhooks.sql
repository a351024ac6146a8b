-- name: count_webhooks
-- Counts all webhooks, for the limit and for the total of the list.
select count(*) as total from webhook

-- name: lock_webhooks
-- Makes requests that add a webhook wait for each other, so that together they cannot exceed the limit.
lock table webhook in share row exclusive mode

-- name: new_webhook_id
-- Generates the id before the row, because the secret is sealed for this id. UUIDv7 sorts by time of creation.
select uuidv7() as id

-- name: add_webhook
-- Stores a new webhook.
insert into webhook (id, url, description, events, enabled, secret, header_names, headers)
values (%(id)s, %(url)s, %(description)s, %(events)s, %(enabled)s, %(secret)s, %(header_names)s, %(headers)s)
returning *

-- name: find_webhook
-- Reads one webhook.
select * from webhook where id = %(id)s

-- name: webhooks_below
-- A page of the list, newest first: the webhooks below an id, or from the newest.
select * from webhook where %(below)s::uuid is null or id < %(below)s order by id desc limit %(limit)s

-- name: webhooks_above
-- The page before one, lowest id first: the webhooks above an id.
select * from webhook where id > %(above)s order by id limit %(limit)s

-- name: lock_webhook
-- Locks a webhook against other edits and attempts. `for update` would also block the relay, whose new deliveries refer
-- to this row: the relay would wait for each sender's commit, and all senders for the relay's.
select * from webhook where id = %(id)s for no key update

-- name: change_webhook
-- Edits a webhook; a parameter that is null changes nothing. Switching it on again clears its record of failures.
update webhook set
  url = coalesce(%(url)s, url),
  description = coalesce(%(description)s, description),
  events = coalesce(%(events)s, events),
  enabled = coalesce(%(enabled)s, enabled),
  disabled_reason = case when %(enabled)s::boolean is null then disabled_reason end,
  failing_since = case when %(enabled)s::boolean and not enabled then null else failing_since end,
  header_names = coalesce(%(header_names)s, header_names),
  headers = case when %(header_names)s::text[] is null then coalesce(%(headers)s, headers) else %(headers)s end,
  secret = coalesce(%(secret)s, secret),
  old_secret = coalesce(%(old_secret)s, old_secret),
  quick = quick and %(url)s::text is null,
  revision = revision + 1, updated_at = now()
where id = %(id)s
returning *

-- name: rotate_secret
-- Replaces the secret. The old one signs too until it expires. It is a parameter, because it is sealed for its column.
update webhook set
  old_secret = %(old_secret)s, old_secret_expires_at = now() + make_interval(secs => %(overlap_seconds)s),
  secret = %(secret)s, revision = revision + 1, updated_at = now()
where id = %(id)s
returning *

-- name: delete_webhook
-- Deletes a webhook; its deliveries and their attempts go with it. The deliveries are locked in order first: old events
-- that are being deleted lock them as well.
with logged as (
  select id from delivery where webhook_id = %(id)s order by id for update
)
delete from webhook where id = %(id)s and (select count(*) from logged) >= 0

-- name: note_test
-- Records the attempt of a test at its webhook. A test does not say whether the webhook works for events.
update webhook set
  last_at = now(), last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = %(error)s
where id = %(id)s

-- name: note_success
-- Records a successful attempt at its webhook.
update webhook set
  quick = %(milliseconds)s <= %(quick_milliseconds)s, failing_since = null,
  last_at = now(), last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = null
where id = %(id)s

-- name: note_failure
-- Records a failed attempt at its webhook, and switches the webhook off on status 410 or after too long.
update webhook set
  quick = false, failing_since = coalesce(failing_since, now()),
  last_at = now(), last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = %(error)s,
  disabled_reason = case
    when not enabled then disabled_reason
    when %(gone)s then 'The receiver responded with 410 Gone: it wants no more deliveries.'
    when failing_since < now() - make_interval(secs => %(failing_seconds_max)s) then %(failing_reason)s
  end,
  enabled = enabled and not %(gone)s
    and coalesce(failing_since >= now() - make_interval(secs => %(failing_seconds_max)s), true)
where id = %(id)s
returning enabled
