-- name: use_token
-- Finds the holder of a token and records when it was used, to the minute, so that a busy token is not a hot row.
with found as (
  select id, name, scopes, last_used_at from api_token where sha256 = %(sha256)s and revoked_at is null
), noted as (
  update api_token t set last_used_at = now() from found
  where t.id = found.id and (found.last_used_at is null or found.last_used_at < now() - interval '1 minute')
)
select id, name, scopes from found

-- name: revoke_tokens
-- Revokes the token with this name.
update api_token set revoked_at = now() where name = %(name)s and revoked_at is null

-- name: install_token
-- Installs a given token. The same token may be given again at the next start.
insert into api_token (name, scopes, sha256) values (%(name)s, %(scopes)s, %(sha256)s)
on conflict (sha256) do update set name = excluded.name, scopes = excluded.scopes, revoked_at = null

-- name: lock_tokens
-- Serializes the creation of tokens, so that the second of two tokens with the same name is refused.
lock table api_token in share row exclusive mode

-- name: find_active_token
-- Whether there is a token with this name that has not been revoked.
select 1 from api_token where name = %(name)s and revoked_at is null

-- name: add_token
-- Creates a token.
insert into api_token (name, scopes, sha256) values (%(name)s, %(scopes)s, %(sha256)s)

-- name: list_tokens
-- The newest tokens, revoked ones included.
select name, scopes, created_at, last_used_at, revoked_at from api_token order by created_at desc, id desc limit %(limit)s
