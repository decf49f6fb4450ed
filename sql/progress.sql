-- How far runs are; what is shown of those that go on is looked at in
-- t/006_progress.pl, as it takes a server that has been set up for it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT attname AS column, format_type(atttypid, atttypmod) AS type
FROM pg_attribute WHERE attrelid = 'deltaetl_progress'::regclass AND attnum > 0
ORDER BY attnum;
SELECT * FROM deltaetl_progress;

-- anyone may look
CREATE ROLE regress_watcher;
GRANT USAGE ON SCHEMA public TO regress_watcher;
SET ROLE regress_watcher;
SELECT count(*) AS runs FROM deltaetl_progress;
RESET ROLE;
REVOKE USAGE ON SCHEMA public FROM regress_watcher;
DROP ROLE regress_watcher;

-- notices are off unless asked for, and a short run gives none
SHOW deltaetl.progress_notices;
SELECT context, vartype FROM pg_settings WHERE name = 'deltaetl.progress_notices';
SET deltaetl.progress_notices = 'often';
SET deltaetl.progress_notices = on;
RESET client_min_messages;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (LIKE products);
INSERT INTO staging SELECT i, 'product ' || i FROM generate_series(1, 5000) AS i;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
RESET deltaetl.progress_notices;
SET client_min_messages = warning;

-- runs during a run: one that succeeds, one that fails and is given up, and a
-- look at the rows that differ; none of them stands for the outer one
CREATE TABLE colors (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE new_colors (id int, name text);
CREATE TABLE bad_colors AS SELECT 1 AS id, NULL AS name;
INSERT INTO new_colors VALUES (1, 'red');
CREATE TABLE seen (id int, inner_runs bigint, differing bigint);
CREATE FUNCTION sync_colors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE new_colors SET name = name || '!';
	PERFORM deltaetl_sync('new_colors', 'colors');
	BEGIN
		PERFORM deltaetl_sync('bad_colors', 'colors');
	EXCEPTION WHEN not_null_violation THEN NULL;
	END;
	INSERT INTO seen SELECT new.id,
		(SELECT count(*) FROM deltaetl_progress WHERE target <> 'products'::regclass),
		(SELECT count(*) FROM deltaetl_diff('bad_colors', 'colors'));
	RETURN new;
END $$;
CREATE TRIGGER sync_colors BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION sync_colors();
UPDATE staging SET name = name || '!' WHERE id < 4;
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products');
SELECT * FROM seen ORDER BY id;
SELECT * FROM colors;
SELECT count(*) AS runs FROM deltaetl_progress;

-- a run that fails, and one that is taken back, in a transaction that goes on
BEGIN;
UPDATE staging SET name = name || '!' WHERE id < 4;
SAVEPOINT before;
SELECT deltaetl_sync('bad_colors', 'colors');
ROLLBACK TO before;
SELECT count(*) AS runs FROM deltaetl_progress;
SELECT updated FROM deltaetl_sync('staging', 'products');
ROLLBACK TO before;
SELECT count(*) AS runs FROM deltaetl_progress;
SELECT updated FROM deltaetl_sync('staging', 'products');
COMMIT;
SELECT count(*) AS differ FROM ((TABLE products EXCEPT ALL TABLE staging) UNION ALL (TABLE staging EXCEPT ALL TABLE products)) AS d;

DROP TABLE products, staging, colors, new_colors, bad_colors, seen;
DROP FUNCTION sync_colors;
