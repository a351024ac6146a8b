-- All code writes the key now.
drop trigger product_fill_sku_key on product;
drop function fill_sku_key();
