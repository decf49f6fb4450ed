-- Functions that somebody has put into the schema of the extension, and that
-- fit the types of a table better than those of the extension, are not called.
CREATE ROLE regress_deltaetl_mallory;
CREATE SCHEMA tools;
ALTER EXTENSION deltaetl SET SCHEMA tools;
ALTER EXTENSION pgcrypto SET SCHEMA tools;
GRANT CREATE, USAGE ON SCHEMA tools TO regress_deltaetl_mallory;
SET search_path = tools, public;
CREATE TABLE products (id int PRIMARY KEY, name text);
CREATE TABLE staging (id int, name text);
CREATE VIEW staged AS SELECT * FROM staging;
INSERT INTO products VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO staging VALUES (1, 'ONE'), (2, 'two'), (4, 'four');

SET SESSION AUTHORIZATION regress_deltaetl_mallory;
CREATE FUNCTION tools.gotcha(VARIADIC anyarray) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE WARNING 'gotcha, %', current_user;
	RETURN '\x00';
END $$;
CREATE FUNCTION tools.deltaetl_row_hash(int, text) RETURNS bytea IMMUTABLE
RETURN tools.gotcha($1::text, $2);
CREATE FUNCTION tools.deltaetl_encode(int) RETURNS bytea IMMUTABLE
RETURN tools.gotcha($1);
CREATE FUNCTION tools.deltaetl_encode(int, text) RETURNS bytea IMMUTABLE
RETURN tools.gotcha($1::text, $2);
CREATE FUNCTION tools.gather_two(bigint, bytea, oid, tid, int, text) RETURNS bigint IMMUTABLE
RETURN length(tools.gotcha($5));
CREATE FUNCTION tools.gather_one(bigint, bytea, oid, tid, int) RETURNS bigint IMMUTABLE
RETURN length(tools.gotcha($5));
CREATE AGGREGATE tools.deltaetl_fingerprints(bytea, oid, tid, int, text) (SFUNC = tools.gather_two, STYPE = bigint);
CREATE AGGREGATE tools.deltaetl_fingerprints(bytea, oid, tid, int) (SFUNC = tools.gather_one, STYPE = bigint);
-- they are what these names mean
SELECT tools.deltaetl_row_hash(1, 'one'::text), tools.deltaetl_encode(1);
RESET SESSION AUTHORIZATION;

SELECT deltaetl_hashes('products');
SELECT deltaetl_track('products');
SELECT deltaetl_track('products', algorithm => 'md5');
-- which of them is found first depends on how rows are compared
\set VERBOSITY sqlstate
SELECT deltaetl_diff('staging', 'products');
SELECT deltaetl_diff('staged', 'products');
SELECT deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT deltaetl_sync('staged', 'products', deletes => 'delete');
\set VERBOSITY default
TABLE products ORDER BY id;

-- what fits no better is of no concern
ALTER TABLE products ALTER id TYPE bigint;
SELECT deltaetl_track('products');
SELECT inserted, updated, deleted, unchanged FROM deltaetl_sync('staged', 'products', deletes => 'delete');
SELECT deltaetl_verify('products');
TABLE staging EXCEPT ALL SELECT id, name FROM products;
SELECT id, name FROM products EXCEPT ALL TABLE staging;

RESET search_path;
ALTER EXTENSION deltaetl SET SCHEMA public;
ALTER EXTENSION pgcrypto SET SCHEMA public;
SET client_min_messages = warning;
DROP SCHEMA tools CASCADE;
DROP ROLE regress_deltaetl_mallory;
