-- name: product_columns
-- Part of other queries: the columns of a product that readers need.
p.id, p.sku, p.sku_key, p.name, p.description, p.active, p.content_version, p.created_at, p.updated_at

-- name: shown_products
-- The products that readers see: no tombstones, nothing below the floor. The floor is a subquery so that the planner treats
-- it as a constant and reads an index in the order of the page. The caller appends conditions and an order.
select {product_columns} from product p
where not p.deleted and p.version >= (select floor from barrier)

-- name: with_id
-- Condition: the product with this id.
and p.id = %(id)s

-- name: with_sku
-- Condition: the SKU contains the text. Texts are compared in the form that decides whether two SKUs are the same; a
-- subquery folds the wanted one once, not for every row. strpos has no wildcards: `%` and `_` are literal.
and strpos(p.sku_key, (select sku_key(%(sku)s::text))) > 0

-- name: with_name
-- Condition: the name contains the text. Folding can cost twenty times as much as lower-casing, which therefore comes first
-- and rules out most names (see certain_part); one character comes before that (see rare_mark). If the name is ASCII, and the
-- whole text is certain, lower-casing decides alone.
and (strpos(p.name, (select rare_mark(%(name)s::text))) > 0
     or strpos(p.name, (select upper(rare_mark(%(name)s::text)))) > 0)
and strpos(lowered(p.name), (select certain_part(%(name)s::text))) > 0
and ((octet_length(p.name) = length(p.name)
      and (select certain_part(%(name)s::text) = sku_key(%(name)s::text)))
     or strpos(folded(p.name), (select sku_key(%(name)s::text))) > 0)

-- name: with_description
-- Condition: the description contains the text.
and (strpos(p.description, (select rare_mark(%(description)s::text))) > 0
     or strpos(p.description, (select upper(rare_mark(%(description)s::text)))) > 0)
and strpos(lowered(p.description), (select certain_part(%(description)s::text))) > 0
and ((octet_length(p.description) = length(p.description)
      and (select certain_part(%(description)s::text) = sku_key(%(description)s::text)))
     or strpos(folded(p.description), (select sku_key(%(description)s::text))) > 0)

-- name: with_text
-- Condition: the SKU, the name or the description contains the text.
and (strpos(p.sku_key, (select sku_key(%(q)s::text))) > 0
  or ((strpos(p.name, (select rare_mark(%(q)s::text))) > 0
       or strpos(p.name, (select upper(rare_mark(%(q)s::text)))) > 0)
      and strpos(lowered(p.name), (select certain_part(%(q)s::text))) > 0
      and ((octet_length(p.name) = length(p.name) and (select certain_part(%(q)s::text) = sku_key(%(q)s::text)))
           or strpos(folded(p.name), (select sku_key(%(q)s::text))) > 0))
  or ((strpos(p.description, (select rare_mark(%(q)s::text))) > 0
       or strpos(p.description, (select upper(rare_mark(%(q)s::text)))) > 0)
      and strpos(lowered(p.description), (select certain_part(%(q)s::text))) > 0
      and ((octet_length(p.description) = length(p.description) and (select certain_part(%(q)s::text) = sku_key(%(q)s::text)))
           or strpos(folded(p.description), (select sku_key(%(q)s::text))) > 0)))

-- name: with_active
-- Condition: active or not.
and p.active = %(active)s

-- name: above_id
-- Where a page starts: after this id.
and p.id > %(key)s

-- name: below_id
-- Where a page starts: before this id.
and p.id < %(key)s

-- name: above_sku
-- Where a page starts: after this key. Keys are compared bytewise, which is the column's collation.
and p.sku_key > %(key)s

-- name: below_sku
-- Where a page starts: before this key.
and p.sku_key < %(key)s

-- name: upwards_by_id
-- The order of a page.
order by p.id

-- name: downwards_by_id
-- The order of a page.
order by p.id desc

-- name: upwards_by_sku
-- The order of a page.
order by p.sku_key

-- name: downwards_by_sku
-- The order of a page.
order by p.sku_key desc

-- name: limit_page
-- The length of a page.
limit %(limit)s

-- name: walk
-- Reads the catalogue in order and keeps what passes the filters, until it has a page or has looked at too many products.
-- The caller appends shown_products in its order, then walk_filter, the filters, and the order and limit of the page.
select * from (

-- name: walk_filter
-- Second part of walk: how many products to look at.
limit %(looked_at_max)s) p where true

-- name: search_state
-- What decides how a page is found. `ready`: whether the search index, with the changes that it does not contain yet, has
-- every product, and these changes are few. `indexable`: whether one of the texts has three letters or digits in a row, or
-- there are no texts: the index cannot find anything shorter. `pages`: the size of the table.
select
  s.built and waiting.products <= %(changes_max)s as ready,
  not exists (select from unnest(%(texts)s::text[]))
    or exists (
      select from unnest(%(texts)s::text[]) as t, unnest(show_trgm(sku_key(t))) as trigram
      where strpos(trigram, ' ') = 0
    ) as indexable,
  pg_relation_size('product') / current_setting('block_size')::integer as pages
from product_search_state s, (
  select coalesce(sum(1 + products + coalesce(last_id - first_id, 0)), 0) as products
  from (select products, first_id, last_id from catalogue_change where stage < 2 limit %(changes_max)s + 1) c
) waiting

