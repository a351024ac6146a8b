-- What the functions that still log in as `importer` no longer do. The code before 0012_roles.sql ran all functions as
-- this role, so this is applied only once they are replaced (chalicelib/backends/migrations.py).

revoke all on api_token, sweep_cursor, idempotency_key, relay_state, webhook, delivery, delivery_attempt from importer;
revoke update on barrier from importer;
revoke select, update, delete on event from importer;
revoke insert on bulk_delete, export, product_search_edit from importer;
