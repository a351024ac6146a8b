-- name: claim_idempotency_key
-- One of two requests at once gets the row. A key that is out of date, or whose request was killed, can be had again.
insert into idempotency_key as k (token_id, key, request_sha256) values (%(token_id)s, %(key)s, %(request_sha256)s)
on conflict (token_id, key) do update
set claim = excluded.claim, request_sha256 = excluded.request_sha256, claimed_at = excluded.claimed_at,
    status = null, headers = null, body = null, reference = null
where k.claimed_at < now() - make_interval(secs => %(key_seconds)s)
   or (k.status is null and k.claimed_at < now() - make_interval(secs => %(claim_seconds)s))
returning claim

-- name: find_idempotency_key
-- A new statement after claim_idempotency_key, so that it sees what the claim ran into.
select request_sha256, status, headers, body, reference from idempotency_key
where token_id = %(token_id)s and key = %(key)s

-- name: finish_idempotency_key
update idempotency_key
set status = %(status)s, headers = %(headers)s, body = %(body)s, reference = %(reference)s
where token_id = %(token_id)s and key = %(key)s and claim = %(claim)s

-- name: release_idempotency_key
delete from idempotency_key where token_id = %(token_id)s and key = %(key)s and claim = %(claim)s and status is null

-- name: prune_idempotency_keys
delete from idempotency_key where (token_id, key) in (
  select token_id, key from idempotency_key
  where claimed_at < now() - make_interval(secs => %(key_seconds)s)
  order by claimed_at limit %(limit)s for update skip locked
)