-- name: sample
-- Counts the products in some of the table's pages, the same ones every time, and those that match. The caller appends the
-- filters, then sample_end.
select count(*) as rows, count(*) filter (where true

-- name: sample_end
-- Second part of sample.
) as matches from product p tablesample system (%(percent)s) repeatable (%(seed)s)
where not p.deleted and p.version >= (select floor from barrier)

-- name: sample_index
-- The same in the search index, which has the texts folded. The content of a product that readers see is above the floor.
-- The caller appends the conditions on the index, then sample_index_end.
select count(*) as rows, count(*) filter (where true

-- name: sample_index_end
-- Second part of sample_index.
) as matches from product_search s tablesample system (%(percent)s) repeatable (%(seed)s)
where s.content_version >= (select floor from barrier)

-- name: with_indexes
-- For found_in_index: use indexes, however few or many products the planner expects.
select prefer_indexes()

-- name: found_in_index
-- Every product that passes the filters, by the search index. The caller appends indexed_products and its conditions, then
-- found_in_changes.
with hits as materialized (

-- name: indexed_products
-- What the search index contains. The caller appends the conditions on the index.
select s.sku_key, s.content_version from product_search s where true

-- name: found_in_changes
-- Adds the changed products. The caller appends unindexed_keys, then found_in_both.
  union all

-- name: unindexed_keys
-- The products that the index may not contain as they are, by the record of changes. `offset 0` keeps each range of ids a
-- scan of its own.
select k.sku_key, null::bigint as content_version
from catalogue_change c join product_change k on k.position = c.position where c.stage < 2
union all
select p.sku_key, null
from catalogue_change c cross join lateral (
  select sku_key from product where id between c.first_id and c.last_id offset 0
) p
where c.stage < 2 and c.created > 0

-- name: found_in_both
-- Joins what was found with the catalogue. A product whose content is as it was indexed has passed the filters; they decide
-- about the others. The caller appends the filters, then found_in_both_end.
), matching as materialized (
  select p.id, p.sku_key
  from (select sku_key, max(content_version) as content_version from hits group by sku_key) h
  join product p on p.sku_key = h.sku_key
  where not p.deleted and p.version >= (select floor from barrier)
    and (p.content_version = h.content_version or (true

-- name: found_in_both_end
-- Last part of found_in_both. The caller appends matching_page.
    ))

-- name: indexed_sku
-- Condition on the search index: the SKU contains the text.
and s.sku_key like (select containing(%(sku)s::text))

-- name: looked_up_sku
-- The same, for an index scan. Words that half of all SKUs have, such as a prefix `sku`, are left out of the pattern: the scan
-- would read the longest lists of the index for them, and rule out little. A small sample shows which. All that is found is
-- compared with the whole text.
and s.sku_key like (
  select case when bool_or(word and not common) then '%%' || string_agg(pattern, '' order by place) || '%%'
              else containing(%(sku)s::text) end
  from (
    select place, word, common, case when common then '%%' else
      replace(replace(replace(part, '\', '\\'), '%%', '\%%'), '_', '\_') end as pattern
    from (
      select place, part, length(part) >= 3 and part ~ '[[:alnum:]]' as word,
        length(part) >= 3 and part ~ '[[:alnum:]]' and (
          select 2 * count(*) filter (where strpos(e.sku_key, part) > 0) > count(*)
          from product_search e tablesample system (%(few_percent)s) repeatable (%(seed)s)
        ) as common
      from regexp_matches(sku_key(%(sku)s::text), '[[:alnum:]]+|[^[:alnum:]]+', 'g') with ordinality as m (parts, place),
           unnest(parts) as part
    ) parts
  ) patterns
) and strpos(s.sku_key, (select sku_key(%(sku)s::text))) > 0

-- name: indexed_name
-- Condition on the search index: the name contains the text.
and s.name like (select containing(%(name)s::text))

-- name: indexed_description
-- Condition on the search index: the description contains the text.
and s.description like (select containing(%(description)s::text))

-- name: indexed_text
-- Condition on the search index: the SKU, the name or the description contains the text.
and (s.sku_key like (select containing(%(q)s::text)) or s.name like (select containing(%(q)s::text))
  or s.description like (select containing(%(q)s::text)))

-- name: indexed_active
-- Condition on the search index: active or not.
and s.active = %(active)s

-- name: in_parallel
-- For found_in_catalogue: scan in parallel. The planner underestimates the cost of searching texts.
select prefer_parallel()

-- name: found_in_catalogue
-- Every product that passes the filters, by the catalogue itself. The caller appends the filters, then matching_page. The key
-- of the barrier keeps the planner from starting processes for its one row, when it has no statistics of that table.
with matching as materialized (
  select p.id, p.sku_key from product p
  where not p.deleted and p.version >= (select floor from barrier where single_row)

-- name: matching_page
-- Counts the matches and returns one page of them. The caller appends the place, order and limit of the page, then
-- matching_page_end. An empty page is one row without a product.
)
select counted.total, p.id is not null as has_product, p.* from (select count(*) as total from matching) counted left join (
  select {product_columns} from product p join (select p.id from matching p where true

-- name: matching_page_end
-- Second part of matching_page. The caller appends the order again.
) m on m.id = p.id) p on true

-- name: sources_of_versions
-- The lines that versions come from, and the imports, as far as they are kept. The version of an edit has no line.
select v.version, line_of(v.version) as line, i.id as import_id, i.filename,
       coalesce(i.file_gone_at is null and i.id is not null, false) as file_kept
from unnest(%(versions)s::bigint[]) as v (version)
left join import i on i.operation = operation_of(v.version)
where line_of(v.version) > 0
