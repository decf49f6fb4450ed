-- Where else a function can be called: in a query more than once, in a
-- trigger of its own target, in code that changes what it reads.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (id int, name text);
INSERT INTO staging SELECT i, i::text FROM generate_series(1, 300) AS i;
\set differ 'SELECT count(*) AS differ FROM ((TABLE products EXCEPT ALL TABLE staging) UNION ALL (TABLE staging EXCEPT ALL TABLE products)) AS d'

-- in one query, many times and with others
SELECT count(*), sum(inserted) AS inserted FROM generate_series(1, 20), deltaetl_sync('staging', 'products');
SELECT sum((deltaetl_sync('staging', 'products', deletes => 'delete')).unchanged) FROM generate_series(1, 5);
:differ;
DELETE FROM products WHERE id <= 30;
SELECT id, count(*) FROM generate_series(29, 32) AS id, deltaetl_diff('staging', 'products', scope => 'id = ' || id) GROUP BY id ORDER BY id;
WITH gone AS (DELETE FROM products WHERE id > 290 RETURNING id),
	run AS (SELECT inserted FROM deltaetl_sync('staging', 'products'))
SELECT (SELECT count(*) FROM gone), (SELECT inserted FROM run);
SELECT inserted FROM deltaetl_sync('staging', 'products');
:differ;
SELECT deltaetl_hashes('products') LIMIT 0;
BEGIN;
DECLARE c CURSOR FOR SELECT key FROM deltaetl_diff('staging', 'products', scope => 'id < 5') UNION ALL SELECT key FROM deltaetl_hashes('products') ORDER BY key;
FETCH 1 FROM c;
DELETE FROM products;
SELECT inserted FROM deltaetl_sync('staging', 'products');
FETCH 1 FROM c;
COMMIT;

-- in a trigger of the target: once more when all is done, or in the middle of it
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() < 4 THEN
		PERFORM deltaetl_sync('staging', 'products', deletes => 'delete');
	END IF;
	RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER again AFTER INSERT OR UPDATE OR DELETE ON products FOR EACH STATEMENT EXECUTE FUNCTION again();
UPDATE staging SET name = 'new' WHERE id < 10;
DELETE FROM staging WHERE id > 280;
INSERT INTO staging VALUES (1000, 'new');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'products', deletes => 'delete');
:differ;
DELETE FROM products WHERE id < 100;
:differ;
DROP TRIGGER again ON products;
CREATE TRIGGER again BEFORE INSERT OR UPDATE OR DELETE ON products FOR EACH ROW EXECUTE FUNCTION again();
UPDATE staging SET name = 'newer' WHERE id < 10;
DELETE FROM staging WHERE id > 270;
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
CREATE OR REPLACE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_sync('staging', 'products');
	RETURN NEW;
END $$;
INSERT INTO staging VALUES (1001, 'endless');
SELECT deltaetl_sync('staging', 'products');
DROP TRIGGER again ON products;
SELECT deltaetl_sync('staging', 'products', deletes => 'delete') IS NULL;
:differ;

-- in a function that a source is made of, and that reads it itself
CREATE FUNCTION rows() RETURNS SETOF staging LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_sync('staging', 'products');
	RETURN QUERY SELECT * FROM staging;
END $$;
CREATE VIEW made AS SELECT * FROM rows();
UPDATE staging SET name = 'made' WHERE id = 7;
SELECT count(*) FROM deltaetl_diff('made', 'products');
SELECT updated, unchanged FROM deltaetl_sync('made', 'products');
CREATE FUNCTION rows_of_itself() RETURNS SETOF staging LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_diff('itself', 'products');
	RETURN QUERY SELECT * FROM staging;
END $$;
CREATE VIEW itself AS SELECT * FROM rows_of_itself();
SELECT deltaetl_diff('itself', 'products');

-- in scope, code that changes what the run is about
CREATE FUNCTION meddle(command text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN true;
END $$;
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_sync('staging', 'products', deletes => 'delete', log_changes => 'rows', scope => format('meddle(%L)', command));
	RAISE EXCEPTION 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE SQLSTATE WHEN 'P0001' THEN SQLERRM ELSE SQLSTATE END;
END $$;
UPDATE staging SET name = 'meddled' WHERE id < 20;
-- what comes of it depends on when it is called; neither is an error that cannot happen
SELECT command, try(command) NOT LIKE 'XX%' AS good FROM unnest(ARRAY['ALTER TABLE products ADD IF NOT EXISTS more int', 'DROP TABLE IF EXISTS products', 'TRUNCATE products',
	'DELETE FROM staging', 'DELETE FROM products', 'DROP EXTENSION IF EXISTS deltaetl CASCADE', 'ALTER TABLE IF EXISTS staging RENAME TO staged', 'ALTER TABLE products DISABLE TRIGGER ALL',
	'CREATE INDEX IF NOT EXISTS more ON products (name)', 'SET ROLE pg_monitor', 'SET search_path = pg_catalog', 'SET standard_conforming_strings = off', 'CREATE TEMP TABLE IF NOT EXISTS products ()', 'COMMIT',
	'SELECT deltaetl_sync(''staging'', ''products'')', 'SELECT deltaetl_track(''products'')', 'SAVEPOINT s', 'DISCARD PLANS']) AS command;
SELECT count(*) FILTER (WHERE name = 'meddled') AS written FROM products;

-- in a subtransaction that fails, and what goes on after it
DO $$
BEGIN
	FOR i IN 1 .. 30 LOOP
		BEGIN
			INSERT INTO staging VALUES (i, 'twice');
			PERFORM deltaetl_sync('staging', 'products');
		EXCEPTION WHEN cardinality_violation THEN NULL;
		END;
	END LOOP;
END $$;
SELECT inserted, updated, deleted FROM deltaetl_sync('staging', 'products', deletes => 'delete');
:differ;
-- in a function with settings of its own
CREATE FUNCTION set_apart() RETURNS bigint LANGUAGE sql SET search_path = '' SET work_mem = '64kB'
AS $$ SELECT unchanged FROM public.deltaetl_sync('public.staging', 'public.products', scope => 'id > 0') $$;
DO $$ BEGIN
	IF current_setting('server_version_num')::int < 190000 THEN
		ALTER FUNCTION set_apart SET standard_conforming_strings = off;
	END IF;
END $$;
SELECT set_apart() - (SELECT count(*) FROM staging) AS more;

DROP VIEW made, itself;
DROP FUNCTION again, rows, rows_of_itself, meddle, try, set_apart;
DROP TABLE products, staging;
