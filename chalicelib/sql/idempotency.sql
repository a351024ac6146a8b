-- name: claim_idempotency_key
-- Claims a key: of two requests at the same time, one gets the row. A key that has expired, or whose request was killed,
-- can be claimed again.
insert into idempotency_key as k (token_id, key, request_sha256) values (%(token_id)s, %(key)s, %(request_sha256)s)
on conflict (token_id, key) do update
set claim = excluded.claim, request_sha256 = excluded.request_sha256, claimed_at = excluded.claimed_at,
    status = null, headers = null, body = null, reference = null
where k.claimed_at < now() - make_interval(secs => %(key_seconds)s)
   or (k.status is null and k.claimed_at < now() - make_interval(secs => %(claim_seconds)s))
returning claim

-- name: find_idempotency_key
-- Reads a key that could not be claimed. A statement of its own, so that it sees the row that refused the claim.
select request_sha256, status, headers, body, reference from idempotency_key
where token_id = %(token_id)s and key = %(key)s

-- name: finish_idempotency_key
-- Stores the answer of a request, unless its claim has been lost.
update idempotency_key
set status = %(status)s, headers = %(headers)s, body = %(body)s, reference = %(reference)s
where token_id = %(token_id)s and key = %(key)s and claim = %(claim)s

-- name: release_idempotency_key
-- Frees the key of a request that had no effect.
delete from idempotency_key where token_id = %(token_id)s and key = %(key)s and claim = %(claim)s and status is null

-- name: prune_idempotency_keys
-- Removes some expired keys.
delete from idempotency_key where (token_id, key) in (
  select token_id, key from idempotency_key
  where claimed_at < now() - make_interval(secs => %(key_seconds)s)
  order by claimed_at limit %(limit)s for update skip locked
)
