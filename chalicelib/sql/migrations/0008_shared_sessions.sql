-- What a proxy must not see. RDS Proxy reads the statements it passes on; one that calls nextval or set_config ties the
-- session to its caller, because the next statement might rely on it. Behind these functions nothing outlives a transaction.

-- The next place in the acceptance order.
create function next_operation() returns bigint
  language sql volatile
  return nextval('operation');

-- The id of a new product, or of one that comes back.
create function next_product_id() returns bigint
  language sql volatile
  return nextval('product_id_seq');

-- Until the end of the transaction the planner takes an index where there is one.
create function prefer_indexes() returns void
  language sql volatile
  begin atomic
    select set_config('enable_seqscan', 'off', true);
  end;

-- Until the end of the transaction the planner takes several processes for little more than one.
create function prefer_parallel() returns void
  language sql volatile
  begin atomic
    select set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true),
           set_config('min_parallel_table_scan_size', '0', true);
  end;

grant execute on function next_operation, next_product_id, prefer_indexes, prefer_parallel to importer;
