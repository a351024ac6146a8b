-- How much of its import's allowance for stored rejected rows each chunk has used, so that the allowance can be exact.
-- Chunks that the previous version has finished count as zero. So an import that is running during the deployment may
-- store up to twice the allowance.
alter table chunk
  add column rejected_stored integer not null default 0,
  add column rejected_stored_bytes bigint not null default 0;
