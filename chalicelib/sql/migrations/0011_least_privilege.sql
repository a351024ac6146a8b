-- The functions' role may do what the named queries do, and nothing else. A function that is taken over then cannot create
-- a token, change one, or make a migration run again. A test compares what is granted with the queries, in both directions
-- (docs/architecture.md, "Database privileges"). A migration that adds a table, or a query that needs more, grants it.

revoke all on schema_migration, api_token, barrier, product, import, chunk, rejected_row, event, sweep_cursor, bulk_delete,
  export, export_part, idempotency_key, product_search, product_search_edit, product_search_state, relay_state, webhook,
  delivery, delivery_attempt from importer;
revoke all on sequence operation, product_id_seq, product_search_edit_id_seq from importer;

-- To find the holder of a token, and to note when it was used. Tokens are created and revoked by the owner.
grant select (id, name, sha256, scopes, last_used_at, revoked_at), update (last_used_at) on api_token to importer;

grant select, insert, update, delete on product, event, idempotency_key, product_search, webhook to importer;
grant select, insert, update on import, chunk, bulk_delete, export, delivery to importer;
grant select, insert, delete on rejected_row, export_part, product_search_edit to importer;
grant select, insert on delivery_attempt to importer;
grant select, update on barrier, sweep_cursor, product_search_state, relay_state to importer;
grant usage on sequence operation, product_id_seq to importer;
