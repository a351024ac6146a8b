-- A role for each kind of function, which may do what the queries of its functions do, and nothing else. The roles exist
-- already (chalicelib/backends/roles.py); what `importer` no longer needs is taken from it by 0012_roles_contract.sql.
-- `maintain` allows a role to lock a whole table that it may not change.

do $$
begin
  -- Only `importer` creates temporary tables; 0001_catalogue.sql allows it to.
  execute format('revoke temporary on database %I from public', current_database());
end
$$;

grant usage on schema public to authorizer, api, deliverer, sweeper, token_manager;

-- To find the holder of a token, and to note when it was used.
grant select (id, name, sha256, scopes, last_used_at, revoked_at), update (last_used_at) on api_token to authorizer;

-- Without the hashes, which it does not need.
grant select (id, name, scopes, created_at, last_used_at, revoked_at), insert (name, scopes, sha256),
  update (revoked_at), maintain on api_token to token_manager;

grant select, insert, update, delete on idempotency_key, webhook to api;
grant select, insert, update on product, import, delivery to api;
grant select, insert on event, bulk_delete, product_search_edit to api;
grant select, insert, maintain on export to api;
grant select, update on barrier to api;
grant select on rejected_row, product_search, product_search_state, delivery_attempt to api;
grant select, update (sent_at) on chunk to api;
grant usage on sequence operation, product_id_seq to api;

grant maintain on barrier to importer;

-- Senders cannot change what a webhook is, or where it leads.
grant select, update (quick, enabled, disabled_reason, failing_since, last_at, last_status_code, last_milliseconds, last_error)
  on webhook to deliverer;
grant select, update (relayed, position) on event to deliverer;
grant select, update on relay_state to deliverer;
grant select, insert, update on delivery to deliverer;
grant insert on delivery_attempt to deliverer;

-- No content: neither products nor events nor stored responses nor secrets. A row is locked with the right to update any
-- of its columns; those are named here whose change does least.
grant select, insert, update on import to sweeper;
grant select, update (sent_at) on chunk to sweeper;
grant select, maintain on barrier to sweeper;
grant select, update on sweep_cursor to sweeper;
grant select (id, status, created_at, advanced_at, woken_at), update (woken_at) on bulk_delete, export to sweeper;
grant select (id, deleted, version, updated_at), update (updated_at), delete on product to sweeper;
grant select (id, relayed, created_at), insert, update (created_at), delete on event to sweeper;
grant select (key, token_id, claimed_at), update (claimed_at), delete on idempotency_key to sweeper;
grant select (id, enabled) on webhook to sweeper;
grant select (id, webhook_id, event_id, status, test, due_at, claimed_until), update (due_at) on delivery to sweeper;
grant usage on sequence operation to sweeper;
