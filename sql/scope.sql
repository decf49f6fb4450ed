-- A condition that limits both sides.
CREATE TABLE products (id int PRIMARY KEY, region text, price numeric(8,2), note text);
CREATE TABLE staging (id int, price text, region text, extra text);
INSERT INTO products VALUES (1, 'EU', 10, 'a'), (2, 'EU', 20, 'b'), (3, 'US', 30, 'c'), (4, 'US', 40, 'd');
INSERT INTO staging VALUES (1, '11', 'EU'), (3, '31', 'US'), (5, '50', 'EU'), (6, '60', 'US');
ALTER TABLE staging ALTER price TYPE numeric USING price::numeric;

-- rows out of scope are neither read nor touched
SELECT action, key, changed_columns
FROM deltaetl_diff('staging', 'products', scope => $$region = 'EU'$$) ORDER BY key;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', scope => $$region = 'EU'$$, deletes => 'delete');
SELECT * FROM products ORDER BY id;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', scope => $$region = 'EU'$$, deletes => 'delete');

-- bad rows out of scope do no harm
INSERT INTO staging VALUES (3, '99', 'US'), (NULL, '1', 'US');
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', scope => $$region = 'EU'$$);
DELETE FROM staging WHERE id IS NULL OR price = 99;

-- a key in scope in the source and out of scope in the target
UPDATE staging SET region = 'EU' WHERE id = 3;
SELECT deltaetl_sync('staging', 'products', scope => $$region = 'EU'$$);
SELECT deltaetl_diff('staging', 'products', scope => $$region = 'EU'$$);
SELECT * FROM products WHERE id = 3;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');

-- a condition is any expression; NULL is not true
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products',
	scope => 'id IN (SELECT s.id FROM staging AS s WHERE s.extra IS NULL) AND price BETWEEN 1 AND 100');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products',
	scope => 'NULL');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products',
	scope => E'id < 3 -- the small ones');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products',
	scope => E'id < 3 /* and no comment */', exclude_columns => '{region}');
-- it may speak of columns that are not compared
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products',
	scope => $$region = 'US'$$, exclude_columns => '{region}');

-- a key that is unique in scope only: other rows that have it are not touched
CREATE TABLE stock (id int, region text, v text);
CREATE TABLE new_stock (LIKE stock);
INSERT INTO stock VALUES (1, 'EU', 'a'), (1, 'US', 'us'), (2, 'EU', 'goes'), (2, 'US', 'stays');
INSERT INTO new_stock VALUES (1, 'EU', 'A');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_stock', 'stock',
	key_columns => '{id}', scope => $$region = 'EU'$$, deletes => 'delete');
SELECT * FROM stock ORDER BY id, region;
-- and where rows can only be addressed by their key, that is refused
CREATE ROLE deltaetl_loader;
GRANT SELECT ON new_stock TO deltaetl_loader;
GRANT SELECT (id, region, v), INSERT, UPDATE, DELETE ON stock TO deltaetl_loader;
SET ROLE deltaetl_loader;
SELECT deltaetl_sync('new_stock', 'stock',
	key_columns => '{id}', scope => $$region = 'US'$$, deletes => 'delete', allow_empty_source => true);
RESET ROLE;
SELECT * FROM stock ORDER BY id, region;
DROP TABLE stock, new_stock;
DROP ROLE deltaetl_loader;

-- it sees the target's types on both sides
CREATE TABLE codes (code char(4) PRIMARY KEY, at date);
CREATE TABLE new_codes (code text, at timestamp);
INSERT INTO new_codes VALUES ('a', '2026-01-01 12:00'), ('b', '2026-01-02 12:00');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('new_codes', 'codes',
	scope => $$at <= '2026-01-01'$$);
SELECT * FROM codes;
DROP TABLE codes, new_codes;

-- and nothing but a condition
SELECT deltaetl_sync('staging', 'products', scope => '');
SELECT deltaetl_sync('staging', 'products', scope => 'true); DROP TABLE products; --');
SELECT deltaetl_sync('staging', 'products', scope => 'true) OR (true');
SELECT deltaetl_sync('staging', 'products', scope => 'true LIMIT 1');
SELECT deltaetl_sync('staging', 'products', scope => 'true FROM staging');
SELECT deltaetl_sync('staging', 'products', scope => 'true UNION SELECT true');
SELECT deltaetl_sync('staging', 'products', scope => 'true, false');
SELECT deltaetl_sync('staging', 'products', scope => 'true AS t');
SELECT deltaetl_sync('staging', 'products', scope => 'true; true');
SELECT deltaetl_sync('staging', 'products', scope => 'true /*');
SELECT deltaetl_sync('staging', 'products', scope => '$1');
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'products', scope => 'id');
SELECT deltaetl_sync('staging', 'products', scope => 'note = ''a''');
SELECT deltaetl_sync('staging', 'products', scope => 'extra = ''a''');
SELECT deltaetl_sync('staging', 'products', scope => 'count(*) > 1');
SELECT deltaetl_sync('staging', 'products', scope => 'row_number() OVER () > 1');
SELECT deltaetl_sync('staging', 'products', scope => 'generate_series(1, 2) > 1');
SELECT deltaetl_sync('staging', 'products', scope => 'ctid IS NOT NULL');
\set VERBOSITY default
SELECT * FROM products ORDER BY id;
DROP TABLE products, staging;
