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
VACUUM (FREEZE) products;
VACUUM (FREEZE) staging;
-- the sequence of run ids logs some values ahead, so let it do that first
SELECT unchanged FROM deltaetl_sync('staging', 'products');
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins + n_tup_upd + n_tup_del AS writes_before
FROM pg_stat_user_tables WHERE relname = 'products' \gset
DO $$
DECLARE
	before pg_lsn;
	run record;
BEGIN
	-- something else on the server may write WAL, but not each time
	FOR i IN 1 .. 40 LOOP
		before := pg_current_wal_insert_lsn();
		SELECT * INTO run FROM deltaetl_sync('staging', 'products', deletes => 'delete');
		IF pg_current_wal_insert_lsn() = before THEN
			RAISE NOTICE '% inserted, % updated, % deleted, % unchanged, no WAL',
				run.inserted, run.updated, run.deleted, run.unchanged;
			RETURN;
		END IF;
	END LOOP;
	RAISE EXCEPTION 'a run without a delta wrote WAL';
END $$;
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
