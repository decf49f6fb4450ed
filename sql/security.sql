-- Whose rights, whose names.
CREATE ROLE deltaetl_loader;
CREATE ROLE deltaetl_owner;
CREATE TABLE products (id int PRIMARY KEY, name text, qty int, secret text DEFAULT 's');
CREATE TABLE staging (id int, name text, qty int, secret text);
ALTER TABLE products OWNER TO deltaetl_owner;
INSERT INTO products VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO staging VALUES (1, 'ONE', 1), (2, 'two', 2), (4, 'four', 4);

-- each right that is missing is named; nothing is locked or read before
SET ROLE deltaetl_loader;
SELECT deltaetl_diff('staging', 'products');
RESET ROLE; GRANT SELECT ON staging TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT deltaetl_diff('staging', 'products');
RESET ROLE; GRANT SELECT (id, name, qty) ON products TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT deltaetl_diff('staging', 'products');
SELECT action, key, changed_columns, old_row, new_row
FROM deltaetl_diff('staging', 'products', exclude_columns => '{secret}') ORDER BY key;
SELECT deltaetl_sync('staging', 'products', exclude_columns => '{secret}');
RESET ROLE; GRANT INSERT (id, name, qty) ON products TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT deltaetl_sync('staging', 'products', exclude_columns => '{secret}');
RESET ROLE; GRANT UPDATE (name) ON products TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT deltaetl_sync('staging', 'products', exclude_columns => '{secret}');
RESET ROLE; GRANT UPDATE (qty) ON products TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT deltaetl_sync('staging', 'products', exclude_columns => '{secret}', deletes => 'delete');
-- with rights on columns alone, as DML by hand needs them
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', exclude_columns => '{secret}');
RESET ROLE; GRANT DELETE ON products TO deltaetl_loader; SET ROLE deltaetl_loader;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', exclude_columns => '{secret}', deletes => 'delete',
	scope => 'id > 0');
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', exclude_columns => '{secret}', deletes => 'delete');
RESET ROLE;
SELECT * FROM products ORDER BY id;

-- row security: what the caller cannot see is neither compared nor deleted
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON products TO deltaetl_loader USING (qty < 100) WITH CHECK (qty < 200);
INSERT INTO products VALUES (100, 'hidden', 100);
SET ROLE deltaetl_loader;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', exclude_columns => '{secret}', deletes => 'delete');
SELECT action, key FROM deltaetl_diff('staging', 'products', exclude_columns => '{secret}');
RESET ROLE;
INSERT INTO staging VALUES (5, 'five', 500);
SET ROLE deltaetl_loader;
SELECT deltaetl_sync('staging', 'products', exclude_columns => '{secret}');
RESET ROLE;
SELECT id FROM products ORDER BY id;
UPDATE staging SET qty = 5 WHERE id = 5;
-- the owner is not subject to it, unless forced
GRANT SELECT ON staging TO deltaetl_owner;
SET ROLE deltaetl_owner;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', exclude_columns => '{secret}', dry_run => true, deletes => 'delete');
ALTER TABLE products FORCE ROW LEVEL SECURITY;
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', exclude_columns => '{secret}', dry_run => true, deletes => 'delete');
RESET ROLE;
DROP TABLE products, staging;

-- an attacker's names placed first in search_path are not used
CREATE SCHEMA evil;
CREATE FUNCTION evil.gotcha(int, int) RETURNS boolean LANGUAGE plpgsql
AS 'BEGIN RAISE EXCEPTION ''gotcha''; END';
CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.gotcha);
CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE sql AS 'SELECT 1/0::bigint';
CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS 'SELECT (1/0)::text::jsonb';
CREATE FUNCTION evil.deltaetl_row_hash(int, text) RETURNS bytea LANGUAGE sql AS $$SELECT (1/0)::text::bytea$$;
CREATE FUNCTION evil.deltaetl_differs(bytea, bytea) RETURNS boolean LANGUAGE sql AS 'SELECT 1/0 = 1';
CREATE DOMAIN evil.tid AS text CHECK (VALUE = 'gotcha');
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (VALUE = 'gotcha');
CREATE TABLE evil.deltaetl_delete (oid oid, tid pg_catalog.tid, c1 int, c2 pg_catalog.text);
CREATE TABLE deltaetl_insert (c1 int, c2 pg_catalog.text);
INSERT INTO deltaetl_insert VALUES (666, 'gotcha');
CREATE TABLE products (id int PRIMARY KEY, name pg_catalog.text);
CREATE TABLE staging (id int, name pg_catalog.text);
INSERT INTO products VALUES (1, 'one'), (2, 'two');
INSERT INTO staging VALUES (1, 'ONE'), (3, 'three');
SET search_path = evil, public, pg_catalog;
SELECT action, key, changed_columns FROM deltaetl_diff('staging', 'products');
SELECT inserted, updated, deleted, unchanged
FROM deltaetl_sync('staging', 'products', deletes => 'delete');
SELECT action FROM deltaetl_diff('staging', 'products');
SELECT key FROM deltaetl_hashes('products') ORDER BY 1;
RESET search_path;
SELECT * FROM products ORDER BY id;
DROP TABLE products, staging, deltaetl_insert;
SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
DROP ROLE deltaetl_loader, deltaetl_owner;
