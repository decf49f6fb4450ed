-- What stops a run before it has written anything.
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (LIKE products);
INSERT INTO products SELECT i, 'p' || i FROM generate_series(1, 10) AS i;

-- an empty source deletes nothing unless told to
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
INSERT INTO staging VALUES (99, 'out of scope');
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', scope => 'id < 50');
DELETE FROM staging;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete',
	allow_empty_source => true, dry_run => true);
SELECT count(*) FROM products;

-- no more deletes than allowed, of the target rows in scope
INSERT INTO staging SELECT i, 'p' || i FROM generate_series(1, 8) AS i;
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 19.9);
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 39,
	scope => 'id > 5');
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 0,
	dry_run => true);
SELECT count(*) FROM products;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 40,
	scope => 'id > 5');
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 0);
SELECT * FROM products EXCEPT ALL SELECT * FROM staging;
DELETE FROM staging WHERE id = 8;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', max_delete_pct => 0);
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_pct => 12.5);

-- an empty source, wanted
TRUNCATE staging;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', allow_empty_source => true);
SELECT count(*) FROM products;
-- both empty: still not what one expects of a load
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');

-- bad values say which are good
SELECT deltaetl_sync('staging', 'products', deletes => 'remove');
SELECT deltaetl_sync('staging', 'products', deletes => NULL);
SELECT deltaetl_sync('staging', 'products', max_delete_pct => -1);
SELECT deltaetl_sync('staging', 'products', max_delete_pct => 100.5);
SELECT deltaetl_sync('staging', 'products', max_delete_pct => 'NaN');
SELECT deltaetl_sync(NULL, 'products');
SELECT deltaetl_sync('staging', NULL);
SELECT deltaetl_sync('staging', 'products', allow_empty_source => NULL);
SELECT deltaetl_sync('staging', 'products', dry_run => NULL);
SELECT deltaetl_sync('staging', 'products', columns => '{{id,name},{name,id}}');
SELECT deltaetl_sync('staging', 'no_such_table');

-- nothing is written in a read-only transaction; a diff may be read
BEGIN READ ONLY;
SAVEPOINT s;
SELECT deltaetl_sync('staging', 'products');
ROLLBACK TO s;
SELECT count(*) FROM deltaetl_diff('staging', 'products');
ROLLBACK;

-- an error in the middle of applying leaves nothing behind
INSERT INTO products VALUES (1, 'one'), (2, 'two'), (3, 'three');
ALTER TABLE products ADD CONSTRAINT short CHECK (length(name) < 10);
INSERT INTO staging VALUES (2, 'zwei'), (4, 'a name that is too long');
\set VERBOSITY terse
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
\set VERBOSITY default
SELECT * FROM products ORDER BY id;

DROP TABLE products, staging;

-- no more rows deleted than so many, and no larger share updated; what the hint says lets it happen
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (LIKE products);
INSERT INTO products SELECT i, 'p' || i FROM generate_series(1, 30) AS i;
INSERT INTO staging SELECT i, CASE WHEN i % 3 = 0 THEN 'new' ELSE 'p' || i END FROM generate_series(4, 32) AS i;
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_rows => 2);
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_rows => 2, dry_run => true);
SELECT deltaetl_sync('staging', 'products', max_update_pct => 29.9);
SELECT deltaetl_sync('staging', 'products', max_update_pct => 27, scope => 'id <> 30');
SELECT deltaetl_sync('staging', 'products', deletes => 'delete', max_delete_rows => 3, max_update_pct => 0);
SELECT count(*) FROM (SELECT * FROM products EXCEPT ALL SELECT i, 'p' || i FROM generate_series(1, 30) AS i) AS d;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', max_update_pct => 30, max_delete_rows => 0, dry_run => true);
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', max_update_pct => 30, max_delete_rows => 3);
SELECT * FROM staging EXCEPT ALL SELECT * FROM products;
SELECT count(*) FROM products;
-- rows that are the same but not in their bytes are no updates
CREATE TABLE readings (id int PRIMARY KEY, value numeric);
CREATE TABLE readings_staging (id int PRIMARY KEY, value numeric);
ALTER TABLE readings ALTER value SET STORAGE PLAIN;
INSERT INTO readings SELECT i, i FROM generate_series(1, 10) AS i;
INSERT INTO readings_staging SELECT i, i FROM generate_series(1, 10) AS i;
ALTER TABLE readings ADD note text;
ALTER TABLE readings_staging ADD note text;
UPDATE readings_staging SET note = NULL WHERE id = 1;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('readings_staging', 'readings', max_update_pct => 0);
-- a share of one in three is no round number of percent, and the hint still suffices
DELETE FROM products WHERE id > 6;
DELETE FROM staging WHERE id > 6;
UPDATE staging SET name = 'newer' WHERE id = 5;
SELECT deltaetl_sync('staging', 'products', max_update_pct => 0);
SELECT updated FROM deltaetl_sync('staging', 'products', max_update_pct => 33.34);
SELECT deltaetl_sync('staging', 'products', max_delete_rows => -1);
SELECT deltaetl_sync('staging', 'products', max_update_pct => 101);
SELECT deltaetl_sync('staging', 'products', log_changes => 'all');
SELECT deltaetl_sync('staging', 'products', if_running => NULL);
DROP TABLE products, staging, readings, readings_staging;
