-- What only the previous version of the code used: the sums on reading, and the mark of each chunk that was sent. The new
-- version counts each chunk itself.

drop trigger count_finished_chunk on chunk;
drop function count_finished_chunk();
drop function import_sums(uuid);
alter table chunk drop column sent_at;
