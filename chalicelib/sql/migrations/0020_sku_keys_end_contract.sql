-- Keys no longer change. A transaction of its own, because it waits for readers of the catalogue: writers must not wait with
-- it at the closed barrier.
drop trigger product_note_changing_key on product;
drop function note_changing_key();
drop table changing_key;
