-- name: count_webhooks
select count(*) as total from webhook

-- name: lock_webhooks
-- So that two who add one at once do not both see room for the last one.
lock table webhook in share row exclusive mode

-- name: new_webhook_id
-- Before the row, because its secrets are sealed for it. Ids are UUIDv7, so their order is the order of creation.
select uuidv7() as id

-- name: add_webhook
insert into webhook (id, url, description, events, enabled, secret, header_names, headers)
values (%(id)s, %(url)s, %(description)s, %(events)s, %(enabled)s, %(secret)s, %(header_names)s, %(headers)s)
returning *

-- name: find_webhook
select * from webhook where id = %(id)s

-- name: webhooks_before
select * from webhook where %(before)s::uuid is null or id < %(before)s order by id desc limit %(limit)s

-- name: webhooks_after
select * from webhook where id > %(after)s order by id limit %(limit)s

-- name: lock_webhook
-- One at a time; but not against the relay, whose new deliveries refer to the row, and which would wait for each sender's
-- commit, and all senders for its own.
select * from webhook where id = %(id)s for no key update

-- name: change_webhook
-- A field that is null is left alone. One that is switched on again begins with a clean record.
update webhook set
  url = coalesce(%(url)s, url),
  description = coalesce(%(description)s, description),
  events = coalesce(%(events)s, events),
  enabled = coalesce(%(enabled)s, enabled),
  disabled_reason = case when %(enabled)s::boolean is null then disabled_reason end,
  failing_since = case when %(enabled)s::boolean and not enabled then null else failing_since end,
  header_names = coalesce(%(header_names)s, header_names),
  headers = case when %(header_names)s::text[] is null then headers else %(headers)s end,
  quick = quick and %(url)s::text is null,
  revision = revision + 1, updated_at = now()
where id = %(id)s
returning *

-- name: rotate_secret
update webhook set
  old_secret = secret, old_secret_expires_at = now() + make_interval(secs => %(overlap_seconds)s),
  secret = %(secret)s, revision = revision + 1, updated_at = now()
where id = %(id)s
returning *

-- name: delete_webhook
delete from webhook where id = %(id)s

-- name: note_success
update webhook set
  quick = %(milliseconds)s <= %(quick_milliseconds)s, failing_since = null,
  last_at = now(), last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = null
where id = %(id)s

-- name: note_failure
-- One that has failed for too long, or wants no more, is switched off.
update webhook set
  quick = false, failing_since = coalesce(failing_since, now()),
  last_at = now(), last_status_code = %(status_code)s, last_milliseconds = %(milliseconds)s, last_error = %(error)s,
  disabled_reason = case
    when not enabled then disabled_reason
    when %(gone)s then 'The receiver answered 410 Gone: it wants no more.'
    when failing_since < now() - make_interval(secs => %(failing_seconds_max)s) then %(failing_reason)s
  end,
  enabled = enabled and not %(gone)s
    and coalesce(failing_since >= now() - make_interval(secs => %(failing_seconds_max)s), true)
where id = %(id)s
returning enabled
