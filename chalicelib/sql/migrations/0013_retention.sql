-- Old data is removed. Chunks and rejected rows are removed some time after their import has ended, exports and bulk deletes some
-- time after they have ended, and the row of an import once S3 has confirmed that its file is gone.

alter table import
  -- Whether its chunks and rejected rows are still stored. The sums of the chunks, and the bytes of the header, are here then.
  add column details_kept boolean not null default true,
  add column sum_bytes bigint not null default 0,
  add column sum_created bigint not null default 0,
  add column sum_updated bigint not null default 0,
  add column sum_unchanged bigint not null default 0,
  add column sum_superseded bigint not null default 0,
  add column sum_rejected bigint not null default 0,
  -- When S3 is asked next whether it still has the file; at once if this is null and the import has ended.
  add column file_check_at timestamptz,
  -- When S3 confirmed that the file is gone.
  add column file_gone_at timestamptz;

create index import_details on import (finished_at) where details_kept and not retryable;
create index import_file_check on import (bucket, coalesce(file_check_at, finished_at)) where finished_at is not null;
create index export_finished on export (finished_at) where finished_at is not null;
create index bulk_delete_finished on bulk_delete (finished_at) where finished_at is not null;

-- Progress and receipt of one import: of its chunks, and of those that are no longer kept.
create or replace function import_sums(import_id uuid, out done_bytes bigint, out recent_bytes bigint, out created bigint,
                                       out updated bigint, out unchanged bigint, out superseded bigint,
                                       out rejected bigint, out last_done_at timestamptz)
  language sql stable parallel safe
  begin atomic
    select i.sum_bytes + coalesce(sum(c.end_byte - c.start_byte) filter (where c.done), 0)::bigint,
           coalesce(sum(c.end_byte - c.start_byte) filter (where c.done_at > now() - interval '10 seconds'), 0)::bigint,
           i.sum_created + coalesce(sum(c.created), 0)::bigint,
           i.sum_updated + coalesce(sum(c.updated), 0)::bigint,
           i.sum_unchanged + coalesce(sum(c.unchanged), 0)::bigint,
           i.sum_superseded + coalesce(sum(c.superseded), 0)::bigint,
           i.sum_rejected + coalesce(sum(c.rejected), 0)::bigint,
           max(c.done_at)
    from import i left join chunk c on c.import_id = i.id
    where i.id = import_sums.import_id group by i.id;
  end;

grant delete on import, chunk to sweeper;
grant select (import_id), delete on rejected_row to sweeper;
grant select (finished_at), delete on bulk_delete, export to sweeper;
