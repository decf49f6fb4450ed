-- Rows that are no longer what a run has left, and tables that have changed.
\set counts 'inserted, updated, deleted, skipped'
CREATE TABLE products (id int PRIMARY KEY, name text, qty int, doc json, code varchar(4));
CREATE TABLE staging (LIKE products);
INSERT INTO products SELECT i, 'p' || i, i, '{"a":  1}', 'c' || i FROM generate_series(1, 6) AS i;
INSERT INTO staging SELECT i, 'P' || i, i, '{"a":  1}', 'c' || i FROM generate_series(3, 8) AS i;
CREATE TABLE before AS TABLE products;
SELECT run_id AS run FROM deltaetl_sync('staging', 'products', deletes => 'delete',
	log_changes => 'rows') \gset
CREATE TABLE after AS TABLE products;
-- why a revert is refused, without the number of the run
CREATE FUNCTION refused(run bigint, on_conflict text DEFAULT 'error')
RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM deltaetl_revert(run, on_conflict);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	message := replace(message, run::text, 'N');
	RETURN NEXT;
END $$;

-- each kind of conflict; nothing is written unless they are skipped
\x on
INSERT INTO products VALUES (1, 'p1', 1, '{"a":  1}', 'c1');
SELECT * FROM refused(:run);
UPDATE products SET name = 'changed' WHERE id = 3;
SELECT * FROM refused(:run);
DELETE FROM products WHERE id = 4;
UPDATE products SET qty = NULL WHERE id = 7;
DELETE FROM products WHERE id = 8;
\x off
SELECT substring(detail FOR 38) AS detail, array_to_string(conflict, '') AS conflict
FROM refused(:run), regexp_matches(detail, '\(id\)=[^,.]*', 'g') AS conflict ORDER BY 2;
CREATE TABLE meanwhile AS TABLE products;
SELECT run_id AS back, :counts FROM deltaetl_revert(:run, 'skip') \gset
\echo :inserted :updated :deleted :skipped
SELECT id, name, qty FROM products ORDER BY id;
SELECT unchanged FROM deltaetl_run_entry WHERE run_id = :back;
SELECT :counts FROM deltaetl_revert(:back);
SELECT count(*) FROM (SELECT products::text FROM products EXCEPT ALL SELECT meanwhile::text FROM meanwhile) AS d;
-- changed and changed back is not changed; the same to a reader may be
TRUNCATE products;
INSERT INTO products TABLE after;
UPDATE products SET doc = '{"a": 1}' WHERE id = 3;
SELECT detail FROM refused(:run);
UPDATE products SET doc = '{"a":  1}';
BEGIN;
SELECT :counts FROM deltaetl_revert(:run);
SELECT count(*) FROM (SELECT products::text FROM products EXCEPT ALL SELECT before::text FROM before) AS d;
ROLLBACK;
-- no more than ten keys are named
BEGIN;
CREATE TABLE more AS SELECT i AS id, 'm' AS name FROM generate_series(101, 112) AS i;
SELECT run_id AS many FROM deltaetl_sync('more', 'products', log_changes => 'rows') \gset
DELETE FROM products WHERE id > 100;
SELECT substring(detail FOR 49) AS detail, regexp_count(detail, 'is gone') AS named FROM refused(:many);
ROLLBACK;
DROP TABLE meanwhile;

-- a column that the table has got since is left alone, or gets its default
ALTER TABLE products ADD COLUMN note text DEFAULT 'none', ADD COLUMN since date;
UPDATE products SET note = 'mine' WHERE id = 3;
BEGIN;
SELECT :counts FROM deltaetl_revert(:run);
SELECT * FROM products ORDER BY id;
ROLLBACK;
-- a column that is gone is left out, and one that is renamed is gone
BEGIN;
ALTER TABLE products DROP COLUMN qty;
ALTER TABLE products RENAME COLUMN code TO sku;
SELECT :counts FROM deltaetl_revert(:run);
SELECT * FROM products ORDER BY id;
ROLLBACK;
-- one that is generated now is neither compared nor written
BEGIN;
ALTER TABLE products DROP COLUMN qty, ADD COLUMN qty int GENERATED ALWAYS AS (-id) STORED;
SELECT :counts FROM deltaetl_revert(:run);
SELECT id, name, qty FROM products ORDER BY id;
ROLLBACK;
-- values go through the input function of another type
BEGIN;
ALTER TABLE products ALTER qty TYPE numeric(5,1), ALTER name TYPE varchar(10), ALTER doc TYPE text;
SELECT :counts FROM deltaetl_revert(:run);
SELECT id, name, qty, doc FROM products ORDER BY id;
ROLLBACK;
BEGIN;
ALTER TABLE products ALTER name TYPE int USING id;
SELECT deltaetl_revert(:run, 'skip');
ROLLBACK;
BEGIN;
CREATE DOMAIN small AS int CHECK (VALUE > 2);
ALTER TABLE products ALTER qty TYPE small;
SELECT deltaetl_revert(:run, 'skip');
ROLLBACK;
-- a new constraint holds for what comes back
BEGIN;
ALTER TABLE products ADD CHECK (qty > 1);
SELECT deltaetl_revert(:run);
ROLLBACK;

-- no key, no target, another one of that name
\x on
BEGIN; ALTER TABLE products RENAME COLUMN id TO no; SELECT * FROM refused(:run); ROLLBACK;
BEGIN; ALTER TABLE products RENAME TO goods; SELECT * FROM refused(:run); ROLLBACK;
BEGIN; CREATE SCHEMA shop; ALTER TABLE products SET SCHEMA shop; SELECT * FROM refused(:run); ROLLBACK;
BEGIN; ALTER TABLE products RENAME TO goods; CREATE VIEW products AS TABLE goods; SELECT * FROM refused(:run); ROLLBACK;
\x off
-- without a constraint the keys of the target are looked at
BEGIN;
ALTER TABLE products DROP CONSTRAINT products_pkey;
INSERT INTO products TABLE after;
SELECT deltaetl_revert(:run);
ROLLBACK;
BEGIN;
ALTER TABLE products DROP CONSTRAINT products_pkey;
SELECT :counts FROM deltaetl_revert(:run);
SELECT count(*) FROM (SELECT id, name FROM products EXCEPT ALL SELECT id, name FROM before) AS d;
ROLLBACK;
-- what has children cannot tell where a row was
BEGIN;
CREATE TABLE special () INHERITS (products);
SELECT message, detail FROM refused(:run);
ROLLBACK;

DROP FUNCTION refused;
DROP TABLE products, staging, before, after;
