-- Keys that identify no row, or several, where one side is on another server.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
RESET client_min_messages;
DO $$
BEGIN
  EXECUTE format('CREATE SERVER loop_back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L, extensions ''deltaetl'')',
                 trim(split_part(current_setting('unix_socket_directories'), ',', 1)), current_setting('port'), current_database());
  EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (user %L)', current_user);
END $$;
CREATE SCHEMA there;
CREATE TABLE there.rows (id int, code text, qty int);
CREATE FOREIGN TABLE staging (id int, code text, qty int) SERVER loop_back OPTIONS (schema_name 'there', table_name 'rows');
CREATE TABLE products (id int, code text, qty int, PRIMARY KEY (id, code));
CREATE TABLE loose (id int, code text, qty int);
CREATE SCHEMA here;
CREATE FOREIGN TABLE here.loose (id int, code text, qty int) SERVER loop_back OPTIONS (schema_name 'public', table_name 'loose');
INSERT INTO there.rows SELECT i, 'c' || i, i FROM generate_series(1, 1000) AS i;
INSERT INTO products TABLE there.rows;
INSERT INTO loose TABLE there.rows;

CREATE FUNCTION keys(source regclass, target regclass) RETURNS SETOF text LANGUAGE sql SET deltaetl.detection = auto AS $$
	SELECT l FROM deltaetl_explain(source, target, '{id,code}', deletes => 'delete') AS l WHERE l ~ 'Keys|Detection: by digests' $$;
-- what each pair of tables says of the keys of rows
CREATE FUNCTION try_all(OUT source text, OUT target text, OUT says text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	FOR source, target IN VALUES ('staging', 'products'), ('staging', 'loose'), ('staging', 'here.loose'), ('loose', 'staging') LOOP
		BEGIN
			SELECT format('%s differ', count(*)) INTO says
			FROM deltaetl_diff(source, target, '{id,code}') WHERE action <> 'no';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			says := format('%s %s: %s', sqlstate, sqlerrm, detail);
		END;
		RETURN NEXT;
	END LOOP;
END $$;

SELECT keys('staging', 'products');
SELECT keys('staging', 'loose');
SELECT keys('staging', 'here.loose');
SELECT keys('loose', 'staging');
SELECT * FROM try_all();

-- two copies of a row that has not changed
INSERT INTO there.rows VALUES (7, 'c7', 7), (8, 'c8', 8);
SELECT * FROM try_all();
-- the same on both sides, so that no digest differs
INSERT INTO loose VALUES (7, 'c7', 7), (8, 'c8', 8);
SELECT * FROM try_all();
DELETE FROM there.rows WHERE id IN (7, 8);
DELETE FROM loose WHERE id IN (7, 8);
INSERT INTO there.rows VALUES (7, 'c7', 7), (8, 'c8', 8);
INSERT INTO loose VALUES (7, 'c7', 7), (8, 'c8', 8);

-- two rows of one key that are not alike, one of them not changed
INSERT INTO there.rows VALUES (9, 'c9', NULL);
SELECT * FROM try_all();
DELETE FROM there.rows WHERE qty IS NULL;

-- no key
INSERT INTO there.rows VALUES (NULL, 'n', 1), (1, NULL, 2);
SELECT * FROM try_all();
INSERT INTO loose VALUES (NULL, 'n', 1), (1, NULL, 2);
SELECT * FROM try_all();

-- NULL is a key where an index of the target says so
CREATE TABLE nulls (id int, code text, qty int, UNIQUE NULLS NOT DISTINCT (id, code));
INSERT INTO nulls SELECT * FROM there.rows WHERE id < 500 OR id IS NULL;
UPDATE there.rows SET qty = -1 WHERE code IS NULL;
SELECT keys('staging', 'nulls');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staging', 'nulls', deletes => 'delete');
(TABLE there.rows EXCEPT ALL TABLE nulls) UNION ALL (TABLE nulls EXCEPT ALL TABLE there.rows);
INSERT INTO there.rows VALUES (NULL, 'n', 1);
SELECT deltaetl_sync('staging', 'nulls', deletes => 'delete');
SELECT deltaetl_sync('loose', 'nulls', deletes => 'delete', dry_run => true) IS NOT NULL AS runs;

DROP FUNCTION keys, try_all;
DROP FOREIGN TABLE staging, here.loose;
DROP TABLE there.rows, products, loose, nulls;
DROP SCHEMA here, there;
DROP USER MAPPING FOR CURRENT_USER SERVER loop_back;
DROP SERVER loop_back;
DROP EXTENSION postgres_fdw;
