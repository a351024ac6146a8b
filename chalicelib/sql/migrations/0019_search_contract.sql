-- From here on, every change is recorded, so the search index can be filled. What it has already is compared, not copied.
drop trigger product_search_waits on product_search_state;
drop function product_search_waits;

alter table product_search_state drop column imports, drop column shown_count, drop column floor;
drop table product_search_edit;
drop index import_unindexed;
alter table import drop column indexed;
