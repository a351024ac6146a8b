-- All code records its changes now. One statement and therefore one snapshot: the count and the recorded changes agree.
update catalogue_total set total =
  (select count(*) from product p, barrier b where not p.deleted and p.version >= b.floor)
  - (select coalesce(sum(created - deleted), 0) from catalogue_change);
