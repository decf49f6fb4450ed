-- Sync uses stored hashes, where it may.
\set counts 'SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync'
CREATE TABLE products (id int PRIMARY KEY, name text, price numeric(10,2), note text);
INSERT INTO products SELECT i, 'product ' || i, i, NULL FROM generate_series(1, 5) AS i;
SELECT deltaetl_track('products');

-- a plain source; how it differs is found, and nothing else
CREATE TABLE staging AS SELECT id, name, price, note FROM products;
:counts('staging', 'products');
UPDATE staging SET price = price + 1 WHERE id = 2;
INSERT INTO staging VALUES (6, 'new', 6, repeat('long ', 10000));
DELETE FROM staging WHERE id = 5;
:counts('staging', 'products', deletes => 'delete');
:counts('staging', 'products', deletes => 'delete');
SELECT id, row_hash = deltaetl_row_hash(id, name, note, price) AS hashed FROM products ORDER BY id;

-- values out of line, so hashes of both sides are compared and not values
UPDATE staging SET note = repeat('longer ', 10000) WHERE id IN (1, 6);
SELECT action, key, changed_columns FROM deltaetl_diff('staging', 'products') ORDER BY key->'id';
:counts('staging', 'products', deletes => 'delete');
:counts('staging', 'products', deletes => 'delete');

-- a source with the same stored hash
CREATE TABLE hashed (LIKE products INCLUDING GENERATED);
INSERT INTO hashed SELECT id, name, price, note FROM products;
:counts('hashed', 'products', deletes => 'delete');
UPDATE hashed SET name = 'renamed' WHERE id = 3;
:counts('hashed', 'products', deletes => 'delete');
:counts('hashed', 'products', deletes => 'delete');

-- a source whose column of that name holds something else
CREATE TABLE other (id int, name text, price numeric(10,2), note text,
	row_hash bytea GENERATED ALWAYS AS (deltaetl_row_hash(id)) STORED);
INSERT INTO other SELECT id, name, price, note FROM products;
:counts('other', 'products', deletes => 'delete');
CREATE TABLE written (LIKE products);
INSERT INTO written SELECT * FROM products;
UPDATE written SET name = 'written' WHERE id = 1;
:counts('written', 'products', deletes => 'delete', dry_run => true);

-- which is believed only if the caller says so; where it is NULL, rows are hashed
:counts('written', 'products', deletes => 'delete', dry_run => true, source_hash_column => 'row_hash');
SELECT count(*) FROM deltaetl_diff('written', 'products', source_hash_column => 'row_hash');
UPDATE written SET row_hash = NULL WHERE id = 1;
:counts('written', 'products', deletes => 'delete', dry_run => true, source_hash_column => 'row_hash');
UPDATE written SET row_hash = '\x00' WHERE id IN (3, 4);
:counts('written', 'products', deletes => 'delete', source_hash_column => 'row_hash');
SELECT name FROM products WHERE id = 1;
SELECT count(*) FROM deltaetl_verify('products');
:counts('written', 'products', source_hash_column => 'row_hsh');
:counts('written', 'products', source_hash_column => 'name');
:counts('written', 'products', exclude_columns => '{note}', source_hash_column => 'row_hash');

-- other columns than those that are hashed: they are compared themselves
:counts('staging', 'products', exclude_columns => '{note,name}', dry_run => true);
:counts('staging', 'products', columns => '{name}', dry_run => true);
ALTER TABLE products ADD COLUMN stock int DEFAULT 0;
ALTER TABLE staging ADD COLUMN stock int DEFAULT 0;
UPDATE staging SET stock = 7 WHERE id = 4;
:counts('staging', 'products');
SELECT deltaetl_untrack('products');
SELECT deltaetl_track('products', algorithm => 'sha512');
UPDATE staging SET stock = 8 WHERE id = 4;
:counts('staging', 'products');
:counts('staging', 'products');

-- a renamed column; a source with other types, whose values are assigned first
ALTER TABLE products RENAME COLUMN name TO "Product Name";
ALTER TABLE staging RENAME COLUMN name TO "Product Name";
CREATE TABLE texts AS SELECT id::int8, "Product Name"::varchar(50), price::float8, note::varchar, stock::int2 FROM staging;
:counts('texts', 'products', deletes => 'delete');
UPDATE texts SET price = 12.345 WHERE id = 1;
:counts('texts', 'products', deletes => 'delete');
:counts('texts', 'products', deletes => 'delete');

-- keys that are equal but not alike
CREATE TABLE numbers (n numeric PRIMARY KEY, v text);
INSERT INTO numbers VALUES (1.0, repeat('a', 100000)), (2, repeat('b', 100000)), (3, 'c');
ALTER TABLE numbers ALTER COLUMN v SET STORAGE EXTERNAL;
SELECT deltaetl_track('numbers', hash_column => 'Hash');
CREATE TABLE digits (LIKE numbers INCLUDING GENERATED);
INSERT INTO digits VALUES (1.00, repeat('a', 100000)), (2, repeat('b', 100000)), (4, 'd');
:counts('digits', 'numbers', deletes => 'delete');
SELECT n, length(v) FROM numbers ORDER BY n;
:counts('digits', 'numbers', deletes => 'delete');

-- more columns than a function takes
DO $$
BEGIN
	EXECUTE (SELECT format('CREATE TABLE wide (id int PRIMARY KEY, %s)', string_agg(format('c%s int', i), ', ' ORDER BY i))
		FROM generate_series(1, 150) AS i);
END $$;
SELECT deltaetl_track('wide');
CREATE TABLE wider (LIKE wide INCLUDING GENERATED);
INSERT INTO wider (id, c1, c150) SELECT i, i, i FROM generate_series(1, 10) AS i;
:counts('wider', 'wide');
UPDATE wider SET c150 = 0 WHERE id = 7;
SELECT key, changed_columns FROM deltaetl_diff('wider', 'wide');
:counts('wider', 'wide');
:counts('wider', 'wide');

DROP TABLE products, staging, hashed, other, written, texts, numbers, digits, wide, wider;
