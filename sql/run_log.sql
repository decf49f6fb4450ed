-- What the run log says, against what was done.
CREATE TABLE products (id int PRIMARY KEY, name text, "The price" numeric(10,2));
CREATE TABLE "Staging area" (LIKE products);
INSERT INTO "Staging area" SELECT i, 'p' || i, i FROM generate_series(1, 100) AS i;
SELECT deltaetl_prune_log('0') >= 0 AS pruned;

SELECT run_id AS first FROM deltaetl_sync('"Staging area"', 'products') \gset
UPDATE "Staging area" SET name = 'new' WHERE id <= 3;
DELETE FROM "Staging area" WHERE id > 90;
INSERT INTO "Staging area" VALUES (101, 'p101', 1), (102, 'p102', 2);
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('"Staging area"', 'products', ARRAY['id'],
	exclude_columns => ARRAY['The price'], deletes => 'delete', scope => 'id > 0', max_delete_pct => 12.5,
	max_delete_rows => 10, dry_run => true);
BEGIN;
SELECT pg_current_xact_id() AS xid \gset
SELECT run_id AS third FROM deltaetl_sync('"Staging area"', 'products', deletes => 'delete') \gset
COMMIT;

SELECT run_id - :first AS run, job, source, target, status, inserted, updated, deleted, unchanged, role = current_user AS ours
FROM deltaetl_run_log ORDER BY run_id;
SELECT run_id - :first AS run, options FROM deltaetl_run_log ORDER BY run_id;
SELECT xid = :'xid' AS same FROM deltaetl_run_log WHERE run_id = :third;
-- times are there, and the phases are all of it
SELECT bool_and(started_at < finished_at AND finished_at <= clock_timestamp()) AS in_order,
	bool_and(elapsed = finished_at - started_at) AS elapsed,
	bool_and(resolve_time + lock_time + detect_time + apply_time = elapsed) AS phases,
	bool_and(least(resolve_time, lock_time, detect_time) > '0') AS all_phases,
	bool_and(rows_read >= inserted + updated + unchanged) AS rows,
	bool_and(bytes_read >= 8192 AND bytes_read % 8192 = 0) AS pages
FROM deltaetl_run_log;

-- a run that fails or is rolled back leaves no entry of its own
BEGIN;
SELECT updated FROM deltaetl_sync('"Staging area"', 'products');
ROLLBACK;
SELECT deltaetl_sync('"Staging area"', 'products', deletes => 'delete', key_columns => ARRAY['nam']);
SELECT count(*) FROM deltaetl_run_log;

-- it is written in any schema and with any settings
CREATE SCHEMA tools;
ALTER EXTENSION deltaetl SET SCHEMA tools;
SET search_path = pg_catalog;
SET "DateStyle" = 'SQL, DMY';
SET "IntervalStyle" = sql_standard;
SELECT unchanged FROM tools.deltaetl_sync('public."Staging area"', 'public.products');
RESET search_path;
RESET "DateStyle";
RESET "IntervalStyle";
ALTER EXTENSION deltaetl SET SCHEMA public;
DROP SCHEMA tools;
SELECT count(*) FROM deltaetl_run_log;

-- a table under the name of the log is not taken for it
CREATE SCHEMA trap;
CREATE TABLE trap.deltaetl_run_entry (LIKE deltaetl_run_entry);
SET search_path = trap, public;
SELECT unchanged FROM deltaetl_sync('"Staging area"', 'products');
SELECT count(*) FROM trap.deltaetl_run_entry;
RESET search_path;
DROP TABLE trap.deltaetl_run_entry;
DROP SCHEMA trap;

-- a run within a run: a trigger of the target syncs another table
CREATE TABLE copy (LIKE products INCLUDING ALL);
CREATE FUNCTION sync_copy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_sync('products', 'copy', deletes => 'delete');
	RETURN NULL;
END $$;
CREATE TRIGGER sync_copy AFTER INSERT ON products EXECUTE FUNCTION sync_copy();
INSERT INTO "Staging area" VALUES (200, 'p200', 1);
SELECT max(run_id) AS last FROM deltaetl_run_log \gset
SELECT inserted FROM deltaetl_sync('"Staging area"', 'products');
SELECT run_id - :last AS run, source, target, inserted FROM deltaetl_run_log WHERE run_id > :last ORDER BY run_id;
DROP TRIGGER sync_copy ON products;
DROP FUNCTION sync_copy();
DROP TABLE copy;

-- the log outlives the table, also if another one takes its place
DROP TABLE products, "Staging area";
SELECT count(*), min(target) AS target FROM deltaetl_run_log WHERE target LIKE '%products';
