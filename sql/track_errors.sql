-- What cannot be tracked, by whom, and whose functions are called.
\set VERBOSITY default
CREATE TABLE products (id int PRIMARY KEY, name text, upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO products (id, name) VALUES (1, 'one'), (2, NULL);

-- arguments
SELECT deltaetl_track(NULL);
\echo :SQLSTATE
SELECT deltaetl_track(1);
\echo :SQLSTATE
SELECT deltaetl_track('products', algorithm => NULL);
\echo :SQLSTATE
SELECT deltaetl_track('products', algorithm => 'crc32');
\echo :SQLSTATE
SELECT deltaetl_track('products', algorithm => 'SHA512');
SELECT deltaetl_track('products', hash_column => NULL);
\echo :SQLSTATE
SELECT deltaetl_track('products', hash_column => 'name');
\echo :SQLSTATE
SELECT deltaetl_track('products', hash_column => 'ctid');
\echo :SQLSTATE
SELECT deltaetl_track('products', '{nam}');
\echo :SQLSTATE
SELECT deltaetl_track('products', '{name,name}');
\echo :SQLSTATE
SELECT deltaetl_track('products', '{upper_name}');
\echo :SQLSTATE
SELECT deltaetl_untrack(NULL);
\echo :SQLSTATE
SELECT deltaetl_verify('products', 'nam');
\echo :SQLSTATE
SELECT deltaetl_verify('products', 'name');
\echo :SQLSTATE
CREATE TABLE hashed (hash bytea PRIMARY KEY, name text);
SELECT deltaetl_verify('hashed', 'hash');
\echo :SQLSTATE
DROP TABLE hashed;

-- relations
CREATE VIEW a_view AS TABLE products;
CREATE MATERIALIZED VIEW a_matview AS TABLE products;
SELECT deltaetl_track('a_view');
\echo :SQLSTATE
SELECT deltaetl_track('a_matview');
SELECT deltaetl_track('products_pkey');
SELECT deltaetl_track('pg_description');
\echo :SQLSTATE
SELECT deltaetl_untrack('a_view');
SELECT deltaetl_verify('a_matview');
DROP VIEW a_view;
DROP MATERIALIZED VIEW a_matview;
-- the key
CREATE TABLE keyless (a int, b int NOT NULL, c int NOT NULL, d int GENERATED ALWAYS AS (b + 1) STORED NOT NULL);
SELECT deltaetl_track('keyless');
\echo :SQLSTATE
CREATE UNIQUE INDEX keyless_b ON keyless (b);
CREATE UNIQUE INDEX keyless_c ON keyless (c);
SELECT deltaetl_track('keyless');
\echo :SQLSTATE
ALTER TABLE keyless ADD PRIMARY KEY (d);
SELECT deltaetl_track('keyless');
\echo :SQLSTATE
DROP TABLE keyless;
-- not in a transaction that only reads
BEGIN READ ONLY;
SELECT deltaetl_track('products');
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT deltaetl_untrack('products');
ROLLBACK;
-- not while somebody reads the table, ourselves included
SELECT deltaetl_track('products') FROM products;
\echo :SQLSTATE
-- nothing of all this has left a trace
SELECT deltaetl_untrack('products');
SELECT deltaetl_verify('products');
\echo :SQLSTATE

-- only the owner may, others do not even wait for a lock; to read is enough to verify
CREATE ROLE deltaetl_reader;
CREATE ROLE deltaetl_owner;
GRANT CREATE ON SCHEMA public TO deltaetl_owner;
ALTER TABLE products OWNER TO deltaetl_owner;
SET ROLE deltaetl_reader;
SELECT deltaetl_track('products');
\echo :SQLSTATE
SELECT deltaetl_untrack('products');
SELECT deltaetl_verify('products');
\echo :SQLSTATE
SET ROLE deltaetl_owner;
SELECT deltaetl_track('products');
GRANT SELECT (id, name) ON products TO deltaetl_reader;
SET ROLE deltaetl_reader;
SELECT deltaetl_untrack('products');
SELECT deltaetl_verify('products');
SET ROLE deltaetl_owner;
GRANT SELECT (row_hash) ON products TO deltaetl_reader;
SET ROLE deltaetl_reader;
SELECT deltaetl_verify('products');
RESET ROLE;
DROP OWNED BY deltaetl_owner, deltaetl_reader;
DROP ROLE deltaetl_owner, deltaetl_reader;

-- an attacker's names placed first in search_path are not used
CREATE SCHEMA evil;
CREATE SCHEMA "My tools";
ALTER EXTENSION deltaetl SET SCHEMA "My tools";
ALTER EXTENSION pgcrypto SET SCHEMA "My tools";
CREATE FUNCTION evil.deltaetl_row_hash(int, text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$SELECT '\x00'::pg_catalog.bytea$$;
CREATE FUNCTION evil.deltaetl_encode(int, text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$SELECT '\x00'::pg_catalog.bytea$$;
CREATE FUNCTION evil.deltaetl_differs(bytea, bytea) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION evil.digest(bytea, text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$SELECT '\x00'::pg_catalog.bytea$$;
CREATE DOMAIN evil.bytea AS text;
CREATE TABLE "My tools"."My products" (id int PRIMARY KEY, name text);
INSERT INTO "My tools"."My products" VALUES (1, 'one');
SET search_path = evil, "My tools", pg_catalog;
SELECT deltaetl_track('"My products"');
TABLE "My products";
SELECT deltaetl_verify('"My products"');
SELECT deltaetl_untrack('"My products"');
SELECT deltaetl_track('"My products"', algorithm => 'sha224');
SELECT row_hash = "My tools".digest("My tools".deltaetl_encode(id, name), 'sha224') AS good FROM "My products";
SELECT deltaetl_verify('"My products"');
SELECT deltaetl_untrack('"My products"');
-- what calls them is no stored hash
ALTER TABLE "My products"
	ADD h1 pg_catalog.bytea GENERATED ALWAYS AS (evil.deltaetl_row_hash(id, name)) STORED,
	ADD h2 pg_catalog.bytea GENERATED ALWAYS AS (evil.digest("My tools".deltaetl_encode(id, name), 'md5')) STORED;
SELECT deltaetl_untrack('"My products"');
-- those in the schema of the extension itself are found out
CREATE FUNCTION "My tools".deltaetl_row_hash(int, pg_catalog.bytea, pg_catalog.bytea, text) RETURNS pg_catalog.bytea IMMUTABLE LANGUAGE sql
AS $$SELECT '\x00'::pg_catalog.bytea$$;
ALTER TABLE "My products" ALTER h1 DROP EXPRESSION, ALTER h2 DROP EXPRESSION;
SELECT deltaetl_track('"My products"');
\echo :SQLSTATE
RESET search_path;
ALTER EXTENSION deltaetl SET SCHEMA public;
ALTER EXTENSION pgcrypto SET SCHEMA public;
SET client_min_messages = warning;
DROP SCHEMA evil, "My tools" CASCADE;
