-- Why a table on another server is read instead of its digests; and that the
-- outcome is the same.
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
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN code AS varchar(8);
CREATE TABLE there.stock (id int PRIMARY KEY, "the name$1" varchar(20), price numeric(10,2), mood mood, code code, made timestamptz, exact numeric);
INSERT INTO there.stock SELECT i, 'n' || i, i / 8.0, 'good', 'c' || i, 'epoch', i FROM generate_series(1, 100) AS i;
CREATE TABLE products (LIKE there.stock INCLUDING ALL);
INSERT INTO products TABLE there.stock;
UPDATE there.stock SET price = price + 1 WHERE id = 7;

-- whether and why not, and what the difference is
CREATE FUNCTION try(key name DEFAULT 'id', columns name[] DEFAULT '{"the name$1",price}', condition text DEFAULT NULL, target regclass DEFAULT 'products') RETURNS SETOF text LANGUAGE sql SET deltaetl.detection = auto AS $$
	SELECT substr(l, 5) FROM deltaetl_explain(to_regclass('staging'), target, ARRAY[key], columns, scope => condition) AS l WHERE l ~ 'by digests'
	UNION ALL SELECT format('%s %s', action, key) FROM deltaetl_diff(to_regclass('staging'), target, ARRAY[key], columns, scope => condition) $$;
CREATE FUNCTION links(VARIADIC columns text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP FOREIGN TABLE IF EXISTS staging;
	EXECUTE format('CREATE FOREIGN TABLE staging (%s) SERVER loop_back OPTIONS (schema_name ''there'', table_name ''stock'')', array_to_string(columns, ', '));
END $$;
SET client_min_messages = warning;

SELECT links('id int', '"the name$1" varchar(20)', 'price numeric(10,2)', 'mood mood', 'code code', 'made timestamptz', 'exact numeric');
SELECT try();
-- types that only this database has
SELECT try(columns => '{price,mood}');
SELECT try(columns => '{price,code}');
-- a key whose equal values differ in bytes
SELECT try(key => 'exact', columns => '{id,price,exact}');
-- a scope that is evaluated here, and one that is not
SELECT try(condition => 'price::money > 0::money');
SELECT try(condition => 'made < pg_catalog.now()');
SELECT try(condition => '"the name$1" = ''n7''  -- here');
-- other types there than declared here
SELECT links('id int', '"the name$1" varchar(30)', 'price numeric(10,2)');
CREATE TABLE other (id int PRIMARY KEY, "the name$1" varchar(30), price numeric(10,2));
INSERT INTO other SELECT id, "the name$1", price FROM products;
SELECT try(target => 'other');
SELECT links('id bigint', '"the name$1" varchar(20)', 'price numeric(10,2)');
ALTER TABLE other ALTER id TYPE bigint, ALTER "the name$1" TYPE varchar(20);
SELECT try(target => 'other');
-- another length here, where any will do there
ALTER TABLE other ALTER id TYPE int, ALTER "the name$1" TYPE varchar, ALTER price TYPE numeric;
SELECT links('id int', '"the name$1" varchar', 'price numeric');
SELECT try(target => 'other');
-- a length declared that neither has there nor here: what is read counts
INSERT INTO there.stock (id, price, exact) VALUES (101, 1, 1.005);
CREATE TABLE plain (id int PRIMARY KEY, exact numeric);
INSERT INTO plain SELECT id, exact FROM there.stock;
SELECT links('id int', 'exact numeric(10,2)');
SELECT try(columns => '{exact}', condition => 'id > 100', target => 'plain');
SELECT deltaetl_digest('staging', scope => 'id > 100') = deltaetl_digest('plain', scope => 'id > 100') AS same;
INSERT INTO plain SELECT id, exact FROM staging WHERE id > 100 ON CONFLICT (id) DO UPDATE SET exact = excluded.exact;
SELECT deltaetl_digest('staging', scope => 'id > 100') = deltaetl_digest('plain', scope => 'id > 100') AS same;
DROP TABLE plain;
DELETE FROM there.stock WHERE id = 101;
SELECT links('id int', '"the name$1" varchar', 'price numeric');
-- values that are assigned to another type
SELECT try();

-- options of columns; a generated one; a view there
CREATE VIEW there.view AS SELECT id AS key, price AS cost, "the name$1" AS name FROM there.stock;
DROP FOREIGN TABLE staging;
CREATE FOREIGN TABLE staging ("the name$1" varchar(20) OPTIONS (column_name 'name'), id int OPTIONS (column_name 'key'), price numeric(10,2) OPTIONS (column_name 'cost') GENERATED ALWAYS AS (1) STORED)
	SERVER loop_back OPTIONS (schema_name 'there', table_name 'view');
SELECT try();

-- nothing there, or nothing that may be called
SELECT links('id int', '"the name$1" varchar(20)', 'price numeric(10,2)');
ALTER SERVER loop_back OPTIONS (SET extensions '');
SELECT try();
ALTER SERVER loop_back OPTIONS (SET extensions 'deltaetl');
CREATE ROLE deltaetl_far LOGIN;
GRANT USAGE ON SCHEMA there TO deltaetl_far;
GRANT SELECT ON there.stock TO deltaetl_far;
ALTER USER MAPPING FOR CURRENT_USER SERVER loop_back OPTIONS (SET user 'deltaetl_far');
REVOKE EXECUTE ON FUNCTION deltaetl_check_types FROM PUBLIC;
SELECT try();
CREATE TABLE read AS SELECT * FROM staging;
SELECT deltaetl_digest('staging') = deltaetl_digest('read') AS same;
DROP TABLE read;
GRANT EXECUTE ON FUNCTION deltaetl_check_types TO PUBLIC;
SELECT try();
-- nothing that can be read at all
REVOKE SELECT ON there.stock FROM deltaetl_far;
SELECT * FROM deltaetl_diff('staging', 'products', '{id}');
GRANT SELECT ON there.stock TO deltaetl_far;

-- children of a foreign table, parts of a table that are foreign
CREATE TABLE child () INHERITS (staging);
SELECT try();
DROP TABLE child;
SELECT links('id int', '"the name$1" varchar(20)', 'price numeric(10,2)');
CREATE TABLE parts (LIKE products) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE part PARTITION OF parts DEFAULT SERVER loop_back OPTIONS (schema_name 'there', table_name 'stock');
SELECT try(target => 'parts');

-- more columns than a function takes arguments
DO $$
DECLARE
	columns text := (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(1, 230) AS i);
BEGIN
	EXECUTE format('CREATE TABLE there.wide (id int PRIMARY KEY, %s)', columns);
	DROP FOREIGN TABLE staging;
	EXECUTE format('CREATE FOREIGN TABLE staging (id int, %s) SERVER loop_back OPTIONS (schema_name ''there'', table_name ''wide'')', columns);
END $$;
INSERT INTO there.wide SELECT generate_series(1, 20);
CREATE TABLE wide (LIKE there.wide INCLUDING ALL);
INSERT INTO wide TABLE there.wide;
UPDATE there.wide SET c230 = -1 WHERE id = 3;
GRANT SELECT ON there.wide TO deltaetl_far;
SELECT try(target => 'wide', columns => NULL);

DROP FUNCTION try, links;
DROP FOREIGN TABLE staging;
DROP TABLE products, other, parts, wide;
DROP SCHEMA there CASCADE;
DROP TYPE mood;
DROP DOMAIN code;
DROP USER MAPPING FOR CURRENT_USER SERVER loop_back;
DROP SERVER loop_back;
DROP ROLE deltaetl_far;
DROP EXTENSION postgres_fdw;
