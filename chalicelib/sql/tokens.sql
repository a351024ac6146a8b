-- name: use_token
-- Finds the holder of a token and records when it was used, to the minute, so that a busy token is not a hot row. A token
-- that is no longer valid is returned with the reason.
with found as (
  select id, name, scopes, last_used_at,
         case when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' end as refusal
  from api_token where sha256 = %(sha256)s
), noted as (
  update api_token t set last_used_at = now() from found
  where t.id = found.id and found.refusal is null
    and (found.last_used_at is null or found.last_used_at < now() - interval '1 minute')
)
select id, name, scopes, refusal from found

-- name: revoke_tokens
-- Revokes the token with this name.
update api_token set revoked_at = now() where name = %(name)s and revoked_at is null

-- name: install_token
-- Installs a given token. The same token may be given again at the next start.
insert into api_token (name, scopes, sha256) values (%(name)s, %(scopes)s, %(sha256)s)
on conflict (sha256) do update set name = excluded.name, scopes = excluded.scopes, revoked_at = null, expires_at = null

-- name: lock_tokens
-- Serializes the creation of tokens, so that the second of two tokens with the same name is refused.
lock table api_token in share row exclusive mode

-- name: find_active_token
-- Whether there is a token with this name that can be used.
select 1 from api_token
where name = %(name)s and revoked_at is null and (expires_at is null or expires_at > now())

-- name: add_token
-- Creates a token.
insert into api_token (name, scopes, sha256, expires_at)
values (%(name)s, %(scopes)s, %(sha256)s, %(expires_at)s)

-- name: find_token
-- What a list shows of one token.
select id, name, scopes, created_at, last_used_at, expires_at, revoked_at from api_token where id = %(id)s

-- name: count_tokens
-- Counts all tokens, for the total of the list.
select count(*) as total from api_token

-- name: tokens_below
-- A page of the list, newest first: the tokens below an id, or from the newest.
select id, name, scopes, created_at, last_used_at, expires_at, revoked_at
from api_token where %(below)s::uuid is null or id < %(below)s order by id desc limit %(limit)s

-- name: tokens_above
-- The page before one, lowest id first: the tokens above an id.
select id, name, scopes, created_at, last_used_at, expires_at, revoked_at
from api_token where id > %(above)s order by id limit %(limit)s

-- name: create_token_as
-- Creates a token for the holder of an administrator's token; the migration says why it is a function.
select create_token_as(%(admin_token)s, %(name)s, %(scope)s, %(sha256)s, %(expires_at)s) as id

-- name: revoke_token_as
-- Revokes a token for the holder of an administrator's token. False if there is no active token with this id.
select revoke_token_as(%(admin_token)s, %(id)s) as revoked

-- name: take_request
-- Takes one request from what a token may send. Changes no row if none is left. A token that sends nothing for the whole
-- period has all of them again; each request moves that moment by its share of the period.
insert into request_allowance as a (token_id, whole_at)
values (%(token_id)s, now() + make_interval(secs => %(request_seconds)s))
on conflict (token_id) do update set whole_at = greatest(a.whole_at, now()) + make_interval(secs => %(request_seconds)s)
where a.whole_at <= now() + make_interval(secs => %(period_seconds)s - %(request_seconds)s)
