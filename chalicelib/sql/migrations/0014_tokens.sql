-- Tokens can expire, administrators manage them over HTTP, and each token may use a limited part of the importer.

alter table api_token add column expires_at timestamptz;
grant select (expires_at) on api_token to authorizer;
grant select (id, name, scopes, created_at, last_used_at, revoked_at, expires_at) on api_token to api;
grant select (expires_at), insert (expires_at) on api_token to token_manager;

-- The API's role cannot write tokens. These two functions do it for a caller with an administrator's token: the token
-- itself, because hashes are in every backup. So a function that is taken over can create no token unless it is given
-- one. They answer whether a text is such a token, as every route does; a token has 256 random bits, so trying texts leads
-- nowhere. A text is refused before anything is locked, and the token is checked again under the lock: it may have been
-- revoked while this waited. All names are qualified and pg_temp comes last, so that a table of the caller cannot take the
-- place of ours.
create function is_admin_token(given text) returns boolean
  language sql stable set search_path = pg_catalog, pg_temp
  return exists (
    select from public.api_token t
    where t.sha256 = pg_catalog.sha256(convert_to(given, 'UTF8')) and 'admin' = any (t.scopes)
      and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
  );

create function lock_tokens_for_admin(given text) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not public.is_admin_token(given) then
    return false;
  end if;
  lock table public.api_token in share row exclusive mode;
  return public.is_admin_token(given);
end $$;

-- Returns null if the given token is not an administrator's. Raises unique_violation if an active token has the name.
create function create_token_as(admin_token text, new_name text, new_scope text, new_sha256 bytea, expiry timestamptz)
  returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  created uuid;
begin
  if not public.lock_tokens_for_admin(admin_token) then
    return null;
  end if;
  if exists (
    select from public.api_token t
    where t.name = new_name and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
  ) then
    raise unique_violation using message = 'there is an active token with this name';
  end if;
  insert into public.api_token (name, scopes, sha256, expires_at)
  values (new_name, array[new_scope], new_sha256, expiry) returning id into created;
  return created;
end $$;

-- Returns null if the given token is not an administrator's, and whether there was a token to revoke.
create function revoke_token_as(admin_token text, token_id uuid)
  returns boolean language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not public.lock_tokens_for_admin(admin_token) then
    return null;
  end if;
  update public.api_token t set revoked_at = now() where t.id = token_id and t.revoked_at is null;
  return found;
end $$;

revoke execute on function is_admin_token, lock_tokens_for_admin, create_token_as, revoke_token_as from public;
grant execute on function create_token_as, revoke_token_as to api;

-- How many requests a token has left, as the moment at which it will have all of them again. A request moves it. Unlogged,
-- so that a request waits for no disk: after a crash of the server, every token starts with all its requests.
create unlogged table request_allowance (
  token_id uuid primary key,
  whole_at timestamptz not null
) with (fillfactor = 50);
grant select, insert, update on request_allowance to api;

-- Which token registered an import or asked for an export, to limit how many of its own are unfinished. Null for what was
-- accepted before this column existed, and for files that were put into the bucket.
alter table import add column token_id uuid;
alter table export add column token_id uuid;
create index import_unfinished_of_token on import (token_id) where status in ('pending', 'processing');
