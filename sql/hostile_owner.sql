-- Which code of a table's owner runs, and as whom: what doc/security.md says.
CREATE ROLE regress_deltaetl_mallory;
CREATE ROLE regress_deltaetl_caller;
CREATE SCHEMA lair AUTHORIZATION regress_deltaetl_mallory;
SET ROLE regress_deltaetl_mallory;
SET search_path = lair, public;
GRANT USAGE ON SCHEMA lair TO PUBLIC;
-- code of each kind notes itself and who it runs as; pure is what an index takes
CREATE FUNCTION note(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('test.noted', concat_ws(',', NULLIF(current_setting('test.noted', true), ''), what || ' as ' || CASE WHEN current_user LIKE 'regress%' THEN substr(current_user, 18) ELSE 'superuser' END), false);
	RETURN true;
END $$;
CREATE FUNCTION pure(what text, value int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	PERFORM lair.note(what);
	RETURN value;
END $$;
CREATE FUNCTION definer() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$ SELECT lair.note('security definer') $$;
CREATE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM lair.note(lower(TG_LEVEL) || ' trigger'), lair.definer();
	RETURN NEW;
END $$;
CREATE DOMAIN word AS text CHECK (note('domain') AND VALUE <> '');
CREATE TYPE own AS (n int);
CREATE FUNCTION cast_own(own) RETURNS int IMMUTABLE RETURN pure('cast', $1.n);
CREATE CAST (own AS int) WITH FUNCTION cast_own(own) AS ASSIGNMENT;
CREATE TABLE others (id int PRIMARY KEY, CHECK (pure('check of the other table', id) > 0));
INSERT INTO others VALUES (1);
CREATE TABLE products (id int PRIMARY KEY, word word, n int REFERENCES others, def boolean DEFAULT note('default'),
	gen int GENERATED ALWAYS AS (pure('generated column', id)) STORED, CHECK (pure('check', id) > 0));
CREATE INDEX ON products (pure('index', id)) WHERE pure('condition of an index', id) > 0;
CREATE STATISTICS told ON (pure('statistics', id)), n FROM products;
CREATE TRIGGER fired BEFORE INSERT ON products FOR EACH ROW EXECUTE FUNCTION fired();
CREATE TRIGGER fired_once AFTER INSERT ON products FOR EACH STATEMENT EXECUTE FUNCTION fired();
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON products USING (note('policy'));
CREATE TABLE staging (id int, word text, n own);
INSERT INTO staging VALUES (1, 'one', ROW(1));
CREATE VIEW viewed AS SELECT * FROM staging WHERE note('view');
GRANT SELECT ON viewed, staging TO PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON products TO regress_deltaetl_caller;
RESET ROLE;
CREATE FUNCTION noted() RETURNS SETOF text LANGUAGE sql AS $$
SELECT DISTINCT unnest(string_to_array(current_setting('test.noted', true), ',')) COLLATE "C" ORDER BY 1 $$;
\set forget 'SELECT set_config(\'test.noted\', \'\', false) AS forgotten'

SET ROLE regress_deltaetl_caller;
:forget;
SELECT count(*) > 10 AS explained FROM deltaetl_explain('viewed', 'products', deletes => 'delete');
SELECT noted();
SELECT count(*) FROM deltaetl_diff('viewed', 'products');
SELECT noted();
:forget;
SELECT inserted FROM deltaetl_sync('viewed', 'products', dry_run => true);
SELECT noted();
:forget;
BEGIN;
SELECT inserted FROM deltaetl_sync('viewed', 'products', deletes => 'delete');
SELECT noted();
ROLLBACK;
-- statements written by hand call the same
:forget;
BEGIN;
INSERT INTO products (id, word, n) SELECT id, word, n FROM viewed WHERE NOT EXISTS (SELECT FROM products AS p WHERE p.id = viewed.id);
SELECT noted();
ROLLBACK;

-- a superuser runs it all, but for the policies
RESET ROLE;
:forget;
BEGIN;
SELECT inserted FROM deltaetl_sync('viewed', 'products', deletes => 'delete');
SELECT noted();
ROLLBACK;
-- also a table that is written without a plan
ALTER TABLE products DISABLE ROW LEVEL SECURITY;
ALTER TABLE products DROP COLUMN def;
DROP TRIGGER fired ON products;
DROP TRIGGER fired_once ON products;
:forget;
SELECT inserted FROM deltaetl_sync('viewed', 'products', log_changes => 'rows');
SELECT noted();
-- the owner's code has the rights of the owner where it runs as that
SET ROLE regress_deltaetl_mallory;
SELECT deltaetl_create_job('own', 'lair.viewed', 'lair.products');
UPDATE staging SET word = 'other';
SET test.noted = '';
CALL deltaetl_run_job('own');
RESET ROLE;
SELECT word FROM products;
SELECT deltaetl_drop_job('own');

RESET search_path;
SET client_min_messages = warning;
DROP FUNCTION lair.noted;
DROP SCHEMA lair CASCADE;
DROP ROLE regress_deltaetl_mallory, regress_deltaetl_caller;
