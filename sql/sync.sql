-- The pipeline that deltaetl grew from: three runs.
CREATE TABLE products (id int PRIMARY KEY, name text, category text, price numeric, qty int);
CREATE TABLE staging (LIKE products);

INSERT INTO staging VALUES
	(1, 'Laptop', 'Electronics', 1200.0, 50),
	(2, 'Mouse', 'Electronics', 25.0, 200),
	(3, 'Keyboard', 'Electronics', 45.0, 150);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');

UPDATE staging SET price = 30.0 WHERE id = 2;
UPDATE staging SET qty = 140 WHERE id = 3;
INSERT INTO staging VALUES (4, 'Monitor', 'Electronics', 300.0, 40);
SELECT action, key, changed_columns, old_row, new_row
FROM deltaetl_diff('staging', 'products') ORDER BY key;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
SELECT * FROM products ORDER BY id;

-- The third run writes nothing: no tuple, no WAL, no statement trigger.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN RAISE NOTICE ''% on %'', TG_OP, TG_TABLE_NAME; RETURN NULL; END';
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON products
	EXECUTE FUNCTION tell();
CREATE EXTENSION pg_walinspect;
VACUUM (FREEZE) products;
VACUUM (FREEZE) staging;
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins + n_tup_upd + n_tup_del AS writes_before
FROM pg_stat_user_tables WHERE relname = 'products' \gset
-- no WAL for the target and its index, only for the run log
SET synchronous_commit = on;
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT count(*) FILTER (WHERE block_ref ~ format('/(%s|%s) ', pg_relation_filenode('products'),
		pg_relation_filenode('products_pkey'))) AS of_target,
	count(*) FILTER (WHERE block_ref ~ format('/%s ', pg_relation_filenode('deltaetl_run_entry'))) AS of_log
FROM pg_get_wal_records_info(:'start', pg_current_wal_flush_lsn());
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins + n_tup_upd + n_tup_del - :writes_before AS rows_written
FROM pg_stat_user_tables WHERE relname = 'products';

-- deletes only on request; a statement runs only if it has rows
DELETE FROM staging WHERE id = 1;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT * FROM products EXCEPT ALL SELECT * FROM staging;
SELECT * FROM staging EXCEPT ALL SELECT * FROM products;

-- a dry run counts and writes nothing
UPDATE staging SET qty = qty + 1 WHERE id = 2;
DELETE FROM staging WHERE id = 3;
INSERT INTO staging VALUES (5, 'Dock', 'Electronics', 90.0, 10);
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete', dry_run => true);
SELECT count(*) FROM (SELECT * FROM products EXCEPT ALL SELECT * FROM staging) AS d;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');

-- ids grow, and elapsed is a time
SELECT a.run_id < b.run_id AS grows, b.elapsed > '0' AND b.elapsed < '1 minute' AS elapsed
FROM deltaetl_sync('staging', 'products') AS a, deltaetl_sync('staging', 'products') AS b;

-- rows of the same transaction are seen, and all of it can be rolled back
BEGIN;
INSERT INTO staging VALUES (6, 'Cable', 'Electronics', 5.0, 900);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
DELETE FROM staging WHERE id = 6;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
INSERT INTO staging VALUES (7, 'Hub', 'Electronics', 15.0, 30);
SELECT inserted FROM deltaetl_sync('staging', 'products');
ROLLBACK;
SELECT * FROM products ORDER BY id;

-- in a function, with an exception caught
DO $$
BEGIN
	BEGIN
		UPDATE staging SET qty = 0;
		PERFORM deltaetl_sync('staging', 'products');
		RAISE EXCEPTION 'changed my mind';
	EXCEPTION WHEN raise_exception THEN
		RAISE NOTICE '%', SQLERRM;
	END;
	PERFORM deltaetl_sync('staging', 'products');
END $$;
SELECT * FROM staging EXCEPT ALL SELECT * FROM products;

-- the catalogs have no new dead rows
DROP FUNCTION tell CASCADE;
CREATE TABLE catalogs AS SELECT pg_relation_size('pg_class') AS class,
	pg_relation_size('pg_attribute') AS attribute;
DO $$
BEGIN
	FOR i IN 1 .. 200 LOOP
		UPDATE staging SET qty = qty + 1;
		PERFORM deltaetl_sync('staging', 'products');
	END LOOP;
END $$;
SELECT pg_relation_size('pg_class') = class AS class,
	pg_relation_size('pg_attribute') = attribute AS attribute
FROM catalogs;
DROP TABLE products, staging, catalogs;
DROP EXTENSION pg_walinspect;
