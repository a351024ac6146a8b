-- The search index has texts as the former rule folded them. Those that the new rule folds otherwise are folded again, while
-- nothing else writes the index. Until then, a filter by a word with a final sigma may miss them.
select from product_search_state for update;
update product_search set name = folded(name), description = folded(description)
where name ~ '[\u00ad\u03c2\u200b-\u200d\u2060\ufeff]' or description ~ '[\u00ad\u03c2\u200b-\u200d\u2060\ufeff]';
